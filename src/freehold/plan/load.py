"""The measured load-duration curve: how much work, and at what API price, falls into each 10 s window.

With capacity c per window, work above c spills. Sensitive work s is served first, so of a window's work x the part
(x - c)+ - (s - c)+ spills and (s - c)+ has nowhere to go. Sorted with suffix sums, one lookup answers any c; and because
scaling the load by f only turns c into c/f, the same curve answers every volume at the measured dispersion.
"""

import numpy as np

from freehold.plan.traffic import Floats, Ints, Traffic

WINDOW_S = 10.0


class Excess:
    """sum over windows of weight x max(0, value - c), for any c >= 0, in O(log windows)."""

    def __init__(self, values: Floats, weights: Floats) -> None:
        order = np.argsort(values)
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
        self.bill_nanousd = bill_nanousd
        self.rate_nanousd = np.divide(cost_nanousd, rentable, out=np.zeros_like(rentable), where=rentable > 0)
        self._work, self._sensitive = (Excess(v, np.ones_like(v)) for v in (work_s, sensitive_s))
        self._work_cost, self._sensitive_cost = (Excess(v, self.rate_nanousd) for v in (work_s, sensitive_s))

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


def measure_load(traffic: Traffic, replica_seconds: Floats, costs_nanousd: Ints) -> Load:
    """Sum work and bill of each request into windows; both arrays have one value per row of the traffic."""
    index, count = traffic.windows(WINDOW_S)
    sensitive = traffic.sensitive

    def per_window(values: Floats) -> Floats:
        return np.bincount(index, weights=values, minlength=count).astype(np.float64)

    return Load(
        window_s=traffic.span_s / count,
        work_s=per_window(np.where(sensitive, 0.0, replica_seconds)) + (held := per_window(replica_seconds * sensitive)),
        sensitive_s=held,
        cost_nanousd=per_window(np.where(sensitive, 0.0, costs_nanousd)),
        bill_nanousd=int(costs_nanousd.sum()),
    )


def _suffix_sums(values: Floats) -> Floats:
    return np.append(np.cumsum(values[::-1])[::-1], 0.0)
