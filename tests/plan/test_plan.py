"""Whole plans: the worked example of docs/explain/cost-model.md to the cent, the seeds' figures, the real traces."""

import datetime as dt
import time
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from freehold.app.scenario import Scenario, expand
from freehold.catalog.facts import load_facts
from freehold.catalog.prices import PriceBook
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.core.money import NANO
from freehold.lab.traces import open_trace
from freehold.plan.choice import Choice
from freehold.plan.demand.traffic import TrafficRow, requests_from_rows
from freehold.plan.document import Plan
from freehold.plan.owning.fleet_terms import FleetTerms
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.plan import make_plan
from freehold.plan.quote import Quotes, plan_from_requests

TRACES = Path(__file__).parents[2].parent / "shared" / "data" / "traces"
DAY = dt.date(2026, 11, 21)
# Machines alone: nobody runs them, no platform, no storage.
BARE = PlanTerms(people_fte=0, fleet=FleetTerms(platform_usd_month=0, storage_usd_gb_month=0))


@pytest.fixture(scope="module")
def quotes() -> Quotes:
    return Quotes(load_facts(), PriceBook(), DAY)


@pytest.fixture(scope="module")
def worked(quotes: Quotes) -> Plan:
    day = Scenario(
        name="worked", tokens_per_day=17_280_000, input_share=0.7, output_tokens_mean=300, length_cv=0,
        arrivals="even", daily_profile=(*[1.0] * 12, *[3.0] * 12),
    )  # fmt: skip
    choice = Choice(usd_per_hour=Decimal("1.10"), prefill_tok_s=700, decode_tok_s=100, hosted=("none",))
    choice = msgspec.structs.replace(choice, chosen=frozenset({"usd_per_hour"}))
    terms = msgspec.structs.replace(BARE, month_hours=720)
    return make_plan([quotes.workload(day.name, expand(day), choice, terms)], terms, DAY)


def test_the_worked_example_to_the_cent(worked: Plan) -> None:
    (workload,) = worked.workloads
    assert [(p.fixed_nanousd_month, p.rented_nanousd_month) for p in workload.curve] == [
        (0, 2_462_400_000_000),
        (792_000_000_000, 769_500_000_000),
        (1_584_000_000_000, 0),
    ]
    assert workload.cheapest == "own base, rent peak"
    assert workload.peak_model == "openai/gpt-4o"
    assert workload.best.replicas == 1
    assert workload.best.total_nanousd_month == 1_561_500_000_000
    assert workload.best.owned_share == pytest.approx(0.6875)
    assert workload.best.utilisation == pytest.approx(0.55)
    assert workload.curve[2].worth_nanousd_month == 769_500_000_000
    assert workload.own.replicas == 2
    assert workload.break_even.first_tokens_per_day == pytest.approx(17_280_000 * 792 / 2462.4)
    assert worked.totals.best_nanousd_month == 1_561_500_000_000


def test_the_duration_curve_of_the_worked_example(worked: Plan) -> None:
    points = worked.workloads[0].duration
    assert points[0].replicas == pytest.approx(12 / 7)
    assert points[-1].replicas == pytest.approx(4 / 7)
    assert points[-1].share == 1.0
    high = [p for p in points if p.replicas > 1]
    assert high[-1].share == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("millions", "day_usd", "month_usd"), [(10, "47.50", 1_425), (100, "475", 14_250)])
def test_seed_003_rents_seven_to_three_for_47_50_a_day(quotes: Quotes, millions: int, day_usd: str, month_usd: int) -> None:
    day = Scenario(name="seed", tokens_per_day=millions * 1e6, input_share=0.7, output_tokens_mean=300, length_cv=0)
    terms = msgspec.structs.replace(BARE, month_hours=720)
    (workload,) = make_plan([quotes.workload("seed", expand(day), Choice(), terms)], terms, DAY).workloads
    assert workload.rented_nanousd_day == Decimal(day_usd) * NANO
    assert workload.rented_nanousd_month == month_usd * NANO


