"""Own the base, rent the peak: what every number of owned replicas costs a month, and which is cheapest.

total(k) = fixed(k) + rented(spilled(k)) + marginal(served(k)). This is the newsvendor problem: own the k-th replica while the
API cost it displaces exceeds its price.
"""

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from freehold.core.errors import BadSettings
from freehold.plan.demand.traffic import Floats, Ints
from freehold.plan.optimum.load import Load
from freehold.plan.owning.owned import OwnedCost

MAX_REPLICAS = 20_000


class HybridPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One number of owned replicas. Shares are of all work; `worth` is the API cost a month that the k-th replica displaces,
    `marginal` what owned requests cost beside the machines.

    Infeasible: sensitive work is left over (`stranded_share`) that may not be rented; its cost is then not in the total.
    """

    replicas: int
    feasible: bool
    fixed_nanousd_month: int
    rented_nanousd_month: int
    marginal_nanousd_month: int
    total_nanousd_month: int
    owned_share: float
    spilled_share: float
    stranded_share: float
    utilisation: float
    worth_nanousd_month: int


@dataclass(frozen=True)
class Market:
    """Everything that decides own or rent: the load, what owning costs, how full a replica may run, and the month.

    `marginal_nanousd`: what the whole load would cost beside the machines if all of it were owned, over the span.
    """

    load: Load
    owned: OwnedCost
    max_utilisation: float
    to_month: float
    marginal_nanousd: float = 0.0

    @property
    def replica_window_s(self) -> float:
        """Work one replica takes on in a window; one that is sometimes taken away does less."""
        return self.max_utilisation * self.load.window_s * self.owned.machine.availability

    def replicas_for_sensitive(self, scale: float = 1.0) -> int:
        """The fewest replicas whose steady part holds the sensitive work of every window. Raises BadSettings."""
        held, steady = self.load.peak_sensitive_s, self.owned.machine.steady_share
        if held > 0 and steady < 1e-9:
            raise BadSettings("sensitive requests cannot stand on spot machines alone; mix them, e.g. on_demand=0.5,spot=0.5")
        return self.replicas_for(held / steady * self.owned.machine.availability, scale) if held > 0 else 0

    def capacity_s(self, replicas: Ints) -> Floats:
        """Work so many replicas take on in a window."""
        return replicas.astype(np.float64) * self.replica_window_s

    def replicas_for(self, work_s: float, scale: float = 1.0) -> int:
        """The fewest replicas that carry a window with that much work. Raises BadSettings on an absurd number."""
        needed = math.ceil(work_s * scale / self.replica_window_s - 1e-9)
        if needed > MAX_REPLICAS:
            raise BadSettings(
                f"the peak needs {needed:,} replicas, more than {MAX_REPLICAS:,}; check the volume, the model and the GPU"
            )
        return needed

    @property
    def bill_nanousd_month(self) -> float:
        """A month's API bill of everything, as if everything were allowed to leave."""
        return self.load.bill_nanousd * self.to_month

    def fixed_nanousd(self, replicas: Ints) -> Ints:
        """A month of owning."""
        return self.owned.month_nanousd(replicas)

    def spilled_nanousd(self, replicas: Ints, scale: float = 1.0) -> Floats:
        """A month's API bill of what spills when the load is scaled."""
        return self.load.spilled_nanousd(self.capacity_s(replicas) / scale) * scale * self.to_month

    def running_nanousd(self, replicas: Ints, scale: float = 1.0) -> Floats:
        """A month of what the owned requests cost beside the machines."""
        if self.marginal_nanousd == 0:
            return np.zeros(len(replicas))
        left = self.load.spilled_s(self.capacity_s(replicas) / scale) / self.load.total_s
        return np.maximum(0.0, 1 - left) * self.marginal_nanousd * scale * self.to_month


def hybrid_curve(market: Market) -> list[HybridPoint]:
    """Every number of replicas from none to what the fullest window needs."""
    load = market.load
    replicas = np.arange(max(market.replicas_for(load.peak_s), market.replicas_for_sensitive()) + 1)
    capacity_s = market.capacity_s(replicas)
    spilled, stranded = load.spilled_s(capacity_s), load.stranded_s(capacity_s)
    served = np.maximum(0.0, load.total_s - spilled - stranded)
    fixed = market.fixed_nanousd(replicas)
    rented = np.rint(market.spilled_nanousd(replicas)).astype(np.int64)
    running = np.rint(market.running_nanousd(replicas)).astype(np.int64)
    enough = market.replicas_for_sensitive()
    available_s = np.maximum(replicas, 1) * load.window_s * len(load.work_s)
    return [
        HybridPoint(
            replicas=k,
            feasible=k >= enough,
            fixed_nanousd_month=int(fixed[k]),
            rented_nanousd_month=int(rented[k]),
            marginal_nanousd_month=int(running[k]),
            total_nanousd_month=int(fixed[k] + rented[k] + running[k]),
            owned_share=float(served[k] / load.total_s),
            spilled_share=min(1.0, float(spilled[k] / load.total_s)),
            stranded_share=min(1.0, float(stranded[k] / load.total_s)),
            utilisation=float(served[k] / available_s[k]),
            worth_nanousd_month=int(rented[k - 1] - rented[k]) if k else 0,
        )
        for k in range(len(replicas))
    ]


def cheapest(curve: list[HybridPoint]) -> HybridPoint:
    """The feasible point with the least total; among equals the fewest replicas. The last point is always feasible."""
    return min((p for p in curve if p.feasible), key=lambda p: (p.total_nanousd_month, p.replicas))
