"""How far predictions are from what was measured, load by load and request by request, and repeats from each other."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import NamedTuple

import msgspec

from freehold.plan.capacity.calibration.kinds import kinds
from freehold.plan.capacity.calibration.law import LatencyLaw
from freehold.plan.capacity.calibration.slots import under_load
from freehold.plan.capacity.calibration.timings import Load, Timing

_DRAWS = 8  # of who comes first, for each load


class Medians(NamedTuple):
    """Median seconds to the first token, per token after it, and to the last."""

    ttft_s: float
    tpot_s: float
    total_s: float


class Errors(NamedTuple):
    """Shares (0.1 is 10 %) by which predictions missed."""

    ttft: float
    tpot: float
    total: float


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of about one length in one load, its repeats together. The tokens are medians."""

    name: str
    concurrency: int
    input_tokens: int
    output_tokens: int
    requests: int
    measured: Medians
    predicted: Medians
    errors: Errors


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """`by_load`: the median of how far the medians of `loads` were missed, each counted by its requests; `by_request`: over all
    requests, each compared with itself; `worst`: the largest of `loads`.

    Lengths are compared apart, because a median over two of them lies with one or the other as chance has it.
    """

    loads: tuple[Compared, ...]
    by_load: Errors
    by_request: Errors
    worst: Errors


def medians(timings: Iterable[Timing]) -> Medians:
    """Of answers; those of one token have no pace."""
    rows = list(timings)
    paces = [one.tpot_s for one in rows if one.tpot_s is not None]
    return Medians(
        median(one.ttft_s for one in rows), median(paces) if paces else 0.0, median(one.total_s for one in rows)
    )  # fmt: skip


def check(law: LatencyLaw, loads: Sequence[Load]) -> Check:
    """Predict loads by their requests' tokens alone and compare. Loads of one name are repeats and are compared as one."""
    draws = [[under_load(law, load, draw) for draw in range(_DRAWS)] for load in loads]
    compared = []
    for kind in kinds(loads):
        rows = [loads[at].timings[number] for at, number in kind.places]
        measured, predicted = medians(rows), medians(one[number] for at, number in kind.places for one in draws[at])
        load = loads[kind.places[0][0]]
        compared.append(
            Compared(
                name=load.name, concurrency=load.concurrency, input_tokens=int(median(one.input_tokens for one in rows)),
                output_tokens=int(median(one.output_tokens for one in rows)), requests=len(rows), measured=measured,
                predicted=predicted, errors=errors(measured, predicted),
            )
        )  # fmt: skip
    # Single requests are compared in the order they were sent, which is the likeliest.
    single = [
        errors(Medians(*_times(seen)), Medians(*_times(said)))
        for load in loads
        for seen, said in zip(load.timings, under_load(law, load), strict=True)
    ]
    return Check(
        loads=tuple(compared),
        by_load=_over([one.errors for one in compared for _ in range(one.requests)], median),
        by_request=_over(single, median),
        worst=_over([one.errors for one in compared], max),
    )


def repeats(loads: Sequence[Load]) -> Errors | None:
    """How far the repeats of a load are from each other: every second one against the others, as `Check.by_load` counts it.

    No prediction can be surer than that. None where nothing was repeated.
    """
    before: dict[str, int] = {}
    second = []
    for load in loads:
        before[load.name] = before.get(load.name, 0) + 1
        second.append(before[load.name] % 2 == 0)
    rows = []
    for kind in kinds(loads):
        halves = [[loads[at].timings[number] for at, number in kind.places if second[at] is half] for half in (False, True)]
        if all(halves):
            rows += [errors(*map(medians, halves))] * len(kind.places)
    return _over(rows, median) if rows else None


def errors(measured: Medians, predicted: Medians) -> Errors:
    """Each as a share of what was measured; 0 where nothing was."""
    return Errors(*(abs(said / seen - 1) if seen > 0 else 0.0 for seen, said in zip(measured, predicted, strict=True)))


def _times(one: Timing) -> tuple[float, float, float]:
    return one.ttft_s, one.tpot_s or 0.0, one.total_s


def _over(rows: Sequence[Errors], how: Callable[[Iterable[float]], float]) -> Errors:
    return Errors(*(how(column) for column in zip(*rows, strict=True)))
