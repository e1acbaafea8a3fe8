"""From names (an API model, an open model, a GPU, a provider) to priced inputs of a plan, each with source and date."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import msgspec

from freehold.catalog.facts import Facts
from freehold.catalog.prices import PriceBook, UnknownPrice
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.core.money import dollars, nanousd
from freehold.core.price import PriceCard, Rate
from freehold.plan.capacity import Deployment, Precision, Rates, estimate_rates, measured_rates
from freehold.plan.inputs import Assumption, PlanTerms, Source
from freehold.plan.owned import HirePlan, Machine, choose_machine, owned_cost
from freehold.plan.plan import Plan, WorkloadInput, make_plan
from freehold.plan.ranges import Grounds, default_ranges
from freehold.plan.traffic import Traffic, TrafficRow, traffic_from_rows

# An API that hosts the model, for when none is named: renting the same model is always the third candidate.
HOSTED = {"Llama-3.1-8B": "groq/llama-3.1-8b-instant", "Llama-3.3-70B": "groq/llama-3.3-70b-versatile"}


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What to compare, in names. `chosen` holds the fields somebody set; the others are defaults and are shown as such.

    `clearance`: the highest data class that may be rented. `hosted`: APIs of the owned model; empty means the one known here.
    `usd_per_hour` prices one replica's GPUs instead of the catalog; `prefill_tok_s` with `decode_tok_s` replace the capacity
    figure by a measurement.
    """

    rent: str = "openai/gpt-4o"
    price: PriceCard | None = None
    clearance: DataClass = DataClass.internal
    model: str = "Llama-3.1-8B"
    precision: Precision | None = None
    gpu: str = "L40S"
    gpu_count: int = 1
    provider: str = "aws"
    hire_plan: HirePlan = "on_demand"
    usd_per_hour: Decimal | None = None
    prefill_tok_s: float | None = None
    decode_tok_s: float | None = None
    hosted: tuple[str, ...] = ()
    chosen: frozenset[str] = frozenset()


class Quotes:
    """The catalog on one day, asked for whole workloads."""

    def __init__(self, facts: Facts, book: PriceBook, on: dt.date) -> None:
        self.facts = facts
        self.book = book
        self.on = on

    def workload(self, name: str, traffic: Traffic, choice: Choice, terms: PlanTerms) -> WorkloadInput:
        """Everything the plan needs for one workload. Raises BadSettings on a name the catalog does not know, or on a model
        that does not fit its GPUs."""
        model, gpu = self.facts.model(choice.model), self.facts.gpu(choice.gpu)
        precision = choice.precision or ("fp8" if gpu.fp8_tflops_dense else "bf16")
        deployment = Deployment(model=model, precision=precision, gpu=gpu, gpu_count=choice.gpu_count)
        machine = self._machine(choice, gpu.gpu)
        rates = _rates(choice, deployment, traffic)
        card = choice.price or self.card(choice.rent)
        hosts = choice.hosted or tuple(seller for known, seller in HOSTED.items() if known == model.model)
        hosted = tuple(self.card(seller) for seller in hosts)
        grounds = Grounds("user" if card is choice.price else "catalog", machine.source, rates.source, model.experts > 0)
        where = f"{machine.provider} {machine.instance}".strip()
        return WorkloadInput(
            name=name,
            traffic=traffic,
            rented=card,
            owned=owned_cost(machine, choice.gpu_count, terms),
            owned_label=f"{model.model} {precision} on {choice.gpu_count}x {gpu.gpu} ({where})",
            pace=rates,
            ranges=default_ranges(traffic, terms, grounds),
            hosted=hosted,
            assumptions=(
                _traffic_assumption(traffic),
                _rented_model(card, choice),
                *_price_assumptions("rented", card, choice),
                *(line for other in hosted for line in _price_assumptions("hosted", other, choice)),
                *_owned_assumptions(choice, deployment, machine, rates),
            ),
            warnings=tuple(_doubts(deployment, rates, traffic)),
        )

    def card(self, seller: str) -> PriceCard:
        """The price of `provider/model` on the day. Raises BadSettings."""
        provider, slash, model = seller.partition("/")
        if not slash or not model:
            raise BadSettings(f"rented model is {seller!r}; write provider/model, such as openai/gpt-4o")
        try:
            return self.book.find(provider, model, self.on)
        except UnknownPrice as error:
            raise BadSettings(f"no price for {seller}: {error}") from None

    def _machine(self, choice: Choice, gpu: str) -> Machine:
        if choice.usd_per_hour is None:
            offers = self.facts.offers(gpu, choice.provider)
            if not offers:
                others = sorted({o.provider for o in self.facts.offers(gpu)})
                raise BadSettings(
                    f"{choice.provider} lists no {gpu}; listed at: {', '.join(others) or 'nobody'}, or state --usd-per-hour"
                )
            return choose_machine(offers, choice.gpu_count, choice.hire_plan)
        if not choice.usd_per_hour.is_finite() or choice.usd_per_hour < 0 or choice.usd_per_hour > 100_000:
            raise BadSettings(f"usd-per-hour is {choice.usd_per_hour}; give dollars per hour of one replica, 0 to 100000")
        return Machine(
            provider=choice.provider if "provider" in choice.chosen else "own",
            instance="stated price",
            gpu=gpu,
            gpu_count=choice.gpu_count,
            price_nanousd_h=nanousd(choice.usd_per_hour),
            hire_plan=choice.hire_plan,
            source="user",
            origin="stated price of one replica's GPUs",
            date=self.on.isoformat(),
        )


