"""What a ledger holds of one window of time, counted by workload and by target: all that the signals need, and no content."""

import msgspec

from freehold.core.entry import CostBasis
from freehold.stats.ratio import Sample


class WorkloadSeen(msgspec.Struct, frozen=True):
    """Counts of one workload's requests. `streamed`: those whose first token can be judged; `slow`: of those, the late ones;
    `questioned`: those that lost a target to a rule about their data; `refused`: of those, the ones left with none."""

    workload: str
    requests: int = 0
    streamed: int = 0
    slow: int = 0
    sensitive: int = 0
    questioned: int = 0
    refused: int = 0


class AttemptsSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One workload's attempts at one model at one target. `failed` leaves out those turned away for their rate and those that the
    caller ended; `answers` are output tokens of finished ones, `ttft_s` seconds to the first token of streams."""

    workload: str
    target: str
    model: str
    kind: CostBasis
    attempts: int
    rate_limited: int = 0
    failed: int = 0
    busy_s: float = 0.0
    cost_nanousd: int = 0
    answers: Sample = Sample()
    ttft_s: Sample = Sample()


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What a ledger holds of one window. `covered_s`: seconds of it since the ledger's first entry."""

    window_s: float
    covered_s: float
    workloads: tuple[WorkloadSeen, ...] = ()
    attempts: tuple[AttemptsSeen, ...] = ()
