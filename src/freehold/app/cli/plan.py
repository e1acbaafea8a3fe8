"""`freehold plan`: rent, own, or own the base and rent the peak, and from which volume on."""

import datetime as dt
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from freehold.app import config_file
from freehold.app.cli.ask import Asked, ask_missing, check_named, evidence_of, operator_of
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.cli.plan_flags import (
    Compared,
    FleetGiven,
    Given,
    Printed,
    SimulatedPace,
    TermsGiven,
    Watched,
    overlaid,
    terms_of,
)
from freehold.app.cli.plan_report import assumption_table, show_plan, write_page
from freehold.app.cli.watch import watch
from freehold.app.comparison import configured_choice, used_choice
from freehold.app.measured_targets import measured_targets
from freehold.app.migration_evidence import gate_evidence
from freehold.app.scenario import expand, find_scenario, shipped
from freehold.catalog.facts import Facts, load_facts
from freehold.catalog.prices import PriceBook
from freehold.core.errors import BadSettings
from freehold.lab.traces import open_trace
from freehold.plan.capacity.measured import Measured
from freehold.plan.choice import Choice
from freehold.plan.demand.traffic import Requests, TrafficRow, requests_from_rows
from freehold.plan.document import Plan
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.plan import make_plan
from freehold.plan.quote import Known, Quotes, plan_from_requests
from freehold.serve.stores.reader import LedgerReader
from freehold.serve.stores.use import Use, uses

app = App(name="plan", help="What to own and what to rent, in dollars a month.")

EXAMPLE = "seed-saas"
LEDGER = Path("freehold.db")
_PACE = SimulatedPace()


@app.default
def plan(  # noqa: PLR0913 (one parameter for each group of options)
    given: Given = Given(),
    compared: Compared = Compared(),
    terms: TermsGiven = TermsGiven(),
    fleet: FleetGiven = FleetGiven(),
    asked: Asked = Asked(),
    *,
    config: Annotated[Path | None, Parameter(alias="-c")] = None,
    pace: SimulatedPace = _PACE,
    printed: Printed = Printed(),
    watched: Watched = Watched(),
) -> int:
    """Compare renting, owning, and owning the base while renting the peak, on the traffic as it is.

    Without --ledger, --trace or --scenario the ledger freehold.db of this folder is planned, or else the shipped example.

    Parameters
    ----------
    config
        Take the rented and the owned target of each workload from this configuration.
    """
    if printed.schema:
        emit_json(msgspec.json.schema(Plan))
        return 0
    given = _found(given)
    if watched.watch:
        if given.ledger is None:
            raise BadSettings("--watch needs a ledger; give --ledger, or run it where freehold.db is")
        return watch(given.ledger, config, watched.every_s, watched.once, printed.json)
    if given.scenario == "list":
        return _list_scenarios(json=printed.json)
    facts = load_facts()
    measured, passed_over = _measured(config, compared, facts)
    quotes = Quotes(facts, PriceBook(), dt.datetime.now(dt.UTC).date(), simulating=pace.simulating(measured))
    if given.ledger or given.trace:
        request = _Request(given, compared, terms_of(terms, fleet=(fleet,)), asked)
        made = _plan_requests(request, config, quotes)
    else:
        made = _plan_scenario(given.scenario, (compared, terms, fleet), asked, quotes)
    made = msgspec.structs.replace(made, warnings=[*made.warnings, *passed_over])
    if printed.html:
        write_page(printed.html, made)
        notes.print(f"Report: {printed.html}", soft_wrap=True)
    if printed.json:
        emit_json(made)
    else:
        show_plan(made, out)
        out.print(assumption_table(made))
    return 0


def _measured(config: Path | None, compared: Compared, facts: Facts) -> tuple[list[Measured], list[str]]:
    """The configuration's calibrated targets, and what to say of calibrations that do not count. Raises BadSettings."""
    if config is None:
        return [], []
    found, passed_over = measured_targets(config, facts)
    if found and compared.precision is not None:
        return [], [*passed_over, "--precision asks for another engine than the calibrated ones, so no calibration is used"]
    return found, passed_over


def _found(given: Given) -> Given:
    """Where the traffic comes from: what is given, or the ledger of this folder. Raises BadSettings on two at once."""
    sources = [name for name in ("ledger", "trace", "scenario") if getattr(given, name)]
    if len(sources) > 1:
        raise BadSettings(f"{' and '.join(f'--{name}' for name in sources)} are given; choose one")
    if not sources and LEDGER.is_file():
        notes.print(f"Traffic from {LEDGER} in this folder; give --ledger, --trace or --scenario for another.", soft_wrap=True)
        given, sources = replace(given, ledger=LEDGER), ["ledger"]
    if "ledger" not in sources and (given.since or given.until):
        raise BadSettings("--since and --until choose from a ledger; give --ledger with them")
    return given


@dataclass(frozen=True)
class _Request:
    given: Given
    compared: Compared
    terms: PlanTerms
    asked: Asked


