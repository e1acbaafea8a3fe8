"""The lines of a migration's log that are no decisions: what was seen of single requests, and of the judge."""

from typing import TypeAlias

import msgspec


class Weighed(msgspec.Struct, frozen=True):
    """How a judge's verdict on one pair came about. `turned`: it was another in the other order; `longer`: the longer answer won,
    None where nobody won or both are as long."""

    turned: bool = False
    longer: bool | None = None


class PairScore(msgspec.Struct, frozen=True, kw_only=True, tag="pair"):
    """Two answers to one request. `candidate` and `incumbent`, 0 to 1; `harms` of both, by guardrail; `step` of the canary in
    which they were given, -1 before it. `recorded`: the request came from the ledger. `judge_nanousd`: of its judge, beside
    `cost_nanousd` of the copy."""

    request: str
    at: float
    step: int
    candidate: float
    incumbent: float
    slice: str | None = None
    harms: dict[str, tuple[float, float]] = {}
    cost_nanousd: int = 0
    recorded: bool = False
    judge_nanousd: int = 0
    judged: Weighed | None = None


class Unscored(msgspec.Struct, frozen=True, kw_only=True, tag="unscored"):
    """A request that could not be compared, or whose answers could not be graded, and `why`: it counts for neither model."""

    request: str
    at: float
    step: int
    why: str
    cost_nanousd: int = 0
    recorded: bool = False
    judge_nanousd: int = 0


class Served(msgspec.Struct, frozen=True, kw_only=True, tag="served"):
    """One request of a caller's that the candidate was sent in the canary, or once it was live, with its harms. `offline`: the
    offline key that sent it; None: another one."""

    request: str
    at: float
    step: int
    harms: dict[str, float] = {}
    offline: str | None = None


class Checked(msgspec.Struct, frozen=True, kw_only=True, tag="judge"):
    """A process has held its judge to null answers: of `canaries` comparisons `won` were won by one, `tied` were ties. A judge
    that is not `fit` is asked nothing more."""

    at: float
    target: str
    digest: str
    canaries: int
    won: int
    tied: int
    fit: bool


class Replay(msgspec.Struct, frozen=True, kw_only=True, tag="replay"):
    """So many recorded requests are to be asked."""

    at: float
    total: int


Score: TypeAlias = PairScore | Unscored | Served | Checked | Replay
