"""The sections of `freehold.yaml` about a target's health and the limits of its vendor."""

from pydantic import Field, model_validator

from freehold.app.section import Section


class TargetLimitsSettings(Section):
    """Of your account there. What its reply headers say counts besides, so both may stay unset where it sends them."""

    requests_per_minute: int | None = Field(None, ge=1, le=1_000_000_000)
    """Requests in a minute."""
    tokens_per_minute: int | None = Field(None, ge=1, le=1_000_000_000_000)
    """Tokens of prompts and answers in a minute."""


class HealthSettings(Section):
    failures: int = Field(5, ge=1, le=1000)
    """Failures in a row that open its breaker."""
    open_s: float = Field(5.0, gt=0, le=3600)
    """Seconds it is left alone then; twice as long each time it has not recovered."""
    longest_open_s: float = Field(60.0, gt=0, le=3600)
    """The most that this grows to."""
    ramp_s: float = Field(30.0, ge=0, le=3600)
    """Seconds in which it takes over its share again, once it has recovered; 0: all of it at once."""
    ramp_from: float = Field(0.1, gt=0, le=1)
    """Share of its requests it begins with."""
    paid_probes: bool = False
    """Whether a rented target is asked a small question, paid and in the ledger, before callers are sent there again."""

    @model_validator(mode="after")
    def longest_is_longest(self) -> "HealthSettings":
        if self.longest_open_s < self.open_s:
            raise ValueError(f"longest_open_s is {self.longest_open_s:g}; give at least open_s, which is {self.open_s:g}")
        return self
