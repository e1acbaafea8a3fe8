"""What an owned replica stands on and what that costs an hour: hired by a plan or a mix, a dedicated deployment, own metal."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal, TypeAlias, get_args

import msgspec

from freehold.catalog.facts import Gpu, GpuOffer
from freehold.core.errors import BadSettings
from freehold.core.money import nanousd
from freehold.plan.inputs import Source
from freehold.plan.owning.fleet_terms import FleetTerms

HirePlan: TypeAlias = Literal["on_demand", "spot", "reserved_1y", "reserved_3y"]
Kind: TypeAlias = Literal["own cloud", "dedicated deployment", "own metal"]

HIRE_PLANS: tuple[HirePlan, ...] = get_args(HirePlan)

# What one GPU with its share of the server costs to buy: Pan et al., arXiv 2509.18101 (2025).
CAPEX_USD = {"A100-80GB-SXM": 15_000, "A100-80GB-PCIe": 15_000, "RTX-5090": 2_000}
CAPEX_SOURCE = "Pan et al., arXiv 2509.18101 (2025)"
# Other people's machines, offered without a promise: sellers and tiers never taken unasked.
_MARKETPLACES = ("vast.ai",)
_UNPROMISED = ("community", "marketplace")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What is paid by the hour: `gpu_count` GPUs in one machine at one price for all of them.

    `steady_share`: the part of such machines nobody can take away; `availability`: the part of the time one is there.
    `stoppable`: whether an hour not needed is not paid.
    """

    kind: Kind = "own cloud"
    provider: str
    instance: str
    gpu: str
    gpu_count: int
    price_nanousd_h: int
    hire_plan: str
    steady_share: float = 1.0
    availability: float = 1.0
    stoppable: bool = False
    tier: str = ""
    source: Source
    origin: str
    date: str


def hire_mix(text: str) -> dict[HirePlan, float]:
    """Shares of the machines by plan: from `spot`, or from `reserved_1y=0.6,on_demand=0.4`. Raises BadSettings."""
    shares: dict[HirePlan, float] = {}
    for part in text.split(","):
        name, equals, share = part.partition("=")
        plan = next((p for p in HIRE_PLANS if p == name.strip()), None)
        if plan is None:
            raise BadSettings(f"hire-plan {text!r} names no plan {name.strip()!r}; use one of {', '.join(HIRE_PLANS)}")
        try:
            shares[plan] = shares.get(plan, 0.0) + (float(share) if equals else 1.0)
        except ValueError:
            raise BadSettings(f"hire-plan {text!r} has no share for {plan}; write {plan}=0.6") from None
    if not (all(share > 0 for share in shares.values()) and abs(sum(shares.values()) - 1) <= 1e-6):  # so that NaN is refused
        raise BadSettings(
            f"hire-plan {text!r} has shares that are not above 0 or do not add up to 1; such as reserved_1y=0.6,spot=0.4"
        )
    return shares


def promised(offer: GpuOffer) -> bool:
    """Whether the seller promises the machine, unlike a marketplace or a community tier."""
    return offer.provider not in _MARKETPLACES and not any(word in offer.tier.lower() for word in _UNPROMISED)