def test_seed_003_a_node_of_13_to_23_k_needs_far_more_than_its_claimed_crossover(quotes: Quotes) -> None:
    # The seed says 50-80 M tokens a month; its own prices say 91-162 M a day (for capacity without limit).
    day = Scenario(name="seed", tokens_per_day=1e7, input_share=0.7, output_tokens_mean=300, length_cv=0, arrivals="even")
    terms, node = msgspec.structs.replace(BARE, month_hours=720), frozenset({"usd_per_hour"})
    found = []
    for usd_month in (13_000, 23_040):
        hour = Decimal(usd_month) / 720
        fast = Choice(gpu="H100-SXM", gpu_count=8, usd_per_hour=hour, hosted=("none",), chosen=node)
        (workload,) = make_plan([quotes.workload("seed", expand(day), fast, terms)], terms, DAY).workloads
        found.append(workload.break_even.first_tokens_per_day)
    assert found == [pytest.approx(13_000 / 30 / 4.75e-6, rel=1e-6), pytest.approx(23_040 / 30 / 4.75e-6, rel=1e-6)]


def test_every_figure_carries_its_source_and_the_hosted_open_model_is_compared(quotes: Quotes, worked: Plan) -> None:
    (workload,) = worked.workloads
    by_name = {a.name: a for a in [*workload.assumptions, *worked.assumptions]}
    assert by_name["machine price"].source == "user"
    assert by_name["prefill speed"].source == "user"
    assert by_name["rented openai/gpt-4o, input"].source == "catalog"
    assert by_name["rented openai/gpt-4o, input"].value == "2.5"
    assert by_name["people"].source == "default"
    assert all(a.origin for a in by_name.values())
    assert [(cost.provider, cost.hosted, cost.peak) for cost in workload.rented] == [("openai", False, True)]


def test_a_host_of_the_owned_model_is_a_rival_and_takes_the_peak(quotes: Quotes) -> None:
    day = Scenario(name="w", tokens_per_day=1e7, input_share=0.7, output_tokens_mean=300, length_cv=0, arrivals="even")
    terms = msgspec.structs.replace(BARE, month_hours=720)
    (workload,) = make_plan([quotes.workload("w", expand(day), Choice(), terms)], terms, DAY).workloads
    today, host = workload.rented
    assert [(cost.provider, cost.hosted, cost.peak) for cost in workload.rented] == [
        ("openai", False, False),
        ("groq", True, True),
    ]
    # 7 M in at $0.05 and 3 M out at $0.08 a day: $0.59, in 30 days $17.70.
    assert (workload.peak_model, host.rented_nanousd_month) == ("groq/llama-3.1-8b-instant", 17_700_000_000)
    assert workload.least_rented_nanousd_month == workload.best.total_nanousd_month == host.rented_nanousd_month
    assert workload.rented_nanousd_month == today.rented_nanousd_month == 1_425 * NANO
    assert (workload.cheapest, workload.judgement.verdict) == ("rent", "rent")
    assert today.first_tokens_per_day is not None, "against today's model alone owning would pay"
    by_name = {a.name: a for a in workload.assumptions}
    assert by_name["hosted groq/llama-3.1-8b-instant, output"].value == "0.08"


def test_what_was_asked_for_is_kept_and_otherwise_the_cheapest_way_is_taken(quotes: Quotes) -> None:
    day = Scenario(name="w", tokens_per_day=1e7, input_share=0.7, output_tokens_mean=300, length_cv=0)
    for chosen in (frozenset[str](), frozenset({"provider"})):
        choice = Choice(hosted=("none",), chosen=chosen)
        (workload,) = make_plan([quotes.workload("w", expand(day), choice, PlanTerms())], PlanTerms(), DAY).workloads
        (taken,) = [candidate for candidate in workload.candidates if candidate.chosen]
        least = min(workload.candidates, key=lambda candidate: candidate.owning.total_nanousd_month)
        assert taken is (workload.candidates[0] if chosen else least)
        assert workload.owned_model == taken.label
        assert any("compare it first" in warning for warning in workload.warnings) is bool(chosen)
    assert least is not workload.candidates[0]


