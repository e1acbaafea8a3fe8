"""What the gate is fed and what it is asked: scores of one request from both models, guardrails, margin and error rate."""

from typing import Annotated, Literal

import msgspec

from freehold.core.errors import BadSettings

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
# How a guardrail is held: against the rented model on the same request, or against a fixed bound.
Held = Literal["worse_by", "at_most"]


class Harm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one request says of a guardrail, 0 (none) to 1 (the most): an error, a refusal, a broken format, an answer beyond the
    latency bound are 1, a cost is its share of the cap. `rented` is left out where only the owned model is measured."""

    owned: Share
    rented: Share | None = None


class Pair(msgspec.Struct, frozen=True):
    """One request, answered by both models: quality from 0 (worst) to 1 (best), a slice of the traffic, harms by guardrail."""

    owned: Share
    rented: Share
    slice: str | None = None
    guardrails: dict[str, Harm] = {}


class Guardrail(msgspec.Struct, frozen=True):
    """The owned model's mean harm is to be at most `limit` above the rented model's (`worse_by`), or at most that (`at_most`)."""

    name: str
    held: Held
    limit: float

    @property
    def threshold(self) -> float:
        """The advantage of the owned model that must be exceeded; the same number for both ways, as harms count downwards."""
        return 0.0 - self.limit

    def advantage(self, harm: Harm) -> float:
        """How much better the owned model did: -1 to 1 against the rented model, -1 to 0 alone. Raises BadSettings."""
        if self.held == "at_most":
            return -harm.owned
        if harm.rented is None:
            raise BadSettings(
                f"guardrail {self.name!r} is held against the rented model, but `rented` is missing; "
                f"give both, or hold it with --at-most {self.name}=LIMIT"
            )
        return harm.rented - harm.owned


class GateSettings(msgspec.Struct, frozen=True):
    """What is asked. `margin`: by how much the owned model's mean score may be lower; `alpha`: how often each wrong decision may
    happen; `min_samples`: pairs without which nothing is promoted. Raises BadSettings."""

    margin: float = 0.03
    alpha: float = 0.05
    min_samples: int = 100
    guardrails: tuple[Guardrail, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1:
            raise BadSettings(f"margin is {self.margin:g}; use a difference in score from 0 to below 1, such as 0.03")
        if not 1e-6 <= self.alpha <= 0.2:
            raise BadSettings(f"alpha is {self.alpha:g}; use an error rate from 0.000001 to 0.2, such as 0.05")
        if self.min_samples < 1:
            raise BadSettings(f"min_samples is {self.min_samples}; use 1 or more")
        names = [guardrail.name for guardrail in self.guardrails]
        for guardrail in self.guardrails:
            lowest = "above 0" if guardrail.held == "at_most" else "from 0"
            if not (0 if guardrail.held == "worse_by" else 1e-9) <= guardrail.limit < 1:
                raise BadSettings(f"guardrail {guardrail.name!r} has the limit {guardrail.limit:g}; use one {lowest} to below 1")
            if names.count(guardrail.name) > 1:
                raise BadSettings(f"guardrail {guardrail.name!r} is given twice; give it one limit")
