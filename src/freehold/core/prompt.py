"""A prompt variant: the operator's own words and defaults around a caller's request, as one target is to read it."""

import hashlib
from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

import msgspec

Parameter: TypeAlias = Literal["temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed", "stop"]
PARAMETERS: tuple[Parameter, ...] = get_args(Parameter)
CONTENT = "{content}"  # where a template has the caller's text
_DIGITS = 12
_MOST_TOKEN_BYTES = 32  # as the requests themselves are measured: how long a text is, is known only from below


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One version. `system` stands before the caller's system text, `template` around the text of the last user turn, and
    `parameters` hold where the caller said nothing. `digest` is of all three and of nothing else."""

    name: str
    digest: str
    system: str | None = None
    template: str | None = None
    parameters: Mapping[Parameter, object] = {}

    @property
    def release(self) -> str:
        """How it stands in the ledger: `v2@1f0c66ab04de`. The same name with other words is another release."""
        return f"{self.name}@{self.digest}"

    @property
    def frame(self) -> tuple[str, str]:
        """What its template has before and behind the caller's text."""
        ahead, _, behind = (self.template or CONTENT).partition(CONTENT)
        return ahead, behind

    @property
    def text_bytes(self) -> int:
        """How many bytes it adds to a prompt."""
        return sum(len(text.encode()) for text in (self.system or "", *self.frame))

    @property
    def least_tokens(self) -> int:
        """The fewest tokens that its system text can be; a template may meet no text to stand around."""
        return len((self.system or "").encode()) // _MOST_TOKEN_BYTES


def variant(name: str, system: str | None, template: str | None, parameters: Mapping[Parameter, object]) -> Variant:
    """The variant with its digest."""
    said = msgspec.json.encode([system, template, parameters], order="deterministic")
    digest = hashlib.sha256(said).hexdigest()[:_DIGITS]
    return Variant(name=name, digest=digest, system=system, template=template, parameters=parameters)
