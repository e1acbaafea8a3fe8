"""Which share of the work and of the bill spills, as a surface over capacity and over the mix of prefill and decode.

At most 200 exact evaluations of the load, then interpolation: so that ten thousand draws need no simulation each. Work
is in means of a window, which makes one surface answer every volume, utilisation and speed. The fullest window decides how
many machines must stand; it costs one look for each mix, so it is looked up at more of them.
"""

from dataclasses import dataclass

import numpy as np

from freehold.plan.demand.traffic import Floats, Ints
from freehold.plan.optimum.profile import Profile

MIXES = 5
PEAK_MIXES = 33
CAPACITIES = 40

_LEVELS = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.87, 0.92, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999])


@dataclass(frozen=True)
class SpillSurface:
    """Rows: `decode_shares`. Columns: `capacities`, in means of a window's work. Values: shares (0-1) that spill.

    `peak` and `peak_sensitive`: the fullest window at each of `peak_shares`.
    """

    decode_shares: Floats
    capacities: Floats
    work: Floats
    input_bill: Floats
    output_bill: Floats
    peak_shares: Floats
    peak: Floats
    peak_sensitive: Floats

    def rows(self, values: Floats, decode_share: Floats) -> Floats:
        """The row of a table (or the entry of a per-mix vector) at each decode share, linear between two mixes."""
        step = np.clip(np.interp(decode_share, self.decode_shares, np.arange(len(self.decode_shares))), 0, None)
        low = np.minimum(step.astype(np.int64), max(len(self.decode_shares) - 2, 0))
        high = np.minimum(low + 1, len(self.decode_shares) - 1)
        part = (step - low).reshape(-1, *[1] * (values.ndim - 1))
        blended: Floats = (1 - part) * values[low] + part * values[high]
        return blended

    def peak_at(self, peaks: Floats, decode_share: Floats) -> Floats:
        """The fullest window at each decode share, linear between two mixes: never too low, because it is convex."""
        return np.interp(decode_share, self.peak_shares, peaks)

    def at(self, rows: Floats, capacity: Floats) -> Floats:
        """The value of each row at its own capacity (means of a window's work), linear between columns; the last holds on."""
        column = np.clip(np.searchsorted(self.capacities, capacity, side="right") - 1, 0, len(self.capacities) - 2)
        left, right = self.capacities[column], self.capacities[column + 1]
        part = np.clip((capacity - left) / (right - left), 0, 1)
        row = np.arange(len(rows))
        between: Floats = (1 - part) * rows[row, column] + part * rows[row, column + 1]
        return between


def measure_spill(profile: Profile, lowest_decode_share: float, highest_decode_share: float) -> SpillSurface:
    """Evaluate the load exactly at MIXES x CAPACITIES places at most; fewer where the mix is certain.

    The columns lie at quantiles of the load and evenly up to its peak. Between two columns the error is at most their
    distance x the share of windows that lie between them / 4, because the curve is convex and its slope is that share.
    """
    shares = np.unique(np.linspace(lowest_decode_share, highest_decode_share, MIXES))
    loads = [profile.work(float(share)) for share in shares]
    peak_shares = np.unique(np.linspace(lowest_decode_share, highest_decode_share, PEAK_MIXES))
    peak, held = np.array([[part.max() for part in profile.work(float(share))] for share in peak_shares]).T
    middle = loads[len(loads) // 2][0]
    evenly = np.linspace(0.0, peak.max(), CAPACITIES - len(_LEVELS))
    capacities = np.unique(np.concatenate((evenly, np.quantile(middle, _LEVELS))))
    work, input_bill, output_bill = np.moveaxis(np.array([_spilled(profile, load, capacities) for load in loads]), 1, 0)
    return SpillSurface(shares, capacities, work, input_bill, output_bill, peak_shares, peak, held)


def _spilled(profile: Profile, load: tuple[Floats, Floats], capacities: Floats) -> Floats:
    """Shares of work, input bill and output bill (rows) that spill at each capacity: the rule of `load`, window by window."""
    work, sensitive = load
    rentable = work - sensitive
    above_work, above_sensitive = (np.searchsorted(capacities, values) for values in (work, sensitive))
    shares = []
    for amount, whole in (
        (rentable, float(work.sum())),
        (profile.input_nanousd, max(float(profile.input_nanousd.sum()), 1.0)),
        (profile.output_nanousd, max(float(profile.output_nanousd.sum()), 1.0)),
    ):
        rate = np.divide(amount, rentable, out=np.zeros_like(rentable), where=rentable > 0)
        over = _over(work, rate, above_work, capacities)
        if sensitive.any():
            over -= _over(sensitive, rate, above_sensitive, capacities)
        shares.append(np.maximum(0.0, over) / whole)
    return np.array(shares)


def _over(values: Floats, weights: Floats, above: Ints, capacities: Floats) -> Floats:
    """sum over windows of weight x max(0, value - c) for each capacity c, given how many capacities each value is above."""
    products, held = (
        np.cumsum(np.bincount(above, each, len(capacities) + 1)[::-1])[-2::-1].astype(np.float64)
        for each in (values * weights, weights)
    )
    over: Floats = products - capacities * held
    return over