def _plan_requests(request: _Request, config: Path | None, quotes: Quotes) -> Plan:
    """The plan of a ledger's workloads, or of one trace."""
    given, asked = request.given, request.asked
    used = uses(given.ledger) if given.ledger else {}
    choice_of = choices(
        config, request.compared, lambda name: used_choice(used.get(name, Use()), quotes), strict=bool(given.trace)
    )
    requests = _requests(given)
    if given.ledger and given.workload is not None:
        if given.workload not in requests:
            raise BadSettings(
                f"no finished request of workload {given.workload!r} there; it has {', '.join(sorted(requests)) or 'none'}"
            )
        requests = {given.workload: requests[given.workload]}
    check_named(asked, requests.keys())
    operator = operator_of(asked)
    if asked.ask:
        bound = all(seen.traffic(choice_of(name).clearance).sensitive.any() for name, seen in requests.items())
        operator = ask_missing(operator, sys.stdin, notes, bound=bound)
    bucketed = LedgerReader(given.ledger).bucketed_workloads() if given.ledger else []
    doubts = LedgerReader(given.ledger).doubts(bucketed) if given.ledger else {}
    judged = gate_evidence(given.ledger) if given.ledger else {}

    def known_of(name: str) -> Known:
        return Known(
            doubts=tuple(doubts.get(name, ())),
            bucketed=any(name == one.workload for one in bucketed),
            owned_share_now=used.get(name, Use()).owned_share,
            operator=operator,
            evidence=evidence_of(asked, name, quotes.on) or judged.get(name),
        )

    return plan_from_requests(requests, choice_of, quotes, request.terms, known_of)


def _requests(given: Given) -> Mapping[str, Requests]:
    if given.ledger is not None:
        return LedgerReader(given.ledger).columns(_day(given.since, "since"), _day(given.until, "until"))
    assert given.trace is not None
    name = given.workload or given.trace.name.split(".")[0]
    rows = (TrafficRow(r.at, name, "public", r.input_tokens, 0, r.output_tokens) for r in open_trace(given.trace))
    return requests_from_rows(rows)


def _day(text: str | None, name: str) -> float | None:
    """Midnight of that day, UTC, in Unix seconds. Raises BadSettings."""
    if text is None:
        return None
    try:
        return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC).timestamp()
    except ValueError:
        raise BadSettings(f"--{name} is {text!r}; give a day as YYYY-MM-DD") from None


def _plan_scenario(name: str | None, layers: tuple[Compared, TermsGiven, FleetGiven], asked: Asked, quotes: Quotes) -> Plan:
    if name is None:
        notes.print(
            f"No traffic given, so this is the shipped example {EXAMPLE}; give --ledger, --trace or --scenario.", soft_wrap=True
        )
    scenario, (compared, terms, fleet) = find_scenario(name or EXAMPLE), layers
    told = terms_of(scenario.terms, terms, fleet=(scenario.fleet, fleet))
    choice = overlaid(Choice(), scenario, scenario.own, compared)
    if compared.model and not compared.hosted:
        # The scenario names hosts of its own model, not of the one asked for.
        choice = msgspec.structs.replace(choice, hosted=())
    check_named(asked, [scenario.name])
    stated = msgspec.structs.asdict(operator_of(asked))
    operator = msgspec.structs.replace(scenario.operator, **{name: value for name, value in stated.items() if value is not None})
    traffic = expand(scenario)
    if asked.ask:
        operator = ask_missing(operator, sys.stdin, notes, bound=bool(traffic.sensitive.any()))
    evidence = evidence_of(asked, scenario.name, quotes.on) or scenario.proof
    known = Known(operator=operator, evidence=evidence)
    return make_plan(
        [quotes.workload(scenario.name, traffic, choice, told, known)], told, quotes.on, quotes.facts.stale(quotes.on)
    )


def _list_scenarios(*, json: bool) -> int:
    found = {name: find_scenario(name).about for name in shipped()}
    if json:
        emit_json(found)
    else:
        for name, about in found.items():
            out.print(f"[bold]{name}[/bold]: {about}", soft_wrap=True)
    return 0


def choices(
    config: Path | None, compared: Compared, used: Callable[[str], Choice] = lambda name: Choice(), *, strict: bool = False
) -> Callable[[str], Choice]:
    """What to compare for a workload: the command line over the configuration over what is used over defaults.

    Raises BadSettings. Strict: a workload that is not configured is a mistake. Otherwise it is one of the past.
    """
    settings = None if config is None else config_file.load(config).settings

    def choice_of(workload: str) -> Choice:
        if strict and settings is not None and workload not in settings.workloads:
            names = ", ".join(settings.workloads)
            raise BadSettings(f"{config} has no workload {workload!r}; name one of {names} with --workload")
        base = used(workload)
        if settings is not None and workload in settings.workloads:
            base = configured_choice(settings, workload, base)
        choice = overlaid(base, compared)
        return msgspec.structs.replace(choice, price=None, chosen=choice.chosen - {"price"}) if compared.rent else choice

    return choice_of
