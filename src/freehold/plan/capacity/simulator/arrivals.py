"""Requests as columns: from a trace, in chunks so that a trace of any length fits, or made up at the rates of one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from freehold.core.errors import BadSettings
from freehold.core.trace import TracedRequest
from freehold.plan.capacity.simulator.law import Floats
from freehold.plan.capacity.simulator.world import Ints

CHUNK = 65_536


def _no_ids() -> Ints:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Arrivals:
    """Times in seconds, in order; token counts of 1 or more; `sensitive` (0 or 1): may not be rented.

    `prefix_counts` ids of each request's prefix blocks lie one after the other in `prefix_ids`; empty: none has any. Raises
    BadSettings on anything else.
    """

    at_s: Floats
    input_tokens: Ints
    output_tokens: Ints
    sensitive: Ints = field(default_factory=_no_ids)
    prefix_counts: Ints = field(default_factory=_no_ids)
    prefix_ids: Ints = field(default_factory=_no_ids)

    def __post_init__(self) -> None:
        size = len(self.at_s)
        for name in ("sensitive", "prefix_counts"):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.zeros(size, np.int64))
        for name in ("input_tokens", "output_tokens", "sensitive", "prefix_counts"):
            if len(getattr(self, name)) != size:
                raise BadSettings(f"{name} has {len(getattr(self, name))} values for {size} requests; give one for each")
        if not np.isfinite(self.at_s).all() or (np.diff(self.at_s) < 0).any():
            raise BadSettings("times of arrival run backwards or are not finite; sort the requests by time")
        for name in ("input_tokens", "output_tokens"):
            if size and getattr(self, name).min() < 1:
                raise BadSettings(f"{name} has a {getattr(self, name).min()}; every request has 1 token or more")
        if (self.prefix_counts < 0).any() or self.prefix_counts.sum() != len(self.prefix_ids):
            raise BadSettings(
                f"prefix_counts do not add up to the {len(self.prefix_ids)} prefix_ids; give the ids of each request"
            )
        owners = np.repeat(np.arange(size), self.prefix_counts)
        order = np.lexsort((self.prefix_ids, owners))
        again = (np.diff(owners[order]) == 0) & (np.diff(self.prefix_ids[order]) == 0)
        if again.any():
            raise BadSettings(
                f"request {owners[order][1:][again][0]} names a prefix block twice; an id stands for all up to there"
            )

    def __len__(self) -> int:
        return len(self.at_s)


def arrivals_of(requests: Iterable[TracedRequest]) -> Arrivals:
    """A trace as columns, none of it sensitive. A count of 0 tokens is taken as 1: no engine answers nothing."""
    rows = list(requests)
    return Arrivals(
        at_s=np.array([row.at for row in rows], np.float64),
        input_tokens=np.array([max(1, row.input_tokens) for row in rows], np.int64),
        output_tokens=np.array([max(1, row.output_tokens) for row in rows], np.int64),
        prefix_counts=np.array([len(row.prefix_blocks) for row in rows], np.int64),
        prefix_ids=np.array([block for row in rows for block in row.prefix_blocks], np.int64),
    )


def chunks_of(requests: Iterable[TracedRequest], size: int = CHUNK) -> Iterator[Arrivals]:
    """A trace as columns, so many requests at a time."""
    coming = iter(requests)
    while rows := list(islice(coming, size)):
        yield arrivals_of(rows)


def arrivals_at_rates(rates_rps: Floats, window_s: float, lengths: Arrivals, seed: int) -> Iterator[Arrivals]:
    """Poisson arrivals at the rate of each window, one chunk per window, with lengths drawn from those of another trace.

    The same seed gives the same requests. Raises BadSettings on a rate below 0.
    """
    if len(rates_rps) and not rates_rps.min() >= 0:
        raise BadSettings(f"a rate is {rates_rps.min():g} requests/s; give 0 or more")
    random = np.random.default_rng(seed)
    for window, rate in enumerate(rates_rps):
        count = random.poisson(rate * window_s)
        like = random.integers(len(lengths), size=count)
        yield Arrivals(
            at_s=window * window_s + np.sort(random.random(count)) * window_s,
            input_tokens=lengths.input_tokens[like],
            output_tokens=lengths.output_tokens[like],
            sensitive=lengths.sensitive[like],
        )
