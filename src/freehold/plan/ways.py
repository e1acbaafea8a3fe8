"""The ways of owning a model: hired as asked, hired where it is cheapest, as a dedicated deployment, and as own metal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from freehold.catalog.facts import Facts, GpuOffer
from freehold.core.errors import BadSettings
from freehold.core.money import dollars
from freehold.plan.amounts import percent
from freehold.plan.candidate import OwnedCandidate
from freehold.plan.choice import Choice
from freehold.plan.demand.traffic import Traffic
from freehold.plan.inputs import Assumption, Source
from freehold.plan.optimum.elastic import Elastic
from freehold.plan.outlook.ranges import Grounds, default_ranges
from freehold.plan.owning.capacity import Deployment, Rates, estimate_rates, measured_rates
from freehold.plan.owning.machines import Machine, check_price, choose_machine, metal_machine, promised, stated_machine
from freehold.plan.owning.owned import owned_cost
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.simulating import Paced, Simulating, paced

# Sellers in the price list who put an endpoint before the GPU and charge the time it runs.
DEDICATED = ("modal",)
# A hired machine is charged by the minute at least, a dedicated deployment by the second.
_LEAST_RUN_S = {"own cloud": 60.0, "dedicated deployment": 1.0}


@dataclass(frozen=True)
class Ground:
    """What every way of owning stands on: the catalog, the names chosen, the terms, the traffic and who says the API's price.
    `bucketed`: the traffic came as sums over time; `simulating`: how the pace is simulated, None: estimated."""

    facts: Facts
    choice: Choice
    terms: PlanTerms
    traffic: Traffic
    price: Source
    bucketed: bool = False
    simulating: Simulating | None = None


def ways_of_owning(ground: Ground) -> tuple[OwnedCandidate, ...]:
    """The way asked for, first; then every other that has a price. Raises BadSettings on a name the catalog does not know, or on
    a model that does not fit its GPUs."""
    choice, terms = ground.choice, ground.terms
    model, gpu = ground.facts.model(choice.model), ground.facts.gpu(choice.gpu)
    precision = choice.precision or ("fp8" if gpu.fp8_tflops_dense else "bf16")
    deployment = Deployment(model=model, precision=precision, gpu=gpu, gpu_count=choice.gpu_count)
    paced = _paced(ground, deployment)
    asked = _asked_machine(ground, gpu.gpu)
    machines = [asked, *_elsewhere(ground, asked)]
    if not ground.traffic.sensitive.any():  # somebody else's endpoint is no place for what may not leave
        machines += _dedicated(ground, gpu.gpu)
    if metal := metal_machine(gpu, choice.gpu_count, choice.capex_usd, terms.fleet, terms.month_hours):
        machines.append(metal)
    return tuple(_candidate(ground, deployment, paced, machine) for machine in machines)


def _asked_machine(ground: Ground, gpu: str) -> Machine:
    choice, fleet = ground.choice, ground.terms.fleet
    if choice.usd_per_hour is not None:
        stated = stated_machine(choice.usd_per_hour, gpu, choice.gpu_count, choice.hire_plan, fleet)
        return msgspec.structs.replace(stated, provider=choice.provider if "provider" in choice.chosen else "own")
    offers = ground.facts.offers(gpu, choice.provider)
    if not offers:
        others = sorted({o.provider for o in ground.facts.offers(gpu)})
        raise BadSettings(
            f"{choice.provider} lists no {gpu}; listed at: {', '.join(others) or 'nobody'}, or state --usd-per-hour"
        )
    return choose_machine(offers, choice.gpu_count, choice.hire_plan, fleet)


def _elsewhere(ground: Ground, asked: Machine) -> list[Machine]:
    """The cheapest hires elsewhere that come with a promise: by the replica, and for a first one alone where a smaller machine
    is listed. None where a price was stated."""
    if ground.choice.usd_per_hour is not None:
        return []
    passed_over = {asked.provider, *DEDICATED}
    offers = [offer for offer in ground.facts.offers(asked.gpu) if offer.provider not in passed_over and promised(offer)]
    found = _priced(offers, ground)
    small = [m for offer in offers if offer.gpu_count <= ground.choice.gpu_count for m in _priced([offer], ground)]
    least = min(small, key=lambda m: m.price_nanousd_h, default=None)
    if least is not None and found and least.price_nanousd_h < min(found[0].price_nanousd_h, asked.price_nanousd_h):
        found.append(least)
    return found


def _dedicated(ground: Ground, gpu: str) -> list[Machine]:
    """A deployment by the hour behind somebody's endpoint: at the stated price, or as listed."""
    choice = ground.choice
    if choice.dedicated_usd_h is not None:
        check_price(choice.dedicated_usd_h, "dedicated-usd-h")
        found = [stated_machine(choice.dedicated_usd_h, gpu, choice.gpu_count, "on_demand", ground.terms.fleet)]
    else:
        found = _priced([offer for offer in ground.facts.offers(gpu) if offer.provider in DEDICATED], ground, "on_demand")
    return [msgspec.structs.replace(machine, kind="dedicated deployment") for machine in found]


def _priced(offers: Sequence[GpuOffer], ground: Ground, hire_plan: str | None = None) -> list[Machine]:
    try:
        return [choose_machine(offers, ground.choice.gpu_count, hire_plan or ground.choice.hire_plan, ground.terms.fleet)]
    except BadSettings:
        return []


