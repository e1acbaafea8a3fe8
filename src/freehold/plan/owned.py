"""What owning k replicas costs a month, used or not: machines by the hour, and people."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from freehold.catalog.facts import GpuOffer
from freehold.core.errors import BadSettings
from freehold.core.money import NANO, nanousd
from freehold.plan.inputs import PlanTerms, Source
from freehold.plan.traffic import Ints

HirePlan: TypeAlias = Literal["on_demand", "spot", "reserved_1y", "reserved_3y"]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What is hired by the hour: `gpu_count` GPUs in one machine at one price for all of them."""

    provider: str
    instance: str
    gpu: str
    gpu_count: int
    price_nanousd_h: int
    hire_plan: HirePlan
    tier: str = ""
    source: Source
    origin: str
    date: str


class OwnedCost(msgspec.Struct, frozen=True, kw_only=True):
    """Fixed monthly cost as a step function of the replicas: whole machines are paid, then people from the first replica on."""

    machine: Machine
    gpus_per_replica: int
    month_hours: float
    people_nanousd_month: int

    @property
    def replicas_per_machine(self) -> int:
        """How many replicas one machine holds."""
        return self.machine.gpu_count // self.gpus_per_replica

    @property
    def machine_nanousd_month(self) -> int:
        """One machine for a month."""
        return round(self.machine.price_nanousd_h * self.month_hours)

    def month_nanousd(self, replicas: Ints) -> Ints:
        """Nano-dollars a month for each number of replicas; 0 for none."""
        machines = -(-replicas // self.replicas_per_machine)
        return np.where(replicas > 0, machines * self.machine_nanousd_month + self.people_nanousd_month, 0)


def owned_cost(machine: Machine, gpus_per_replica: int, terms: PlanTerms) -> OwnedCost:
    """The cost of replicas that take so many GPUs each. People: FTE x loaded salary, for the same month."""
    return OwnedCost(
        machine=machine,
        gpus_per_replica=gpus_per_replica,
        month_hours=terms.month_hours,
        people_nanousd_month=round(Decimal(str(terms.people_fte)) * person_nanousd_month(terms)),
    )


def person_nanousd_month(terms: PlanTerms) -> Decimal:
    """One full-time person for a month, in nano-dollars."""
    return Decimal(terms.salary_usd_year) * NANO * Decimal(str(terms.month_hours)) / 8760


def choose_machine(offers: Sequence[GpuOffer], gpus_per_replica: int, hire_plan: HirePlan) -> Machine:
    """The offer with the least money per replica; among equals the smallest machine.

    Where no machine listed holds a replica, single-GPU offers are joined: their sellers let several be hired as one.
    Raises BadSettings when no offer has a price under that plan.
    """
    priced = [(offer, price) for offer in offers if (price := _price(offer, hire_plan)) is not None]
    if not priced:
        where = f"; listed at: {', '.join(sorted({o.provider for o in offers}))}" if offers else ""
        raise BadSettings(f"no {hire_plan} price is listed for that GPU at that provider{where}; state one with --usd-per-hour")
    holding = [(o, price, o.gpu_count) for o, price in priced if o.gpu_count >= gpus_per_replica]
    joined = [(o, price * gpus_per_replica, gpus_per_replica) for o, price in priced if o.gpu_count == 1]
    if not holding and not joined:
        biggest = max(o.gpu_count for o, _ in priced)
        raise BadSettings(f"no machine there has {gpus_per_replica} of that GPU, the biggest has {biggest}; lower --gpu-count")
    offer, price, gpus = min(holding or joined, key=lambda c: (c[1] / (c[2] // gpus_per_replica), c[2]))
    return Machine(
        provider=offer.provider,
        instance=offer.instance if holding else f"{gpus}x {offer.instance}",
        gpu=offer.gpu,
        gpu_count=gpus,
        price_nanousd_h=nanousd(price),
        hire_plan=hire_plan,
        tier=offer.tier,
        source="catalog",
        origin=offer.source,
        date=offer.price_date,
    )


def _price(offer: GpuOffer, hire_plan: HirePlan) -> Decimal | None:
    prices: dict[HirePlan, Decimal | None] = {
        "on_demand": offer.on_demand_usd_h,
        "spot": offer.spot_usd_h,
        "reserved_1y": offer.reserved_1y_usd_h,
        "reserved_3y": offer.reserved_3y_usd_h,
    }
    return prices[hire_plan]
