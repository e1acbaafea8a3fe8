"""How far predictions are from what was measured, load by load and request by request."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import NamedTuple

import msgspec

from freehold.plan.capacity.calibration.law import LatencyLaw
from freehold.plan.capacity.calibration.slots import under_load
from freehold.plan.capacity.calibration.timings import Load, Timing


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
    """One load, its repeats together."""

    name: str
    concurrency: int
    requests: int
    measured: Medians
    predicted: Medians
    errors: Errors


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """`by_load`: the median over loads of how far the medians of a load were missed; `by_request`: over all requests, each
    compared with itself; `worst`: the largest of a load."""

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
    named: dict[str, list[Load]] = {}
    for load in loads:
        named.setdefault(load.name, []).append(load)
    compared, single = [], []
    for name, alike in named.items():
        measured = [one for load in alike for one in load.timings]
        predicted = [one for load in alike for one in under_load(law, load)]
        seen, said = medians(measured), medians(predicted)
        single += [errors(Medians(*_times(a)), Medians(*_times(b))) for a, b in zip(measured, predicted, strict=True)]
        compared.append(
            Compared(
                name=name, concurrency=alike[0].concurrency, requests=len(measured), measured=seen, predicted=said,
                errors=errors(seen, said),
            )
        )  # fmt: skip
    by_load = [one.errors for one in compared]
    return Check(
        loads=tuple(compared),
        by_load=_over(by_load, median),
        by_request=_over(single, median),
        worst=_over(by_load, max),
    )


def errors(measured: Medians, predicted: Medians) -> Errors:
    """Each as a share of what was measured; 0 where nothing was."""
    return Errors(*(abs(said / seen - 1) if seen > 0 else 0.0 for seen, said in zip(measured, predicted, strict=True)))


def _times(one: Timing) -> tuple[float, float, float]:
    return one.ttft_s, one.tpot_s or 0.0, one.total_s


def _over(rows: Sequence[Errors], how: Callable[[Iterable[float]], float]) -> Errors:
    return Errors(*(how(column) for column in zip(*rows, strict=True)))