def test_the_plan_is_json(worked: Plan) -> None:
    assert msgspec.json.decode(msgspec.json.encode(worked), type=Plan) == worked


def test_each_workload_is_planned_on_its_own_and_summed(quotes: Quotes) -> None:
    rows = [
        TrafficRow(float(i), name, "restricted" if name == "b" else "public", 700, 0, 300)
        for i in range(400)
        for name in ("a", "b")
    ]
    choice = Choice(clearance=DataClass.internal, hosted=("none",))
    made = plan_from_requests(requests_from_rows(rows), lambda name: choice, quotes, PlanTerms())
    a, b = made.workloads
    assert (a.name, b.name) == ("a", "b")
    assert a.rented_nanousd_month == b.rented_nanousd_month
    assert a.rent_allowed
    assert not b.rent_allowed
    assert b.cheapest == "own"
    assert b.best.rented_nanousd_month == 0
    assert b.investment is None
    assert made.totals.best_nanousd_month == a.best.total_nanousd_month + b.best.total_nanousd_month


def test_a_bad_workload_is_named(quotes: Quotes) -> None:
    rows = [TrafficRow(1.0, "alone", "public", 1, 0, 1)]
    with pytest.raises(BadSettings, match="workload alone: all requests"):
        plan_from_requests(requests_from_rows(rows), lambda name: Choice(), quotes, PlanTerms())


def test_no_rows_are_refused(quotes: Quotes) -> None:
    with pytest.raises(BadSettings, match="no traffic to plan for"):
        plan_from_requests({}, lambda name: Choice(), quotes, PlanTerms())


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice(gpu="H100X9"), "unknown GPU 'H100X9'"),
        (Choice(model="Llama-9"), "unknown model"),
        (Choice(rent="openai/gpt-99"), "no price"),
        (Choice(rent="gpt-4o"), "write provider/model"),
        (Choice(provider="gcp"), "gcp lists no L40S; listed at: "),
        (Choice(usd_per_hour=Decimal(-1)), "usd-per-hour is -1"),
        (Choice(prefill_tok_s=100.0), "needs both"),
        (Choice(gpu_count=0), "gpu-count is 0"),
    ],
)
def test_names_and_numbers_that_cannot_be_used_get_one_line(quotes: Quotes, choice: Choice, words: str) -> None:
    rows = [TrafficRow(float(i), "w", "public", 700, 0, 300) for i in range(3)]
    with pytest.raises(BadSettings, match=words) as caught:
        plan_from_requests(requests_from_rows(rows), lambda name: choice, quotes, PlanTerms())
    assert "\n" not in caught.value.message


@pytest.mark.skipif(not TRACES.exists(), reason="the public traces are not beside this checkout")
def test_the_real_azure_trace_in_under_two_seconds(quotes: Quotes) -> None:
    started = time.process_time()  # of all its threads; what else runs on the machine is not its doing
    trace = open_trace(TRACES / "azure_llm_2023_conv.csv.gz")
    rows = [TrafficRow(r.at, "conv", "public", r.input_tokens, 0, r.output_tokens) for r in trace]
    (workload,) = plan_from_requests(requests_from_rows(rows), lambda name: Choice(), quotes, PlanTerms()).workloads
    assert time.process_time() - started < 2.0
    # shared/data/traces/trace_stats.csv says 652.6 M tokens a day, 84.5 % input, CV 1.09.
    assert workload.traffic.requests == 19_366
    assert workload.traffic.tokens_per_day / 1e6 == pytest.approx(652.6, abs=0.1)
    assert workload.traffic.input_share == pytest.approx(0.845, abs=0.001)
    assert workload.traffic.interarrival_cv == pytest.approx(1.09, abs=0.01)
    assert "observed 58.4 minutes" in " ".join(workload.warnings)