def choose_machine(
    offers: Sequence[GpuOffer], gpus_per_replica: int, hire_plan: str, terms: FleetTerms | None = None, kind: Kind = "own cloud"
) -> Machine:
    """The offer with the least money per replica; among equals the smallest machine.

    Where no machine listed holds a replica, single-GPU offers are joined: their sellers let several be hired as one. A reserved
    price that is not listed is the one on demand less the terms' discount. Raises BadSettings when no offer has a price.
    """
    mix, terms = hire_mix(hire_plan), terms or FleetTerms()
    priced = [(offer, price) for offer in offers if (price := _mixed_price(offer, mix, terms)) is not None]
    if not priced:
        where = f"; listed at: {', '.join(sorted({o.provider for o in offers}))}" if offers else ""
        raise BadSettings(f"no {hire_plan} price is listed for that GPU at that provider{where}; state one with --usd-per-hour")
    holding = [(o, price, o.gpu_count) for o, price in priced if o.gpu_count >= gpus_per_replica]
    joined = [(o, price * gpus_per_replica, gpus_per_replica) for o, price in priced if o.gpu_count == 1]
    if not holding and not joined:
        biggest = max(o.gpu_count for o, _ in priced)
        raise BadSettings(f"no machine there has {gpus_per_replica} of that GPU, the biggest has {biggest}; lower --gpu-count")
    offer, price, gpus = min(holding or joined, key=lambda c: (c[1] / (c[2] // gpus_per_replica), c[2]))
    spot = mix.get("spot", 0.0)
    return Machine(
        kind=kind,
        provider=offer.provider,
        instance=offer.instance if holding else f"{gpus}x {offer.instance}",
        gpu=offer.gpu,
        gpu_count=gpus,
        price_nanousd_h=nanousd(price),
        hire_plan=hire_plan,
        steady_share=1 - spot,
        availability=1 - spot * (1 - terms.spot_availability),
        stoppable=not mix.keys() & {"reserved_1y", "reserved_3y"},
        tier=offer.tier,
        source="catalog",
        origin=offer.source + _discounted(offer, mix, terms),
        date=offer.price_date,
    )


def check_price(price_usd_h: Decimal, option: str) -> None:
    """Raises BadSettings on a price of one replica's hour, stated as that option, that cannot be."""
    if not price_usd_h.is_finite() or price_usd_h < 0 or price_usd_h > 100_000:
        raise BadSettings(f"{option} is {price_usd_h}; give dollars per hour of one replica, 0 to 100000")


def stated_machine(price_usd_h: Decimal, gpu: str, gpu_count: int, hire_plan: str, terms: FleetTerms) -> Machine:
    """One replica's GPUs at a price somebody stated. Raises BadSettings on one that is none."""
    check_price(price_usd_h, "usd-per-hour")
    mix = hire_mix(hire_plan)
    spot = mix.get("spot", 0.0)
    return Machine(
        provider="own",
        instance="stated price",
        gpu=gpu,
        gpu_count=gpu_count,
        price_nanousd_h=nanousd(price_usd_h),
        hire_plan=hire_plan,
        steady_share=1 - spot,
        availability=1 - spot * (1 - terms.spot_availability),
        stoppable=not mix.keys() & {"reserved_1y", "reserved_3y"},
        source="user",
        origin="stated price of one replica's GPUs",
        date="",
    )


def metal_machine(
    gpu: Gpu, gpus_per_replica: int, capex_usd: float | None, terms: FleetTerms, month_hours: float
) -> Machine | None:
    """A bought server by the hour; None where nobody says what the GPU costs to buy. Raises BadSettings on an absurd price.

    month = capex x ((1 - residual) / depreciation months + upkeep / 12 + capital cost / 2 / 12)
          + kW x (PUE x hours x price of a kWh + colocation per kW), kW = GPUs x TDP x host factor.
    GPUs that are linked in a server (SXM) are bought by the server, others by the replica.
    """
    price = CAPEX_USD.get(gpu.gpu) if capex_usd is None else capex_usd
    if price is None:
        return None
    if not 0 <= price <= 10_000_000:
        raise BadSettings(f"capex-usd is {price:g}; give dollars for one GPU with its share of a server, 0 to 10000000")
    count = max(gpus_per_replica, gpu.gpus_per_node if gpu.interconnect_gb_s_per_dir else gpus_per_replica)
    kilowatts = count * gpu.tdp_w / 1000 * terms.host_power
    share = (1 - terms.residual_share) / terms.depreciation_months + (terms.upkeep_year + terms.capital_cost_year / 2) / 12
    month = count * price * share + kilowatts * (terms.pue * month_hours * terms.usd_per_kwh + terms.colocation_usd_kw_month)
    return Machine(
        kind="own metal",
        provider="own",
        instance=f"a server of {count}x {gpu.gpu}",
        gpu=gpu.gpu,
        gpu_count=count,
        price_nanousd_h=round(month / month_hours * 1e9),
        hire_plan="bought",
        source="default" if capex_usd is None else "user",
        origin=(
            f"{price:,.0f} USD a GPU ({CAPEX_SOURCE if capex_usd is None else 'stated'}), written off over "
            f"{terms.depreciation_months} months, {kilowatts:.1f} kW at PUE {terms.pue:g} and {terms.usd_per_kwh:g} USD/kWh, "
            f"colocation {terms.colocation_usd_kw_month:g} USD per kW and month"
        ),
        date="",
    )


def _mixed_price(offer: GpuOffer, mix: Mapping[HirePlan, float], terms: FleetTerms) -> Decimal | None:
    parts = [(_price(offer, plan, terms), Decimal(str(share))) for plan, share in mix.items()]
    return None if any(price is None for price, _ in parts) else sum((p * s for p, s in parts if p is not None), Decimal(0))


def _price(offer: GpuOffer, hire_plan: HirePlan, terms: FleetTerms) -> Decimal | None:
    listed: dict[HirePlan, Decimal | None] = {
        "on_demand": offer.on_demand_usd_h,
        "spot": offer.spot_usd_h,
        "reserved_1y": offer.reserved_1y_usd_h,
        "reserved_3y": offer.reserved_3y_usd_h,
    }
    if listed[hire_plan] is not None or offer.on_demand_usd_h is None or hire_plan not in _discounts(terms):
        return listed[hire_plan]
    return offer.on_demand_usd_h * (1 - Decimal(str(_discounts(terms)[hire_plan])))


def _discounts(terms: FleetTerms) -> dict[HirePlan, float]:
    return {"reserved_1y": terms.reserved_1y_discount, "reserved_3y": terms.reserved_3y_discount}


def _discounted(offer: GpuOffer, mix: Mapping[HirePlan, float], terms: FleetTerms) -> str:
    listed = {"reserved_1y": offer.reserved_1y_usd_h, "reserved_3y": offer.reserved_3y_usd_h}
    assumed = [
        f"{plan} taken as {_discounts(terms)[plan]:.0%} below on demand"
        for plan in mix
        if plan in listed and listed[plan] is None
    ]
    return "".join(f"; {text}" for text in assumed)
