"""What the machine behind an owned target costs by the hour: as `cost:` states it, or the cheapest offer in the catalogue."""

from freehold.app.config_file import ConfigFile
from freehold.app.settings import HardwareSettings
from freehold.catalog.facts import Facts
from freehold.core.errors import BadSettings
from freehold.core.money import nanousd
from freehold.core.target import Hardware
from freehold.plan.owning.machines import Machine, choose_machine


def hire(file: ConfigFile, target: str, cost: HardwareSettings, facts: Facts) -> Hardware:
    """The machine that is paid. Raises BadSettings with file and line on a GPU or provider that no table knows, or no price.

    The whole machine is paid, even where the catalogue's smallest has more GPUs than the target takes.
    """
    where = ("targets", target, "cost")
    try:
        facts.offers(cost.gpu)
    except BadSettings as error:
        raise file.refuse((*where, "gpu"), error.message) from None
    if cost.usd_per_hour is not None:
        return Hardware(
            gpu=cost.gpu, count=cost.count, provider=cost.provider, plan=cost.plan, price_nanousd_h=nanousd(cost.usd_per_hour),
            price_source="stated in freehold.yaml", price_date="undated",
        )  # fmt: skip
    try:
        facts.offers(cost.gpu, cost.provider)
    except BadSettings as error:
        raise file.refuse((*where, "provider"), f"{error.message}; or state usd_per_hour") from None
    machine = _cheapest(facts, cost, cost.provider)
    if machine is None:
        sellers = sorted({o.provider for o in facts.offers(cost.gpu) if _cheapest(facts, cost, o.provider) is not None})
        raise file.refuse(
            where,
            f"no {cost.plan} price of {cost.count} x {cost.gpu} is listed at {cost.provider}; state usd_per_hour"
            + (f", or name a provider that lists one: {', '.join(sellers)}" if sellers else ""),
        )
    return Hardware(
        gpu=machine.gpu, count=machine.gpu_count, provider=machine.provider, plan=cost.plan,
        price_nanousd_h=machine.price_nanousd_h, price_source=f"{machine.instance}, {machine.origin}", price_date=machine.date,
    )  # fmt: skip


def _cheapest(facts: Facts, cost: HardwareSettings, provider: str) -> Machine | None:
    try:
        return choose_machine(facts.offers(cost.gpu, provider), cost.count, cost.plan)
    except BadSettings:
        return None
