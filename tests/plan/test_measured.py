"""A calibrated target in the simulation, in a steady prediction, in a sizing and in the plan's pace."""

import datetime as dt
from importlib.util import find_spec

import msgspec
import numpy as np
import pytest

from freehold.catalog.efficiency import load_efficiency
from freehold.catalog.facts import load_facts
from freehold.catalog.prices import PriceBook
from freehold.core.errors import BadSettings
from freehold.core.target import Hardware
from freehold.plan.capacity.calibration.check import Errors
from freehold.plan.capacity.calibration.law import LatencyLaw
from freehold.plan.capacity.measured import Measured, steady_output
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.fleet import Engine, Fleet
from freehold.plan.capacity.simulator.simulate import simulate
from freehold.plan.capacity.sizing.fewest import Promise, least_times, try_out
from freehold.plan.capacity.sizing.prices import Hire
from freehold.plan.capacity.sizing.served import unknown_to
from freehold.plan.capacity.sizing.size import Asked, Ground, size
from freehold.plan.capacity.sizing.whatif import changes, what_if
from freehold.plan.choice import Choice
from freehold.plan.demand.traffic import Traffic
from freehold.plan.owning.capacity import Deployment, estimate_rates
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.quote import Quotes
from freehold.plan.simulating import Simulating, paced
from freehold.rules.steptime.offline import Shape

FACTS, FITTED = load_facts(), load_efficiency()
needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="the extra simulate is not installed")
LAW = LatencyLaw(
    fixed_s=0.012,
    prefill_s=5e-5,
    sequence_s=2e-4,
    context_s=2e-8,
    overhead_s=0.004,
    admission_s=0.001,
    slots=64,
    step_tokens=2048,
)
L40S = Hardware(
    gpu="L40S",
    count=1,
    provider="aws",
    plan="on_demand",
    price_nanousd_h=2_000_000_000,
    price_source="stated",
    price_date="2026-11-21",
)
OWN = Measured(
    target="own", model="Llama-3.1-8B", law=LAW, missed=Errors(0.15, 0.06, 0.05), machine="1x L40S", date="2026-11-21",
    source="freehold calibrate, 512 requests", hardware=L40S,
)  # fmt: skip
PROMISE = Promise(ttft_s=1.0, tpot_s=0.05)


def some(count: int = 900, rate_rps: float = 8.0) -> Arrivals:
    random = np.random.default_rng(4)
    return Arrivals(
        at_s=np.cumsum(random.exponential(1 / rate_rps, count)),
        input_tokens=random.integers(200, 2000, count),
        output_tokens=random.integers(50, 400, count),
    )


ARRIVALS = some()
ASKED = Asked(model=OWN.model, promise=PROMISE, precisions=("",))
GROUND = Ground(FACTS, FITTED, ARRIVALS, OWN)


def traffic() -> Traffic:
    return Traffic(
        time_s=ARRIVALS.at_s - ARRIVALS.at_s[0],
        input_tokens=ARRIVALS.input_tokens,
        cache_read=np.zeros(len(ARRIVALS), np.int64),
        output_tokens=ARRIVALS.output_tokens,
        sensitive=np.zeros(len(ARRIVALS), np.bool_),
        span_s=float(ARRIVALS.at_s[-1] - ARRIVALS.at_s[0]),
    )


@needs_numba
def test_what_a_request_spends_outside_is_in_its_times_and_nowhere_else() -> None:
    inside = msgspec.structs.replace(OWN.engine, outside_s=0.0)
    with_it, without = (simulate(engine, Fleet(), ARRIVALS) for engine in (OWN.engine, inside))
    assert (OWN.engine.outside_s, OWN.engine.admission_s) == (0.004, 0.001)
    assert with_it.requests.ttft_s == pytest.approx(without.requests.ttft_s + 0.004)
    assert with_it.requests.total_s == pytest.approx(without.requests.total_s + 0.004)
    assert np.array_equal(with_it.requests.tpot_s, without.requests.tpot_s)
    assert with_it.totals == without.totals
    bare = msgspec.structs.replace(inside, admission_s=0.0)
    assert least_times(OWN.engine, ARRIVALS, 0.95)[0] == pytest.approx(least_times(bare, ARRIVALS, 0.95)[0] + 0.005)
    with pytest.raises(BadSettings, match="outside_s is -1"):
        Engine(law=LAW.step_law(), kv_blocks=1, outside_s=-1.0, max_sequences=1)
    with pytest.raises(BadSettings, match="admission_s is inf"):
        Engine(law=LAW.step_law(), kv_blocks=1, admission_s=float("inf"), max_sequences=1)


