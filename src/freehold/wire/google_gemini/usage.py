"""What Gemini counts, in the one definition of core/usage.py.

`promptTokenCount` includes `cachedContentTokenCount`: adding that would charge it twice. `candidatesTokenCount` leaves out
`thoughtsTokenCount`, and the prompt leaves out what tools of Google's own put into it: both are added. The total tells a server
that counts thoughts among the candidates.
"""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import msgspec

from freehold.core.usage import Usage, UsageSource

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**40)]  # beyond it, tokens times price would not fit a ledger
_RAW_BYTES = 4096


class _OfKind(msgspec.Struct):
    modality: str = ""
    tokenCount: _Count = 0  # noqa: N815


class _Counts(msgspec.Struct):
    promptTokenCount: _Count  # noqa: N815  the vendor's own names, as below
    candidatesTokenCount: _Count | None = None  # noqa: N815
    cachedContentTokenCount: _Count | None = None  # noqa: N815
    thoughtsTokenCount: _Count | None = None  # noqa: N815
    toolUsePromptTokenCount: _Count | None = None  # noqa: N815
    totalTokenCount: _Count | None = None  # noqa: N815
    promptTokensDetails: list[_OfKind] | None = None  # noqa: N815  what a cache held is in these too
    cacheTokensDetails: list[_OfKind] | None = None  # noqa: N815
    candidatesTokensDetails: list[_OfKind] | None = None  # noqa: N815


_counts = msgspec.json.Decoder(_Counts)


def read_usage(raw: msgspec.Raw, source: UsageSource) -> tuple[Usage | None, str | None]:
    """(usage, the vendor's own words), both None where there is none. Counts that contradict themselves are kept raw only."""
    if bytes(raw) == b"null":
        return None, None
    text = bytes(raw)[:_RAW_BYTES].decode(errors="replace")
    try:
        seen = _counts.decode(raw)
        asked = seen.promptTokenCount + (seen.toolUsePromptTokenCount or 0)
        said, thought, total = seen.candidatesTokenCount or 0, seen.thoughtsTokenCount or 0, seen.totalTokenCount or 0
        output = said if thought and total == asked + said else max(said + thought, total - asked)
        heard, heard_before = _audio(seen.promptTokensDetails), _audio(seen.cacheTokensDetails)
        if heard is not None:
            heard -= heard_before or 0
            unsaid = max(0, heard - (asked - (seen.cachedContentTokenCount or 0)))  # a cache must have held these
            heard, heard_before = heard - unsaid, heard_before if not unsaid else (heard_before or 0) + unsaid
        usage = Usage(
            input_tokens=asked, output_tokens=output, cache_read=seen.cachedContentTokenCount,
            reasoning=seen.thoughtsTokenCount, input_audio=heard, cache_read_audio=heard_before,
            output_audio=_audio(seen.candidatesTokensDetails), source=source,
        )  # fmt: skip
    except ValueError:
        return None, text
    return usage, text


def _audio(details: Sequence[_OfKind] | None) -> int | None:
    """Tokens of sound among these; None where there are none."""
    return sum(kind.tokenCount for kind in details or () if kind.modality == "AUDIO") or None
