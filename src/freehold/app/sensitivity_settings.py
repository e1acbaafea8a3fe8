"""The section of `freehold.yaml` about sensitive data found in the content of requests."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from freehold.app.section import Class, Section, matching
from freehold.rules.sensitivity.kinds import Label
from freehold.rules.sensitivity.opinion import OnFailure

_ONLY = {"classifier": frozenset({"target", "part"}), "presidio": frozenset({"language", "model", "least_score", "python"})}
_OpinionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class OpinionSettings(Section):
    """Somebody else who is asked what a text holds. An opinion only adds labels; the text leaves the house for none."""

    by: Literal["classifier", "presidio"]
    """`classifier`: an owned target that is asked as a model; `presidio`: Microsoft Presidio, in a process beside this one."""
    target: str | None = None
    """The owned target that a classifier is, cleared for restricted data."""
    part: int = Field(4000, ge=400, le=1_000_000)
    """Characters in one question to a classifier; a longer text is asked about in parts, one after the other."""
    language: Annotated[str, matching("[a-z]{2}", "use two small letters, such as en")] = "en"
    """The language that Presidio reads."""
    model: Annotated[str, matching("[A-Za-z][A-Za-z0-9_]*", "use letters, digits and _, such as en_core_web_sm")] | None = None
    """The installed spaCy model that Presidio finds names with; unset: it has its patterns only."""
    python: str | None = Field(None, min_length=1)
    """The interpreter of another environment that has Presidio; unset: this one, with the extra `presidio`."""
    least_score: float = Field(0.5, ge=0, le=1)
    """The score from which what Presidio finds counts."""
    labels: dict[Label, Class] | None = Field(None, min_length=1)
    """What it may say, with the class that each label raises to; unset: pii confidential, phi, pci and (not Presidio) secret
    restricted."""
    on_failure: OnFailure = "raise"
    """Without an answer: `raise` the request as if it had said everything it may, `block` it, or `ignore` that."""
    deadline_s: float = Field(5.0, gt=0, le=120)
    """Seconds it may take for a request; every request waits for it."""
    longest: int = Field(20_000, ge=1, le=10_000_000)
    """Characters; a request with more text gets no answer."""

    @model_validator(mode="after")
    def of_one_kind(self) -> "OpinionSettings":
        for kind, fields in _ONLY.items():
            if kind != self.by and (idle := sorted(fields & self.model_fields_set)):
                raise ValueError(f"{', '.join(idle)} is for by: {kind}, and this is by: {self.by}; leave it out")
        if self.by == "classifier" and self.target is None:
            raise ValueError("target is missing: which owned target is to be asked?")
        if self.by == "presidio" and "secret" in (self.labels or {}):
            raise ValueError("Presidio knows no secrets; leave the label secret out")
        return self


class SensitivitySettings(Section):
    """What is done about sensitive data that a scan finds. Without this section it is only noted: kinds and counts, in the
    ledger. With it, a label not named here raises the request to the class of the kinds found."""

    scan: bool = True
    """Whether the content of requests is scanned at all."""
    labels: dict[str, str] = Field({})
    """By label (`pii`, `phi`, `pci`, `secret`): `raise`, `raise CLASS`, `block`, `redact` or `note`."""
    patterns: list[str] = Field([])
    """Files with kinds of your own, relative to this one; in the form of the shipped kinds.yaml."""
    opinions: dict[_OpinionName, OpinionSettings] = Field({})
    """Second opinions, by a name of your own that stands in the findings."""