@needs_numba
@pytest.mark.parametrize("admission_s", [0.0, 0.05])
def test_size_and_predict_saturate_at_the_same_rate(admission_s: float) -> None:
    """What a request takes to be admitted holds a place in both; with 50 ms a request is in its place for twice as long."""
    law = LatencyLaw(
        fixed_s=0.005, prefill_s=1e-6, sequence_s=1e-6, context_s=0.0, overhead_s=0.002, admission_s=admission_s, slots=4
    )  # fmt: skip
    own, count = msgspec.structs.replace(OWN, law=law), 2000
    predicted = steady_output(own, Shape(input_tokens=100, output_tokens=8)).output_tok_s / 8
    lengths = {"input_tokens": np.full(count, 100), "output_tokens": np.full(count, 8)}
    full = simulate(own.engine, Fleet(), Arrivals(at_s=np.zeros(count), **lengths))
    assert count / full.totals.span_s == pytest.approx(predicted, rel=0.1)
    assert predicted == pytest.approx(4 / (admission_s + 8 * 0.005), rel=0.1)
    assert full.totals.utilisation == pytest.approx(1.0), "a replica whose places are all taken is at work"
    in_time = Promise(ttft_s=1.0, tpot_s=0.05, level=0.9)
    just_under, just_over = (
        try_out(own.engine, 1, Arrivals(at_s=np.arange(count) / (times * predicted), **lengths), in_time).keeps(in_time)
        for times in (0.9, 1.15)
    )
    assert (just_under, just_over) == (True, False)


@needs_numba
def test_a_lone_request_takes_what_the_law_says() -> None:
    one = Arrivals(at_s=np.zeros(1), input_tokens=np.array([1000]), output_tokens=np.array([3]))
    seen = simulate(OWN.engine, Fleet(), one).requests
    first = LAW.overhead_s + LAW.admission_s + LAW.step_s(1000, 0, 0)
    assert seen.ttft_s[0] == pytest.approx(first)
    assert seen.total_s[0] == pytest.approx(first + LAW.step_s(0, 1, 1001) + LAW.step_s(0, 1, 1002))


def test_steady_output_by_hand() -> None:
    law = msgspec.structs.replace(LAW, slots=1, context_s=0.0, admission_s=0.0)
    made = steady_output(msgspec.structs.replace(OWN, law=law), Shape(input_tokens=100, output_tokens=11))
    one_s = law.step_s(100, 0, 0) + 10 * law.step_s(0, 1, 0)  # a slot that is never free has the next prompt at once
    assert made.output_tok_s == pytest.approx(11 / one_s, rel=0.02)
    assert made.low80 == pytest.approx(made.output_tok_s / (1 + 1.9 * 0.05), rel=1e-3)
    assert made.high80 == pytest.approx(made.output_tok_s * (1 + 1.9 * 0.05), rel=1e-3)
    assert made.tpot_s == pytest.approx(law.step_s(0, 1, 0))
    assert made.callers == 2
    assert "measured on 1x L40S, 2026-11-21" in made.basis


def test_more_callers_put_out_more_until_the_slots_are_full() -> None:
    speeds = [
        steady_output(OWN, Shape(input_tokens=200, output_tokens=100, concurrency=callers)).output_tok_s for callers in (1, 8, 64)
    ]
    assert speeds == sorted(speeds)
    full = steady_output(OWN, Shape(input_tokens=200, output_tokens=100))
    assert full.output_tok_s == pytest.approx(speeds[-1], rel=0.1)
    cached = steady_output(OWN, Shape(input_tokens=200, output_tokens=100, reused=0.9))
    assert cached.output_tok_s > full.output_tok_s


def test_what_cannot_be_predicted_is_refused() -> None:
    unbound = msgspec.structs.replace(OWN, law=msgspec.structs.replace(LAW, slots=None))
    with pytest.raises(BadSettings, match="give --concurrency"):
        steady_output(unbound, Shape(input_tokens=10, output_tokens=10))
    assert steady_output(unbound, Shape(input_tokens=10, output_tokens=10, concurrency=3)).callers == 3
    assert msgspec.structs.replace(unbound, concurrency=7).engine.max_sequences == 7
    small = msgspec.structs.replace(OWN, context_tokens=1000)
    with pytest.raises(BadSettings, match=r"isl \+ osl is 1,100 tokens; own takes 1,000"):
        steady_output(small, Shape(input_tokens=1000, output_tokens=100))


