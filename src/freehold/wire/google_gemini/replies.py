"""The replies of generateContent as they are written: one body, or each event of a stream."""

from collections.abc import Mapping
from typing import Any

import msgspec

from freehold.core.said import StopReason

NULL = msgspec.Raw(b"null")

_STOPS: Mapping[str, StopReason] = {
    "STOP": "end", "MAX_TOKENS": "length", "SAFETY": "refused", "RECITATION": "refused", "LANGUAGE": "refused",
    "BLOCKLIST": "refused", "PROHIBITED_CONTENT": "refused", "SPII": "refused", "IMAGE_SAFETY": "refused",
    "IMAGE_PROHIBITED_CONTENT": "refused", "IMAGE_RECITATION": "refused",
}  # fmt: skip


class Called(msgspec.Struct):
    name: str
    args: msgspec.Raw = msgspec.Raw(b"{}")
    id: str = ""


class Blob(msgspec.Struct):
    mimeType: str  # noqa: N815  the vendor's own names, as below
    data: str


class AnswerPart(msgspec.Struct):
    """One of text, call or media; what else there may be was not asked for. `thought`: text that is thinking."""

    text: str | None = None
    thought: bool = False
    thoughtSignature: str = ""  # noqa: N815
    functionCall: Called | None = None  # noqa: N815
    inlineData: Blob | None = None  # noqa: N815


class Content(msgspec.Struct):
    parts: list[AnswerPart] | None = None


class Token(msgspec.Struct):
    token: str = ""
    logProbability: float = 0.0  # noqa: N815


class TopTokens(msgspec.Struct):
    candidates: list[Token] | None = None


class Logprobs(msgspec.Struct):
    chosenCandidates: list[Token] | None = None  # noqa: N815
    topCandidates: list[TopTokens] | None = None  # noqa: N815


class Candidate(msgspec.Struct):
    index: int = 0
    content: Content | None = None
    finishReason: str | None = None  # noqa: N815
    logprobsResult: Logprobs | None = None  # noqa: N815


class PromptFeedback(msgspec.Struct):
    blockReason: str | None = None  # noqa: N815


class Response(msgspec.Struct):
    candidates: list[Candidate] | None = None
    promptFeedback: PromptFeedback | None = None  # noqa: N815
    usageMetadata: msgspec.Raw = NULL  # noqa: N815
    modelVersion: str = ""  # noqa: N815
    responseId: str = ""  # noqa: N815
    error: msgspec.Raw = NULL


responses = msgspec.json.Decoder(Response)


def stop_of(finish: str, *, calls: bool) -> StopReason | None:
    """Ours; None for a finish that left no answer, such as a call that could not be read (MALFORMED_FUNCTION_CALL)."""
    stop = _STOPS.get(finish)
    return "calls" if stop == "end" and calls else stop


def logprobs_of(found: Logprobs | None) -> msgspec.Raw | None:
    """In OpenAI's shape, as Choice has them. None where there are none."""
    if found is None or not found.chosenCandidates:
        return None
    tops = found.topCandidates or []
    tokens: list[dict[str, Any]] = []
    for at, chosen in enumerate(found.chosenCandidates):
        top = (tops[at].candidates or []) if at < len(tops) else []
        tokens.append(_token(chosen) | {"top_logprobs": [_token(token) for token in top]})
    return msgspec.Raw(msgspec.json.encode(tokens))


def _token(token: Token) -> dict[str, Any]:
    return {"token": token.token, "logprob": token.logProbability, "bytes": list(token.token.encode(errors="replace"))}
