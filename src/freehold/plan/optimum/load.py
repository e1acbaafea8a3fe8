"""The measured load-duration curve: how much work, and at what API price, falls into each 10 s window.

With capacity c per window, work above c spills. Sensitive work s is served first, so of a window's work x the part
(x - c)+ - (s - c)+ spills and (s - c)+ has nowhere to go. Sorted with suffix sums, one lookup answers any c; and because
scaling the load by f only turns c into c/f, the same curve answers every volume at the measured dispersion.
"""

import numpy as np

from freehold.plan.demand.traffic import Floats, Ints
from freehold.plan.optimum.profile import Profile


class Excess:
    """sum over windows of weight x max(0, value - c), for any c >= 0, in O(log windows)."""

    def __init__(self, values: Floats, weights: Floats, order: Ints | None = None) -> None:
        """`order` sorts the values, where it is known already."""
        order = np.argsort(values) if order is None else order
        self._values = values[order]
        self._product = _suffix_sums((values * weights)[order])
        self._weight = _suffix_sums(weights[order])

    def over(self, threshold: Floats) -> Floats:
        """The excess over each threshold."""
        first = np.searchsorted(self._values, threshold, side="right")
        return np.maximum(0.0, self._product[first] - threshold * self._weight[first])


class Load:
    """Work per window in replica-seconds, the sensitive part of it, and the API price of a replica-second of the rest."""

    def __init__(self, window_s: float, work_s: Floats, sensitive_s: Floats, cost_nanousd: Floats, bill_nanousd: int) -> None:
        """Arrays have one value per window; `cost_nanousd` is the API bill of the work that may be rented, `bill_nanousd` of
        all, as if all were allowed to leave."""
        rentable = work_s - sensitive_s
        self.window_s = window_s
        self.work_s = work_s
        self.sensitive_s = sensitive_s
        self.cost_nanousd = cost_nanousd
        self.bill_nanousd = bill_nanousd
        self.rate_nanousd = np.divide(cost_nanousd, rentable, out=np.zeros_like(rentable), where=rentable > 0)
        by_work, by_sensitive = np.argsort(work_s), np.argsort(sensitive_s)
        ones = np.ones_like(work_s)
        self._work, self._work_cost = (Excess(work_s, w, by_work) for w in (ones, self.rate_nanousd))
        self._sensitive, self._sensitive_cost = (Excess(sensitive_s, w, by_sensitive) for w in (ones, self.rate_nanousd))

    @property
    def span_s(self) -> float:
        """All windows together."""
        return self.window_s * len(self.work_s)

    @property
    def total_s(self) -> float:
        """All work, in replica-seconds."""
        return float(self.work_s.sum())

    @property
    def peak_s(self) -> float:
        """Work of the fullest window."""
        return float(self.work_s.max())

    @property
    def peak_sensitive_s(self) -> float:
        """Sensitive work of the window that has most of it."""
        return float(self.sensitive_s.max())

    def spilled_s(self, capacity_s: Floats) -> Floats:
        """Replica-seconds that spill, at each capacity per window."""
        return np.maximum(0.0, self._work.over(capacity_s) - self._sensitive.over(capacity_s))

    def stranded_s(self, capacity_s: Floats) -> Floats:
        """Sensitive replica-seconds that neither fit nor may spill."""
        return self._sensitive.over(capacity_s)

    def spilled_nanousd(self, capacity_s: Floats) -> Floats:
        """The API bill of what spills, each window at its own mean price."""
        return np.maximum(0.0, self._work_cost.over(capacity_s) - self._sensitive_cost.over(capacity_s))


def load_of(profile: Profile) -> Load:
    """The load of a measured profile: prefill and decode together, input and output bill together."""
    return Load(
        window_s=profile.window_s,
        work_s=profile.prefill_s + profile.decode_s,
        sensitive_s=profile.sensitive_prefill_s + profile.sensitive_decode_s,
        cost_nanousd=profile.input_nanousd + profile.output_nanousd,
        bill_nanousd=round(profile.input_nanousd_all + profile.output_nanousd_all),
    )


def _suffix_sums(values: Floats) -> Floats:
    return np.append(np.cumsum(values[::-1])[::-1], 0.0)
