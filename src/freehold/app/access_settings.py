"""The sections of `freehold.yaml` about who may spend and ask how much."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from freehold.app.section import Section, matching
from freehold.rules.budget import Scope

Name = Annotated[
    str, matching("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "a name here is 1 to 64 letters, digits, dots, - and _, such as support-day")
]


def _limit_store(text: str) -> str:
    if text != "memory://" and not text.startswith(("redis://", "rediss://", "redis+env:", "redis+file:")):
        raise ValueError("use memory://, redis://host:6379/0, or redis+env:NAME where NAME has such a URL")
    return text


class BudgetSettings(Section):
    """Rented dollars that may be spent in each day or month (UTC). Set aside before a call, booked with its entry."""

    name: Name
    """Stands in messages, metrics and entries."""
    scope: Scope
    """Whose money: that of a key, a team, a user or a workload."""
    match: str = Field("each", min_length=1)
    """The one it is for; `each`: every one has a budget of its own."""
    period: Literal["day", "month"] = "month"
    """When it begins anew."""
    usd: Decimal = Field(gt=0, le=1_000_000_000)
    """Dollars."""
    mode: Literal["hard", "warn"] = "hard"
    """`hard`: what may cost more than is left goes to owned targets or is refused. `warn`: it is served, and said."""


class LimitSettings(Section):
    """What is left unset is not limited."""

    name: Name
    """Stands in messages."""
    scope: Scope
    """Whose requests are counted together."""
    match: str = Field("each", min_length=1)
    """The one it is for; `each`: every one is counted apart."""
    requests_per_minute: int | None = Field(None, ge=1, le=1_000_000_000)
    """Requests in a minute."""
    tokens_per_minute: int | None = Field(None, ge=1, le=1_000_000_000_000)
    """Tokens in a minute: the most a request may take before it, what it took after it."""
    concurrent: int | None = Field(None, ge=1, le=1_000_000)
    """Requests at once, of each gateway process."""

    @model_validator(mode="after")
    def limits_something(self) -> "LimitSettings":
        if self.requests_per_minute is self.tokens_per_minute is self.concurrent is None:
            raise ValueError("it limits nothing; give requests_per_minute, tokens_per_minute or concurrent")
        return self


class LimitsSettings(Section):
    """How often and how much may be asked. Where Redis cannot be reached requests pass, and are counted."""

    store: Annotated[str, AfterValidator(_limit_store)] = "memory://"
    """Where it is counted: `memory://` for one gateway, `redis://host:port/0` for several; `redis+env:NAME` and `redis+file:PATH`
    say where such a URL is kept. Read at the start only."""
    rules: list[LimitSettings] = Field([])
    """All that concern a request must let it pass."""
