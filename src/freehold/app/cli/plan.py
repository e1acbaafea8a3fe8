"""`freehold plan`: rent, own, or own the base and rent the peak, and from which volume on."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from freehold.app import config_file
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.comparison import configured_choice
from freehold.app.scenario import Scenario, expand, load_scenario
from freehold.catalog.facts import load_facts
from freehold.catalog.prices import PriceBook
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.lab.traces import open_trace
from freehold.plan.capacity import Precision
from freehold.plan.inputs import Assumption, PlanTerms
from freehold.plan.owned import HirePlan
from freehold.plan.plan import Plan, WorkloadPlan, make_plan
from freehold.plan.quote import Choice, Quotes, plan_from_rows
from freehold.plan.report import render_html
from freehold.plan.traffic import TrafficRow
from freehold.plan.wording import answer, breach, crossings, money, money_range, outlook, percent, summary, tokens
from freehold.serve.stores.sqlite_reader import SqliteReader

app = App(name="plan", help="What to own and what to rent, in dollars a month.")

EXAMPLE = "support-tickets"
LEDGER = Path("freehold.db")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Given:
    """Where the traffic comes from; one of them."""

    ledger: Path | None = None
    "A ledger that `freehold serve` or `freehold import` wrote: every workload in it is planned."
    trace: Path | None = None
    "A request trace (Azure 2023 CSV or Mooncake JSONL, plain or gzipped), planned as one workload."
    scenario: str | None = None
    "A scenario file, or the name of a shipped one: support-tickets, regulated-documents."
    workload: str | None = None
    "Name of the traced workload, as in the configuration. Default: the trace's file name."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Compared:
    """What is compared. Unset, the configuration or the scenario decides, then a default that the plan shows."""

    rent: str | None = None
    "The rented model as provider/model. Default: openai/gpt-4o."
    hosted: tuple[str, ...] = ()
    "APIs that host the owned model, as provider/model: the third candidate. May be repeated."
    clearance: DataClass | None = None
    "The highest data class that may be rented. Default: internal."
    model: str | None = None
    "The owned model. Default: Llama-3.1-8B."
    precision: Precision | None = None
    "Its precision. Default: fp8, or bf16 where the GPU has no fp8."
    gpu: str | None = None
    "The GPU. Default: L40S."
    gpu_count: int | None = None
    "GPUs per replica. Default: 1."
    provider: str | None = None
    "Who hires out the GPU. Default: aws."
    hire_plan: HirePlan | None = None
    "How it is hired. Default: on_demand."
    usd_per_hour: Decimal | None = None
    "Price of one replica's GPUs per hour, instead of the catalogue's."
    prefill_tok_s: float | None = None
    "Measured input tokens per second of one replica, with --decode-tok-s."
    decode_tok_s: float | None = None
    "Measured output tokens per second of one replica, with --prefill-tok-s."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TermsGiven:
    """On which terms."""

    max_utilisation: float | None = None
    "How busy a replica may be kept, 0 to 1. Default: 0.7."
    people_fte: float | None = None
    "People who run what is owned, in full-time equivalents. Default: 0."
    salary_usd_year: int | None = None
    "Loaded salary of one of them. Default: 200000."
    month_hours: float | None = None
    "Length of the month, on both sides. Default: 730."
    growth_per_month: float | None = None
    "By how much the volume grows each month, such as 0.05: a scenario. Default: 0."
    spike: float | None = None
    "How many times the traffic one busy day brings. Default: 3."
    budget_usd_month: float | None = None
    "A budget in dollars a month, for all workloads together; the plan says when it will be passed."
    migration_usd: float | None = None
    "What the move to owning costs once. Default: four weeks of one loaded salary."
    dual_running_months: float | None = None
    "How long owned and rented are both paid while moving. Default: 1."
    discount_rate: float | None = None
    "Discount rate a year. Default: 0.1."
    horizon_months: int | None = None
    "Months over which the move must pay. Default: 24."
    ranges: Annotated[tuple[str, ...], Parameter(name="--range")] = ()
    "Where an uncertain input may lie, as name=low..high, e.g. gpu_price=0.9..1.1 times its point. May be repeated."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Printed:
    """How the answer comes out."""

    html: Path | None = None
    "Also write the plan as one self-contained page."
    json: bool = False
    "Print the plan as one JSON document; money in integer nano-dollars."


@app.default
def plan(
    given: Given = Given(),
    compared: Compared = Compared(),
    terms: TermsGiven = TermsGiven(),
    *,
    config: Annotated[Path | None, Parameter(alias="-c")] = None,
    printed: Printed = Printed(),
) -> int:
    """Compare renting, owning, and owning the base while renting the peak, on the traffic as it is.

    Without --ledger, --trace or --scenario the ledger freehold.db of this folder is planned, or else the shipped example.

    Parameters
    ----------
    config
        Take the rented and the owned target of each workload from this configuration.
    """
    sources = [name for name in ("ledger", "trace", "scenario") if getattr(given, name)]
    if len(sources) > 1:
        raise BadSettings(f"{' and '.join(f'--{name}' for name in sources)} are given; choose one")
    if not sources and LEDGER.is_file():
        notes.print(f"Traffic from {LEDGER} in this folder; give --ledger, --trace or --scenario for another.", soft_wrap=True)
        given, sources = replace(given, ledger=LEDGER), ["ledger"]
    quotes = Quotes(load_facts(), PriceBook(), dt.datetime.now(dt.UTC).date())
    if given.scenario or not sources:
        made = _plan_scenario(given.scenario, (compared, terms), quotes)
    else:
        choice_of = choices(config, compared, strict=given.trace is not None)
        doubts = SqliteReader(given.ledger).doubts() if given.ledger else {}
        made = plan_from_rows(_rows(given), choice_of, quotes, overlaid(PlanTerms(), terms), doubts)
    if printed.html:
        write_page(printed.html, made)
        notes.print(f"Report: {printed.html}", soft_wrap=True)
    if printed.json:
        emit_json(made)
    else:
        show_plan(made, out)
        out.print(_assumptions([*(a for w in made.workloads for a in w.assumptions), *made.assumptions]))
    return 0


def _rows(given: Given) -> Iterable[TrafficRow]:
    if given.ledger is not None:
        return SqliteReader(given.ledger).traffic()
    assert given.trace is not None
    name = given.workload or given.trace.name.split(".")[0]
    return (TrafficRow(r.at, name, "public", r.input_tokens, 0, r.output_tokens) for r in open_trace(given.trace))


def _plan_scenario(name: str | None, asked: tuple[Compared, TermsGiven], quotes: Quotes) -> Plan:
    if name is None:
        notes.print(
            f"No traffic given, so this is the shipped example {EXAMPLE}; give --ledger, --trace or --scenario.", soft_wrap=True
        )
    scenario = _scenario(name or EXAMPLE)
    terms = overlaid(PlanTerms(), scenario.terms, asked[1])
    choice = overlaid(Choice(), scenario, scenario.own, asked[0])
    if asked[0].model and not asked[0].hosted:
        # The scenario names hosts of its own model, not of the one asked for.
        choice = msgspec.structs.replace(choice, hosted=())
    made = quotes.workload(scenario.name, expand(scenario), choice, terms)
    return make_plan([made], terms, quotes.on, quotes.facts.stale(quotes.on))


def _scenario(name: str) -> Scenario:
    examples = resources.files("freehold.plan") / "examples"
    shipped = examples / f"{name}.yaml"
    if Path(name).suffix or not shipped.is_file():
        return load_scenario(Path(name))
    with resources.as_file(shipped) as path:
        return load_scenario(path)


def choices(config: Path | None, compared: Compared, *, strict: bool = False) -> Callable[[str], Choice]:
    """What to compare for a workload: the command line over the configuration over defaults. Raises BadSettings.

    Strict: a workload that is not configured is a mistake. Otherwise it is one of the past, and gets the defaults.
    """
    settings = None if config is None else config_file.load(config).settings

    def choice_of(workload: str) -> Choice:
        if strict and settings is not None and workload not in settings.workloads:
            names = ", ".join(settings.workloads)
            raise BadSettings(f"{config} has no workload {workload!r}; name one of {names} with --workload")
        base = Choice() if settings is None else configured_choice(settings, workload)
        choice = overlaid(base, compared)
        return msgspec.structs.replace(choice, price=None) if compared.rent else choice

    return choice_of


_Overlaid = TypeVar("_Overlaid", Choice, PlanTerms)


def overlaid(base: _Overlaid, *layers: object) -> _Overlaid:
    """The base with every field that a layer sets; later layers win. What was set is remembered in `chosen`."""
    stated: dict[str, Any] = {}
    for layer in layers:
        values = msgspec.structs.asdict(layer) if isinstance(layer, msgspec.Struct) else vars(layer)
        stated |= {n: v for n, v in values.items() if n in base.__struct_fields__ and v not in (None, ())}
    return msgspec.structs.replace(base, **stated, chosen=base.chosen | stated.keys())


def write_page(path: Path, made: Plan) -> None:
    """The plan as one self-contained page. Raises BadSettings where the file cannot be written."""
    try:
        path.write_text(render_html(made), encoding="utf-8")
    except OSError as error:
        raise BadSettings(f"cannot write {path}: {error.strerror}; give a file in an existing folder") from None


def show_plan(made: Plan, console: Console) -> None:
    """The plan as a report one can read aloud; its assumptions are a table of their own."""
    for workload in made.workloads:
        console.print(f"\n[bold]{workload.name}[/bold]: {answer(workload)}", soft_wrap=True)
        console.print(_costs(workload))
        _show_facts(workload, console)
    if len(made.workloads) > 1:
        console.print(f"\n[bold]Together[/bold]: {summary(made)}", soft_wrap=True)
    if line := breach(made):
        console.print(line, soft_wrap=True)
    for warning in [*(f"{w.name}: {text}" for w in made.workloads for text in w.warnings), *made.warnings]:
        console.print(f"Note: {warning}", soft_wrap=True)


def _costs(workload: WorkloadPlan) -> Table:
    table = Table("a month")
    for column in ("replicas", "machines and people", "API", "total", "80% of draws", "work owned", "replicas busy"):
        table.add_column(column, justify="right")
    allowed = "" if workload.rent_allowed else " (not allowed)"
    drawn, rented = workload.uncertainty, money(workload.rented_nanousd_month)
    title = f"rent all: {workload.rented_model}{allowed}"
    table.add_row(title, "0", "-", rented, rented, money_range(drawn.rented_nanousd_month), "0%", "-")
    for title, point, interval in (
        ("cheapest mix", workload.best, drawn.best_nanousd_month),
        (f"own all: {workload.owned_model}", workload.own, drawn.owned_nanousd_month),
    ):
        costs = (point.fixed_nanousd_month, point.rented_nanousd_month, point.total_nanousd_month)
        shares = (percent(point.owned_share), f"{point.utilisation:.0%}" if point.replicas else "-")
        table.add_row(title, f"{point.replicas:,}", *map(money, costs), money_range(interval), *shares)
    for other in workload.hosted:
        title = f"hosted open model: {other.provider}/{other.model}"
        table.add_row(title, "0", "-", *[money(other.rented_nanousd_month)] * 2, "-", "0%", "-")
    return table


def _show_facts(workload: WorkloadPlan, console: Console) -> None:
    seen = workload.traffic
    console.print(
        f"Traffic: {tokens(seen.tokens_per_day)} tokens a day, {seen.input_share:.1%} input, {seen.sensitive_share:.1%} of "
        f"requests sensitive; peak over mean {seen.peak_to_mean_10s:.1f} in 10 s, {seen.peak_to_mean_60s:.1f} in 60 s.",
        soft_wrap=True,
    )
    for line in [*crossings(workload), *outlook(workload)]:
        console.print(line, soft_wrap=True)


def _assumptions(rows: list[Assumption]) -> Table:
    table = Table("assumption", "value", "range", "source", "where from", "date", title="Worked out from", title_justify="left")
    for row in dict.fromkeys(rows):
        table.add_row(row.name, f"{row.value} {row.unit}".strip(), row.range, row.source, row.origin, row.date)
    return table