def plan_from_rows(
    rows: Iterable[TrafficRow],
    choice_of: Callable[[str], Choice],
    quotes: Quotes,
    terms: PlanTerms,
    doubts: Mapping[str, Sequence[str]] | None = None,
) -> Plan:
    """The plan of whatever workloads the rows name, in order of name; `choice_of` says per workload what to compare.

    `doubts`: by workload, what makes its rows weaker than they look; they join the workload's warnings.
    A workload seen at one moment only has no rate: it is left out with a warning. Raises BadSettings naming the workload it is
    about, or when nothing is left.
    """
    by_workload: dict[str, list[TrafficRow]] = {}
    for row in rows:
        by_workload.setdefault(row.workload, []).append(row)
    inputs: list[WorkloadInput] = []
    warnings = list(quotes.facts.stale(quotes.on))
    for name, own_rows in sorted(by_workload.items()):
        if len(by_workload) > 1 and len({row.stands_for for row in own_rows}) < 2:
            warnings.append(f"workload {name} is left out: all its requests stand for one moment, which is no rate")
            continue
        choice = choice_of(name)
        try:
            made = quotes.workload(name, traffic_from_rows(own_rows, choice.clearance), choice, terms)
        except BadSettings as error:
            raise BadSettings(f"workload {name}: {error.message}") from None
        inputs.append(replace(made, warnings=(*made.warnings, *(doubts or {}).get(name, ()))))
    return make_plan(inputs, terms, quotes.on, warnings)


def _rates(choice: Choice, deployment: Deployment, traffic: Traffic) -> Rates:
    if choice.prefill_tok_s is None and choice.decode_tok_s is None:
        return estimate_rates(deployment, traffic)
    if choice.prefill_tok_s is None or choice.decode_tok_s is None:
        raise BadSettings("a measured capacity needs both prefill-tok-s and decode-tok-s of one replica")
    return measured_rates(deployment, choice.prefill_tok_s, choice.decode_tok_s)


def _price_assumptions(role: str, card: PriceCard, choice: Choice) -> list[Assumption]:
    source: Source = "user" if card is choice.price else "catalog"
    name = f"{role} {card.provider}/{card.model}"
    rates = {"input": card.input, "cached input": card.cache_read, "output": card.output}
    return [
        Assumption(
            name=f"{name}, {bucket}",
            value=_rate_text(rate),
            unit="USD per million tokens",
            source=source,
            origin=card.source,
            date=card.valid_from,
        )
        for bucket, rate in rates.items()
        if rate is not None
    ]


def _traffic_assumption(traffic: Traffic) -> Assumption:
    return Assumption(
        name="traffic",
        value=f"{len(traffic.time_s):,} requests",
        unit=f"in {traffic.span_text}",
        source="user" if traffic.declared else "measured",
        origin="expanded from the declared shape" if traffic.declared else "as observed, scaled to the month",
    )


def _rented_model(card: PriceCard, choice: Choice) -> Assumption:
    return Assumption(
        name="rented model",
        value=f"{card.provider}/{card.model}",
        unit="",
        source="user" if choice.chosen & {"rent", "price"} else "default",
        origin="what owning is compared with",
    )


def _rate_text(rate: Rate) -> str:
    tiers = "".join(f"; {dollars(price).normalize():f} above {above:,} input tokens" for above, price in rate.tiers)
    return f"{dollars(rate.nanousd_per_mtok).normalize():f}{tiers}"


def _owned_assumptions(choice: Choice, deployment: Deployment, machine: Machine, rates: Rates) -> list[Assumption]:
    def source(*fields: str) -> Source:
        return "user" if choice.chosen & set(fields) else "default"

    gpu, model = deployment.gpu, deployment.model
    hire = choice.hire_plan.replace("_", " ")
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


def _doubts(deployment: Deployment, rates: Rates, traffic: Traffic) -> list[str]:
    """What makes the answer weaker than it looks."""
    doubts = [f"whether {deployment.model.model} is good enough for this workload is not answered here: shadow it first"]
    too_long = float((traffic.input_tokens + traffic.output_tokens > deployment.model.max_context).mean())
    if too_long > 0:
        doubts.append(f"{too_long:.1%} of requests exceed its context of {deployment.model.max_context:,} tokens")
    if rates.source == "default" and deployment.model.experts:
        doubts.append("mixture-of-experts: the first-cut capacity figure was seen 1.2 to 3.2 times too high for such models")
    if rates.source == "default" and deployment.gpu_count > 1 and not deployment.gpu.interconnect_gb_s_per_dir:
        doubts.append(f"{deployment.gpu.gpu} has no direct GPU link: the first-cut capacity figure ignores what that costs")
    return doubts
