"""What owning k replicas costs a month, used or not: machines with their spares, storage, the platform, and people in steps."""

from decimal import Decimal

import msgspec
import numpy as np

from freehold.core.money import NANO
from freehold.plan.demand.traffic import Floats, Ints
from freehold.plan.owning.fleet_terms import CHUNK_BYTES, FleetTerms
from freehold.plan.owning.machines import Machine
from freehold.plan.owning.terms import PlanTerms


class OwnedCost(msgspec.Struct, frozen=True, kw_only=True):
    """Fixed monthly cost as a step function of the replicas, and what one more output token adds (`marginal`).

    `crew_machines`: how many machines the people can run, once more of them beyond; 0: any number.
    """

    machine: Machine
    gpus_per_replica: int
    month_hours: float
    people_nanousd_month: int
    crew_machines: int = 0
    platform_nanousd_month: int = 0
    storage_nanousd_month: int = 0
    spare_machines: int = 0
    zones: int = 1
    marginal_nanousd_per_output_token: float = 0.0

    @property
    def replicas_per_machine(self) -> int:
        """How many replicas one machine holds."""
        return self.machine.gpu_count // self.gpus_per_replica

    @property
    def machine_nanousd_month(self) -> int:
        """One machine for a month."""
        return round(self.machine.price_nanousd_h * self.month_hours)

    def paid_machines(self, needed: Ints) -> Ints:
        """Machines that are paid so that `needed` stay: after the loss of one zone, and spares beside them. 0 for 0."""
        spread = -(-needed * self.zones // (self.zones - 1)) if self.zones > 1 else needed
        return np.where(needed > 0, spread + self.spare_machines, 0)

    def crews(self, paid: Ints) -> Ints:
        """How many times the people are counted for so many paid machines."""
        return np.maximum(1, -(-paid // self.crew_machines)) if self.crew_machines else np.ones_like(paid)

    def month_nanousd(self, replicas: Ints) -> Ints:
        """Nano-dollars a month for each number of replicas; 0 for none."""
        paid = self.paid_machines(-(-replicas // self.replicas_per_machine))
        whole = paid * (self.machine_nanousd_month + self.storage_nanousd_month)
        whole += self.crews(paid) * self.people_nanousd_month + self.platform_nanousd_month
        return np.where(replicas > 0, whole, 0)

    def drawn_nanousd(self, needed: Floats, machine_nanousd: Floats, people_nanousd: Floats) -> Floats:
        """The same for a whole number of machines per draw, each draw with its own price of a machine and of the people."""
        paid = self.paid_machines(needed.astype(np.int64))
        total: Floats = paid * (machine_nanousd + self.storage_nanousd_month) + self.crews(paid) * people_nanousd
        return total + self.platform_nanousd_month

    def slope(self) -> tuple[float, float]:
        """Paid machines for each needed one, and paid machines for none, on a straight line: to know where to look."""
        return (self.zones / (self.zones - 1) if self.zones > 1 else 1.0), float(self.spare_machines)


def owned_cost(
    machine: Machine, gpus_per_replica: int, terms: PlanTerms, *, sensitive: bool = False, weight_gb: float = 0.0
) -> OwnedCost:
    """The cost of replicas that take so many GPUs each. People: FTE x loaded salary, for the same month; fewer of them where
    somebody else runs the machines. `sensitive`: whether some work cannot be rented, so that a spare is needed."""
    fleet: FleetTerms = terms.fleet
    share = Decimal(str(fleet.dedicated_people_share)) if machine.kind == "dedicated deployment" else Decimal(1)
    spares = int(sensitive) if fleet.spare_machines is None else fleet.spare_machines
    storage_gb = 0.0 if machine.kind == "dedicated deployment" else 2 * weight_gb * (machine.gpu_count // gpus_per_replica)
    return OwnedCost(
        machine=machine,
        gpus_per_replica=gpus_per_replica,
        month_hours=terms.month_hours,
        people_nanousd_month=round(share * Decimal(str(terms.people_fte)) * person_nanousd_month(terms)),
        crew_machines=fleet.crew_machines,
        platform_nanousd_month=round(fleet.platform_usd_month * NANO),
        storage_nanousd_month=round(storage_gb * fleet.storage_usd_gb_month * NANO),
        spare_machines=spares,
        zones=fleet.zones,
        marginal_nanousd_per_output_token=fleet.egress_usd_gb * CHUNK_BYTES,
    )


def person_nanousd_month(terms: PlanTerms) -> Decimal:
    """One full-time person for a month, in nano-dollars."""
    return Decimal(terms.salary_usd_year) * NANO * Decimal(str(terms.month_hours)) / 8760
