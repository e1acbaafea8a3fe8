"""Sizing: the fewest replicas against trying every number, the next step, prices, what-ifs and the pictures."""

from importlib.util import find_spec
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from freehold.catalog.efficiency import load_efficiency
from freehold.catalog.facts import load_facts
from freehold.core.errors import BadSettings
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.sizing.fewest import Promise, faster, fewest, least_times, next_step, try_out
from freehold.plan.capacity.sizing.prices import Hire, machines_for, prices
from freehold.plan.capacity.sizing.promises import TIMES, by_promise
from freehold.plan.capacity.sizing.served import Served, served, unknown_to
from freehold.plan.capacity.sizing.size import Asked, Ground, Sizing, size
from freehold.plan.capacity.sizing.whatif import changes, longer, what_if
from freehold.plan.report.sizing_picture import front, sizing_picture

FACTS, FITTED = load_facts(), load_efficiency()
PROMISE = Promise(ttft_s=0.8, tpot_s=0.04)
MODEL = "Llama-3.1-8B"
needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="the extra simulate is not installed")


def some(count: int, rate_rps: float, seed: int = 1) -> Arrivals:
    random = np.random.default_rng(seed)
    return Arrivals(
        at_s=np.cumsum(random.exponential(1 / rate_rps, count)),
        input_tokens=random.integers(100, 2500, count),
        output_tokens=random.integers(20, 400, count),
    )


ARRIVALS = some(600, 20.0)
GROUND = Ground(FACTS, FITTED, ARRIVALS)


def one_way(gpu: str = "L40S", precision: str = "fp8") -> Served:
    return next(served(FACTS.model(MODEL), FACTS.gpu(gpu), (precision, "vllm"), FITTED, ARRIVALS))


@pytest.fixture(scope="module")
def sized() -> Sizing:
    return size(Asked(model=MODEL, promise=PROMISE, gpus=("L40S", "H100")), GROUND)


@needs_numba
@pytest.mark.parametrize("gpu", ["L40S", "L4"])
def test_the_fewest_replicas_are_those_that_trying_every_number_finds(gpu: str) -> None:
    engine = one_way(gpu).engine
    found = fewest(engine, ARRIVALS, PROMISE, 64)
    plain = next((n for n in range(1, 40) if try_out(engine, n, ARRIVALS, PROMISE).keeps(PROMISE)), None)
    assert (found.replicas if found else None) == plain


@needs_numba
def test_more_than_allowed_is_no_answer_and_a_promise_nobody_keeps_is_not_simulated() -> None:
    engine = one_way("L4").engine
    assert fewest(engine, ARRIVALS, PROMISE, 1) is None
    assert fewest(engine, ARRIVALS, Promise(ttft_s=1e-5, tpot_s=1.0), 4000) is None
    ttft_s, tpot_s = least_times(engine, ARRIVALS, 0.95)
    alone = try_out(engine, 64, faster(ARRIVALS, 0.01), PROMISE)
    assert alone.ttft_s >= ttft_s > 0
    assert alone.tpot_s >= tpot_s > 0


@needs_numba
def test_the_next_step_is_where_the_replicas_give_way() -> None:
    engine = one_way().engine
    found = fewest(engine, ARRIVALS, PROMISE, 64)
    assert found is not None
    step = next_step(engine, ARRIVALS, PROMISE, found.replicas)
    assert step > 1
    assert try_out(engine, found.replicas, faster(ARRIVALS, step), PROMISE).keeps(PROMISE)
    assert not try_out(engine, found.replicas, faster(ARRIVALS, 1.25 * step), PROMISE).keeps(PROMISE)


def test_layouts_have_room_or_are_not_there() -> None:
    big, card = FACTS.model("Llama-3.3-70B"), FACTS.gpu("L40S")
    assert {way.gpus for way in served(big, card, ("fp8", "vllm"), FITTED, ARRIVALS)} == {2}
    assert not list(served(big, card, ("bf16", "vllm"), FITTED, ARRIVALS))
    assert not list(served(FACTS.model(MODEL), FACTS.gpu("A100-80GB-SXM"), ("fp8", "vllm"), FITTED, ARRIVALS))
    assert unknown_to(FACTS.model(MODEL), longer(ARRIVALS, 100.0))
    assert not unknown_to(FACTS.model(MODEL), ARRIVALS)


