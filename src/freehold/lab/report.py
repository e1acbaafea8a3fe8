"""What a replay saw, added up."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np

from freehold.lab.asking import Result

_UNNAMED = "(unnamed)"


class Latency(msgspec.Struct, frozen=True):
    """The median and the 99th percentile, in milliseconds."""

    p50_ms: float
    p99_ms: float


class TargetReport(msgspec.Struct, frozen=True):
    """One target's whole answers. A target that did not name itself is `(unnamed)`."""

    answered: int
    ttft: Latency | None
    tickets_right: int
    tickets_total: int


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """A replay's account. sent = answered + sum(errors) + unfinished; `late`: sent after their time, the bound being reached."""

    sent: int
    answered: int
    errors: dict[str, int]
    unfinished: int
    late: int
    wall_s: float
    ttft: Latency | None
    total: Latency | None
    by_target: dict[str, TargetReport]
    by_workload: dict[str, dict[str, int]]
    tickets_right: int
    tickets_total: int
    whole_ids: list[str]
    interrupted: bool = False


class Progress(msgspec.Struct, frozen=True):
    """A replay under way."""

    sent: int
    answered: int
    failed: int
    late: int
    elapsed_s: float

    @property
    def in_flight(self) -> int:
        """Sent and not yet back."""
        return self.sent - self.answered - self.failed


def latency(seconds: Sequence[float]) -> Latency | None:
    """None where nothing was measured."""
    if not seconds:
        return None
    p50, p99 = np.percentile(np.asarray(seconds) * 1000, [50, 99])
    return Latency(round(float(p50), 2), round(float(p99), 2))


class Account:
    """Takes each request's result as it comes."""

    def __init__(self) -> None:
        self.sent = 0
        self.late = 0
        self.errors: Counter[str] = Counter()
        self._whole: list[Result] = []

    def add(self, result: Result) -> None:
        """One request came back, whole or not."""
        if result.error is None:
            self._whole.append(result)
        else:
            self.errors[result.error] += 1

    def progress(self, elapsed_s: float) -> Progress:
        """Where it stands."""
        return Progress(self.sent, len(self._whole), self.errors.total(), self.late, elapsed_s)

    def report(self, wall_s: float, *, interrupted: bool) -> ReplayReport:
        """Everything, added up."""
        by_target: defaultdict[str, list[Result]] = defaultdict(list)
        by_workload: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for result in self._whole:
            target = result.target or _UNNAMED
            by_target[target].append(result)
            by_workload[result.workload][target] += 1
        right, total = _tickets(self._whole)
        return ReplayReport(
            sent=self.sent,
            answered=len(self._whole),
            errors=dict(self.errors.most_common()),
            unfinished=self.sent - len(self._whole) - self.errors.total(),
            late=self.late,
            wall_s=round(wall_s, 3),
            ttft=_ttft(self._whole),
            total=latency([result.total_s for result in self._whole]),
            by_target={name: _of_target(results) for name, results in sorted(by_target.items())},
            by_workload={name: dict(sorted(counts.items())) for name, counts in sorted(by_workload.items())},
            tickets_right=right,
            tickets_total=total,
            whole_ids=[result.request_id for result in self._whole if result.request_id is not None],
            interrupted=interrupted,
        )


def _of_target(results: Sequence[Result]) -> TargetReport:
    return TargetReport(len(results), _ttft(results), *_tickets(results))


def _ttft(results: Sequence[Result]) -> Latency | None:
    return latency([result.ttft_s for result in results if result.ttft_s is not None])


def _tickets(results: Sequence[Result]) -> tuple[int, int]:
    """(right, all) of the answers to tickets."""
    verdicts = [result.ticket_right for result in results if result.ticket_right is not None]
    return sum(verdicts), len(verdicts)