@needs_numba
def test_a_target_is_sized_by_its_own_law_at_its_own_price() -> None:
    made = size(ASKED, GROUND)
    (one,) = made.configurations
    assert made.cheapest == one
    assert (one.gpu, one.layout, one.basis) == ("L40S", "as measured", OWN.words)
    assert one.trial.keeps(PROMISE)
    assert one.nanousd_month == one.trial.replicas * 730 * L40S.price_nanousd_h
    assert made.cautious_replicas is not None
    assert made.cautious_replicas >= one.trial.replicas
    wild = msgspec.structs.replace(OWN, missed=Errors(20.0, 20.0, 20.0))
    assert size(ASKED, Ground(FACTS, FITTED, ARRIVALS, wild)).cautious_replicas is None
    three = msgspec.structs.replace(ASKED, hire=Hire(zones=3))
    assert size(three, GROUND).configurations[0].prices[0].machines > one.trial.replicas


@needs_numba
def test_a_target_without_a_price_is_sized_all_the_same() -> None:
    made = size(ASKED, Ground(FACTS, FITTED, ARRIVALS, msgspec.structs.replace(OWN, hardware=None)))
    assert made.cheapest is not None
    assert made.cheapest.nanousd_month is None
    assert made.cheapest.gpu == "own"
    (case,) = what_if(made, changes("traffic=x4"), Ground(FACTS, FITTED, ARRIVALS, made.measured))
    assert case.cheapest is not None
    assert case.cheapest.trial.replicas > made.cheapest.trial.replicas
    assert case.more_nanousd_month is None


@needs_numba
def test_what_ifs_change_the_traffic_and_not_what_was_measured() -> None:
    made = size(ASKED, GROUND)
    (case,) = what_if(made, changes("prompts=x2"), GROUND)
    assert case.more_nanousd_month is not None
    assert case.more_nanousd_month >= 0
    for change in ("fp8", "gpu=H200", "engine=sglang"):
        with pytest.raises(BadSettings, match="own was measured as it is"):
            what_if(made, changes(change), GROUND)


def test_what_the_measurement_does_not_know_is_said() -> None:
    prefixes = {"prefix_counts": np.ones(len(ARRIVALS), np.int64), "prefix_ids": np.arange(len(ARRIVALS))}
    prefixed = Arrivals(ARRIVALS.at_s, ARRIVALS.input_tokens, ARRIVALS.output_tokens, **prefixes)
    unbound = msgspec.structs.replace(OWN, law=msgspec.structs.replace(LAW, slots=None), context_tokens=500)
    doubts = unknown_to(unbound, prefixed)
    assert [doubt.split(" ")[-1] for doubt in doubts] == ["tokens", "concurrency", "whole"]
    assert unknown_to(OWN, ARRIVALS) == []


@needs_numba
def test_the_plan_takes_the_measured_pace_of_the_same_machine_only() -> None:
    how, seen = Simulating(FITTED, measured=(OWN,)), traffic()
    there = Deployment(model=FACTS.model("Llama-3.1-8B"), precision="fp8", gpu=FACTS.gpu("L40S"))
    made = paced(there, seen, how, estimate_rates(there, seen))
    assert made.source == made.rates.source == "measured"
    assert made.words.startswith("simulated by the law of own, measured on 1x L40S, 2026-11-21")
    assert made.rates.batch == 64
    assert made.interval == pytest.approx((1 / 1.095, 1.095), rel=1e-3)
    for gpu, count in (("L4", 1), ("L40S", 2)):
        elsewhere = Deployment(model=FACTS.model("Llama-3.1-8B"), precision="fp8", gpu=FACTS.gpu(gpu), gpu_count=count)
        assert "measured" not in paced(elsewhere, seen, how, estimate_rates(elsewhere, seen)).words
    with pytest.raises(BadSettings, match="one sequence alone takes longer than 5 ms"):
        paced(there, seen, Simulating(FITTED, tpot_s=0.005, measured=(OWN,)), estimate_rates(there, seen))


@needs_numba
def test_the_plan_says_on_whose_word() -> None:
    quotes = Quotes(FACTS, PriceBook(), dt.date(2026, 11, 21), simulating=Simulating(FITTED, measured=(OWN,)))
    candidate = quotes.workload("busy", traffic(), Choice(), PlanTerms()).candidates[0]
    (said,) = [row for row in candidate.assumptions if row.name == "capacity of a replica"]
    assert (said.value, said.source) == ("simulated", "measured")
    assert candidate.ranges["decode_speed"].source == "measured"
    assert candidate.ranges["decode_speed"].origin == "80 % interval from the loads that the target's calibration had not seen"