def test_prices_hold_every_replica_at_every_seller() -> None:
    hire = Hire()
    machines = machines_for(FACTS, "H100-SXM", 2, hire)
    five, six = (prices(machines, 2, replicas, hire) for replicas in (5, 6))
    assert [price.nanousd_month for price in five] == sorted(price.nanousd_month for price in five)
    assert len({price.provider for price in five}) == len(five) > 3
    assert five[0].nanousd_month <= six[0].nanousd_month
    assert "vast.ai" not in {price.provider for price in five}
    lost = prices(machines, 2, 5, Hire(zones=3))
    assert lost[0].nanousd_month > five[0].nanousd_month
    with pytest.raises(BadSettings, match="hire-plan"):
        Hire(plan="free")


@needs_numba
def test_the_cheapest_comes_first_and_keeps_the_promise(sized: Sizing) -> None:
    best = sized.cheapest
    assert best is not None
    assert best is sized.configurations[0]
    assert all(one.trial.keeps(PROMISE) for one in sized.configurations)
    assert all((best.nanousd_month or 0) <= (one.nanousd_month or 0) for one in sized.configurations)
    pairs = [(one.gpu, one.precision) for one in sized.configurations if one.next_step is not None]
    assert len(pairs) == len(set(pairs)) == len({(one.gpu, one.precision) for one in sized.configurations})
    assert best.utilisation is not None
    assert 0 < best.utilisation < 1


@needs_numba
def test_a_promise_nobody_keeps_has_no_answer() -> None:
    made = size(Asked(model=MODEL, promise=Promise(ttft_s=1e-4, tpot_s=1e-4), gpus=("L40S",)), GROUND)
    assert made.cheapest is None
    assert made.without == ("L40S",)
    with pytest.raises(BadSettings, match="no base to change"):
        what_if(made, changes("fp8"), GROUND)


@needs_numba
def test_what_ifs_move_the_way_they_must(sized: Sizing) -> None:
    told: list[str] = []
    asked = changes("traffic=x3,prompts=x2,zones=-1,gpu=H200,engine=sglang,fp8,traffic=x0.1")
    found = what_if(sized, asked, GROUND, told.append)
    assert told == [case.change for case in found] == [change.text for change in asked]
    more = {case.change: case.more_nanousd_month for case in found}
    assert all((more[name] or 0) > 0 for name in ("traffic=x3", "prompts=x2", "zones=-1"))
    assert (more["traffic=x0.1"] or 0) <= 0
    assert all(case.cheapest and case.cheapest.gpu == "H200-SXM" for case in found if case.change == "gpu=H200")


@pytest.mark.parametrize("text", ["fp9", "gpu", "speed=2", ""])
def test_changes_that_cannot_be(text: str) -> None:
    with pytest.raises(BadSettings, match="is no change; write"):
        changes(text)


@needs_numba
@pytest.mark.parametrize("text", ["traffic=xfast", "traffic=x0", "prompts=xnan", "zones=-2", "gpu=H999", "engine=none"])
def test_values_of_changes_that_cannot_be(sized: Sizing, text: str) -> None:
    with pytest.raises(BadSettings):
        what_if(sized, changes(text), GROUND)


@pytest.mark.parametrize("wrong", [{"replicas_max": 0}, {"replicas_max": 5000}, {"precisions": ()}])
def test_questions_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(BadSettings):
        Asked(**{"model": MODEL, "promise": PROMISE, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"ttft_s": 0.0}, {"tpot_s": float("nan")}, {"level": 1.0}])
def test_promises_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(BadSettings):
        Promise(**{"ttft_s": 1.0, "tpot_s": 1.0, **wrong})


def test_one_request_is_no_rate() -> None:
    with pytest.raises(BadSettings, match="fewer than two"):
        Ground(FACTS, FITTED, some(1, 1.0))


@needs_numba
def test_a_looser_promise_costs_no_more_and_the_pictures_are_svg(sized: Sizing) -> None:
    promised = by_promise(sized, GROUND)
    assert [one.times for one in promised] == list(TIMES)
    known = [one.nanousd_month for one in promised if one.nanousd_month is not None]
    assert known == sorted(known, reverse=True)
    page = sizing_picture(sized, promised)
    assert ET.fromstring(page).tag.endswith("svg")
    best = front(sized.configurations)
    assert best[0] is sized.cheapest
    times = [one.trial.tpot_s for one in best]
    assert times == sorted(times, reverse=True)
