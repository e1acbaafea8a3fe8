"""Several workloads on one set of replicas: their peaks do not all fall together, and people and spares are counted once."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from freehold.plan.candidate import Weighed
from freehold.plan.demand.traffic import Floats
from freehold.plan.document import Pool
from freehold.plan.optimum.hybrid import Market, cheapest, hybrid_curve
from freehold.plan.optimum.load import Load

_SEEN = 0.9


def pools(weighed: Sequence[tuple[str, Weighed]]) -> list[Pool]:
    """One pool for each way of owning that several workloads share, where they were seen over the same time (nine tenths)."""
    found = []
    by_label = sorted(weighed, key=lambda entry: entry[1].candidate.label)
    for label, group in groupby(by_label, key=lambda entry: entry[1].candidate.label):
        members = list(group)
        starts = [one.start_s for _, one in members]
        spans = [one.market.load.span_s for _, one in members]
        whole = max(start + span for start, span in zip(starts, spans, strict=True)) - min(starts)
        if len(members) > 1 and min(spans) >= _SEEN * whole:
            found.append(_pool(label, members, min(starts), whole))
    return found


def _pool(label: str, members: Sequence[tuple[str, Weighed]], start_s: float, span_s: float) -> Pool:
    # The same machines on the same terms; but only one whose work is sensitive stands with a spare, and then the pool must, too.
    first = max((one.market for _, one in members), key=lambda market: market.owned.spare_machines)
    count = max(1, round(span_s / first.load.window_s))
    work, sensitive, cost = np.zeros(count), np.zeros(count), np.zeros(count)
    to_month = first.owned.month_hours * 3600 / span_s
    for _, one in members:
        load, offset = one.market.load, one.start_s - start_s
        # Each workload's own month, so that one seen a little shorter is not counted for less.
        scale = one.market.to_month / to_month
        work += scale * _placed(load.work_s, offset, load.window_s, count)
        sensitive += scale * _placed(load.sensitive_s, offset, load.window_s, count)
        cost += scale * _placed(load.cost_nanousd, offset, load.window_s, count)
    bill = sum(one.market.load.bill_nanousd * one.market.to_month for _, one in members)
    marginal = sum(one.market.marginal_nanousd * one.market.to_month for _, one in members) / to_month
    load = Load(span_s / count, work, sensitive, cost, round(bill / to_month))
    return Pool(
        owned_model=label,
        workloads=[name for name, _ in members],
        best=cheapest(hybrid_curve(Market(load, first.owned, first.max_utilisation, to_month, marginal))),
        apart_nanousd_month=sum(one.best.total_nanousd_month for _, one in members),
    )


def _placed(values: Floats, offset_s: float, window_s: float, count: int) -> Floats:
    """Windows of one workload on the common grid, whose windows are a little longer or shorter."""
    place = np.minimum(((np.arange(len(values)) + 0.5) * window_s + offset_s) / window_s, count - 1).astype(np.int64)
    return np.bincount(np.maximum(place, 0), weights=values, minlength=count)[:count].astype(np.float64)
