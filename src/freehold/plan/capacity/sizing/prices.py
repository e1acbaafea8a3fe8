"""What a fleet costs a month at every seller in the catalogue: machines only, people and platform are the plan's."""

from collections.abc import Sequence

import msgspec
import numpy as np

from freehold.catalog.facts import Facts, GpuOffer
from freehold.core.errors import BadSettings
from freehold.core.target import Hardware
from freehold.plan.owning.fleet_terms import FleetTerms
from freehold.plan.owning.machines import Machine, choose_machine, hire_mix, promised
from freehold.plan.owning.owned import OwnedCost
from freehold.plan.owning.terms import HOURS_PER_MONTH


class Hire(msgspec.Struct, frozen=True, kw_only=True):
    """How machines are hired: the plan (see `freehold plan --hire-plan`), one seller only, spread over so many zones of which one
    may be lost; 1: over none."""

    plan: str = "on_demand"
    provider: str | None = None
    zones: int = 1

    def __post_init__(self) -> None:
        hire_mix(self.plan)
        if not 1 <= self.zones <= 16:
            raise BadSettings(f"zones is {self.zones}; give 1 to 16")


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet at one seller: so many machines in a month of 730 hours, and from when that seller's price is."""

    provider: str
    instance: str
    machines: int
    nanousd_month: int
    date: str


def machines_for(facts: Facts, gpu: str, gpus: int, hire: Hire) -> list[Machine]:
    """What may hold replicas of so many GPUs. Marketplaces and community tiers only where the seller is asked for by name.

    Raises BadSettings on a GPU or seller in no table.
    """
    offers = facts.offers(gpu, hire.provider)
    if hire.provider is None:
        offers = [offer for offer in offers if promised(offer)]
    return [machine for offer in offers for machine in _machine([offer], gpus, hire.plan)]


def configured_machines(hardware: Hardware | None) -> list[Machine]:
    """The machine that is paid for a target today, at its price; none where its configuration names none."""
    if hardware is None:
        return []
    return [
        Machine(
            provider=hardware.provider,
            instance="as configured",
            gpu=hardware.gpu,
            gpu_count=hardware.count,
            price_nanousd_h=hardware.price_nanousd_h,
            hire_plan=hardware.plan,
            source="user",
            origin=hardware.price_source,
            date=hardware.price_date,
        )
    ]


def prices(machines: Sequence[Machine], gpus: int, replicas: int, hire: Hire) -> tuple[Price, ...]:
    """The cheapest machine of every seller for so many replicas, the cheapest seller first; empty where nobody has a price."""
    found: dict[str, Price] = {}
    for machine in machines:
        cost = OwnedCost(
            machine=machine,
            gpus_per_replica=gpus,
            month_hours=HOURS_PER_MONTH,
            people_nanousd_month=0,
            zones=hire.zones,
        )
        needed = np.array([-(-replicas // cost.replicas_per_machine)])
        made = Price(
            provider=machine.provider,
            instance=machine.instance,
            machines=int(cost.paid_machines(needed)[0]),
            nanousd_month=int(cost.month_nanousd(np.array([replicas]))[0]),
            date=machine.date,
        )
        least = found.get(made.provider)
        if least is None or made.nanousd_month < least.nanousd_month:
            found[made.provider] = made
    return tuple(sorted(found.values(), key=lambda price: (price.nanousd_month, price.provider)))


def _machine(offers: Sequence[GpuOffer], gpus: int, plan: str) -> list[Machine]:
    """None where the seller lists no price by that plan, or no machine that holds a replica."""
    try:
        return [choose_machine(offers, gpus, plan, FleetTerms())]
    except BadSettings:
        return []