def _paced(ground: Ground, deployment: Deployment) -> Paced:
    choice, terms, traffic = ground.choice, ground.terms, ground.traffic
    if choice.prefill_tok_s is None and choice.decode_tok_s is None:
        made = Paced(estimate_rates(deployment, traffic), "")
        if ground.simulating is not None:
            made = paced(deployment, traffic, ground.simulating, made.rates)
    elif choice.prefill_tok_s is None or choice.decode_tok_s is None:
        raise BadSettings("a measured capacity needs both prefill-tok-s and decode-tok-s of one replica")
    else:
        made = Paced(measured_rates(deployment, choice.prefill_tok_s, choice.decode_tok_s), "")
    reuse = terms.prefix_reuse
    if reuse is None:
        reuse = min(0.99, float(traffic.cache_read.sum()) / max(1.0, float(traffic.input_tokens.sum())))
    return replace(made, rates=msgspec.structs.replace(made.rates, prefix_reuse=reuse, token_ratio=terms.token_ratio))


def _candidate(ground: Ground, deployment: Deployment, found: Paced, machine: Machine) -> OwnedCandidate:
    choice, terms, traffic, rates = ground.choice, ground.terms, ground.traffic, found.rates
    use = None if "max_utilisation" in terms.chosen else found.highest_use
    grounds = Grounds(
        ground.price,
        machine.source,
        rates.source,
        deployment.model.experts > 0,
        machine.kind == "own metal",
        ground.bucketed,
        found.interval,
    )
    where = " ".join(text for text in (machine.provider, machine.instance) if text)
    elastic = Elastic(
        start_delay_s=terms.fleet.restart_minutes * 60,
        least_run_s=_LEAST_RUN_S.get(machine.kind, 60.0),
        min_replicas=terms.fleet.min_replicas,
        max_replicas=terms.fleet.max_replicas,
        scale_to_zero=terms.fleet.scale_to_zero,
    )
    weight_gb = deployment.weight_bytes / 1e9
    kind = "" if machine.kind == "own cloud" else f"{machine.kind}, "
    return OwnedCandidate(
        label=f"{deployment.model.model} {deployment.precision} on {choice.gpu_count}x {deployment.gpu.gpu} ({kind}{where})",
        owned=owned_cost(machine, choice.gpu_count, terms, sensitive=bool(traffic.sensitive.any()), weight_gb=weight_gb),
        pace=rates,
        ranges=default_ranges(traffic, terms if use is None else msgspec.structs.replace(terms, max_utilisation=use), grounds),
        highest_use=use,
        elastic=elastic if machine.stoppable else None,
        assumptions=(*_assumptions(choice, deployment, machine, rates), *_said(found)),
        warnings=tuple(_doubts(deployment, found, traffic)),
    )


def _assumptions(choice: Choice, deployment: Deployment, machine: Machine, rates: Rates) -> list[Assumption]:
    def source(*fields: str) -> Source:
        return "user" if choice.chosen & set(fields) else "default"

    gpu, model = deployment.gpu, deployment.model
    hire = machine.hire_plan.replace("_", " ")
    rows: tuple[tuple[str, str, str, Source, str, str], ...] = (
        ("owned model", f"{model.model}, {deployment.precision}", "", source("model", "precision"), model.source, ""),
        ("parameters, active per token", f"{model.params_b:g}, {model.active_b:g}", "billions", "catalog", model.source, ""),
        ("GPUs per replica", f"{choice.gpu_count}x {gpu.gpu}", "", source("gpu", "gpu_count"), gpu.source, ""),
        (
            "machine price",
            f"{dollars(machine.price_nanousd_h).normalize():,f}",
            f"USD per hour, {hire}: {machine.gpu_count}x {machine.gpu}, {machine.provider} {machine.instance}",
            machine.source,
            "; ".join(text for text in (machine.origin, machine.tier) if text),
            machine.date,
        ),
        ("prefill speed", f"{rates.prefill_tok_s:,.0f}", "tokens/s of a replica", rates.source, rates.origin, ""),
        ("decode speed", f"{rates.decode_tok_s:,.0f}", "tokens/s of a replica", rates.source, rates.origin, ""),
        (
            "prefix reuse, applied",
            f"{rates.prefix_reuse:.1%}",
            "of the input",
            "measured",
            "what the API read from its cache",
            "",
        ),
        (
            "highest data class that may be rented",
            choice.clearance.name,
            "",
            source("clearance"),
            "requests above it are served first by owned replicas and never spill",
            "",
        ),
    )
    return [
        Assumption(name=name, value=value, unit=unit, source=by, origin=origin, date=date)
        for name, value, unit, by, origin, date in rows
    ]


def _said(found: Paced) -> list[Assumption]:
    """Whether the pace is simulated, where that was asked for."""
    if not found.words:
        return []
    value = "estimated" if found.interval is None else "simulated"
    return [Assumption(name="capacity of a replica", value=value, unit="", source=found.source, origin=found.words)]


def _doubts(deployment: Deployment, found: Paced, traffic: Traffic) -> list[str]:
    """What makes the answer weaker than it looks."""
    doubts = []
    too_long = float((traffic.input_tokens + traffic.output_tokens > deployment.model.max_context).mean())
    if too_long > 0:
        doubts.append(f"{percent(too_long)} of requests exceed its context of {deployment.model.max_context:,} tokens")
    first_cut = found.rates.source == "default" and found.interval is None
    if first_cut and deployment.model.experts:
        doubts.append("mixture-of-experts: the first-cut capacity figure was seen 1.2 to 3.2 times too high for such models")
    if first_cut and deployment.gpu_count > 1 and not deployment.gpu.interconnect_gb_s_per_dir:
        doubts.append(f"{deployment.gpu.gpu} has no direct GPU link: the first-cut capacity figure ignores what that costs")
    return doubts
