"""Which share of the work and of the bill spills, as a surface over capacity and over the mix of prefill and decode.

At most 200 exact evaluations of the load, then interpolation: so that ten thousand draws need no simulation each. Work
is in means of a window, which makes one surface answer every volume, utilisation and speed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from freehold.core.price import PriceCard
from freehold.plan.capacity import Pace
from freehold.plan.load import WINDOW_S
from freehold.plan.rented import request_costs_nanousd
from freehold.plan.traffic import Floats, Ints, Traffic

MIXES = 5
CAPACITIES = 40

_LEVELS = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.87, 0.92, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999])


@dataclass(frozen=True)
class Profile:
    """Per window: replica-seconds of prefill and decode, the sensitive part of each, and the bill of what may be rented, split
    into what input and output cost. `input_nanousd_all`, `output_nanousd_all`: the bill as if everything could be rented."""

    window_s: float
    prefill_s: Floats
    decode_s: Floats
    sensitive_prefill_s: Floats
    sensitive_decode_s: Floats
    input_nanousd: Floats
    output_nanousd: Floats
    input_nanousd_all: float
    output_nanousd_all: float

    def work(self, decode_share: float) -> tuple[Floats, Floats]:
        """All work and the sensitive part per window, in means of all work, where decode makes up that share of it."""
        parts = []
        for prefill, decode in ((self.prefill_s, self.decode_s), (self.sensitive_prefill_s, self.sensitive_decode_s)):
            parts.append(
                (1 - decode_share) * _per_mean(prefill, self.prefill_s) + decode_share * _per_mean(decode, self.decode_s)
            )
        return parts[0], parts[1]


@dataclass(frozen=True)
class SpillSurface:
    """Rows: `decode_shares`. Columns: `capacities`, in means of a window's work. Values: shares (0-1) that spill."""

    decode_shares: Floats
    capacities: Floats
    work: Floats
    input_bill: Floats
    output_bill: Floats
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

    def at(self, rows: Floats, capacity: Floats) -> Floats:
        """The value of each row at its own capacity (means of a window's work), linear between columns; the last holds on."""
        column = np.clip(np.searchsorted(self.capacities, capacity, side="right") - 1, 0, len(self.capacities) - 2)
        left, right = self.capacities[column], self.capacities[column + 1]
        part = np.clip((capacity - left) / (right - left), 0, 1)
        row = np.arange(len(rows))
        between: Floats = (1 - part) * rows[row, column] + part * rows[row, column + 1]
        return between


def measure_profile(traffic: Traffic, pace: Pace, card: PriceCard) -> Profile:
    """Sum work and bill into windows. What a request costs beyond what it would cost without an answer is its output's part."""
    index, count = traffic.windows(WINDOW_S)
    sensitive = traffic.sensitive
    bill_input, bill_output = _parts(lambda t: request_costs_nanousd(card, t), traffic)
    prefill, decode = _parts(pace.replica_seconds, traffic)

    def per_window(values: Floats) -> Floats:
        return np.bincount(index, weights=values, minlength=count).astype(np.float64)

    return Profile(
        window_s=traffic.span_s / count,
        prefill_s=per_window(prefill),
        decode_s=per_window(decode),
        sensitive_prefill_s=per_window(prefill * sensitive),
        sensitive_decode_s=per_window(decode * sensitive),
        input_nanousd=per_window(np.where(sensitive, 0.0, bill_input)),
        output_nanousd=per_window(np.where(sensitive, 0.0, bill_output)),
        input_nanousd_all=float(bill_input.sum()),
        output_nanousd_all=float(bill_output.sum()),
    )


def measure_spill(profile: Profile, lowest_decode_share: float, highest_decode_share: float) -> SpillSurface:
    """Evaluate the load exactly at MIXES x CAPACITIES places at most; fewer where the mix is certain.

    The columns lie at quantiles of the load and evenly up to its peak. Between two columns the error is at most their
    distance x the share of windows that lie between them / 4, because the curve is convex and its slope is that share.
    """
    shares = np.unique(np.linspace(lowest_decode_share, highest_decode_share, MIXES))
    loads = [profile.work(float(share)) for share in shares]
    peak, held = (np.array([load[part].max() for load in loads]) for part in (0, 1))
    middle = loads[len(loads) // 2][0]
    evenly = np.linspace(0.0, peak.max(), CAPACITIES - len(_LEVELS))
    capacities = np.unique(np.concatenate((evenly, np.quantile(middle, _LEVELS))))
    tables = [[_spilled(profile, load, capacity) for capacity in capacities] for load in loads]
    work, input_bill, output_bill = np.moveaxis(np.array(tables), 2, 0)
    return SpillSurface(shares, capacities, work, input_bill, output_bill, peak, held)


def _spilled(profile: Profile, load: tuple[Floats, Floats], capacity: float) -> tuple[float, float, float]:
    """Shares of work, input bill and output bill that spill: the rule of `load`, window by window."""
    work, sensitive = load
    rentable = work - sensitive
    over = np.maximum(0.0, work - capacity) - np.maximum(0.0, sensitive - capacity)
    share = np.divide(over, rentable, out=np.zeros_like(over), where=rentable > 0)
    return (
        float(over.sum() / work.sum()),
        float(share @ profile.input_nanousd / max(float(profile.input_nanousd.sum()), 1.0)),
        float(share @ profile.output_nanousd / max(float(profile.output_nanousd.sum()), 1.0)),
    )


def _parts(of: Callable[[Traffic], Floats | Ints], traffic: Traffic) -> tuple[Floats, Floats]:
    """What each request's input takes, and what its output adds to that."""
    whole = of(traffic).astype(np.float64)
    if not traffic.input_tokens.any():
        return np.zeros_like(whole), whole
    silent = of(replace(traffic, output_tokens=np.zeros_like(traffic.output_tokens))).astype(np.float64)
    return silent, np.maximum(0.0, whole - silent)


def _per_mean(part: Floats, whole: Floats) -> Floats:
    mean = float(whole.mean())
    return part / mean if mean > 0 else np.zeros_like(part)
