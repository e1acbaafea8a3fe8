"""The plan's pace from the simulation, and the demo's lab engine: simulated, planned, and as it was really replayed."""

import dataclasses
import json
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.app.cli.demo.run import _MIX
from freehold.app.cli.demo.world import SLOTS
from freehold.catalog.efficiency import load_efficiency
from freehold.catalog.facts import load_facts
from freehold.core.errors import BadSettings
from freehold.lab.engine import EngineSettings
from freehold.lab.mix import parse_mix
from freehold.lab.simulated import lab_arrivals, lab_engine, lab_seconds
from freehold.lab.traces import open_trace, window
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.fleet import Fleet
from freehold.plan.capacity.simulator.law import Floats
from freehold.plan.capacity.simulator.simulate import simulate
from freehold.plan.capacity.simulator.world import SPILLED
from freehold.plan.capacity.sizing.pace import (
    arrivals_of_traffic,
    highest_use,
    load_of_arrivals,
    most_at_once,
    simulated_pace,
    spilled_share,
)
from freehold.plan.capacity.sizing.served import served
from freehold.plan.demand.traffic import Traffic

pytestmark = pytest.mark.skipif(find_spec("numba") is None, reason="the extra simulate is not installed")

RECORDED = json.loads((Path(__file__).parent / "recorded" / "demo_replay.json").read_text(encoding="utf-8"))["replays"]
# As the demo starts it.
SETTINGS = EngineSettings(slots=SLOTS, ttft_ms=250, tokens_per_s=45)
FLEET = Fleet(concurrency=SLOTS, rented=True, spill=True)


def demo_requests(minutes: float) -> tuple[Arrivals, Floats]:
    """What the demo sends to its lab engine, and the replica-seconds of each."""
    mix = parse_mix(_MIX)
    with resources.as_file(resources.files("freehold.lab").joinpath("data/azure_llm_2023_conv.csv.gz")) as path:
        rows = list(enumerate(window(open_trace(path), 0.0, minutes * 60)))
    mine = [(row, mix.share_of(index).workload) for index, row in rows]
    mine = [(row, name) for row, name in mine if name in {"assistant", "contracts"}]
    requests = [row for row, _ in mine]
    stays = [name == "contracts" for _, name in mine]
    return lab_arrivals(requests, SETTINGS, stays), lab_seconds(requests, SETTINGS) / SLOTS


@pytest.mark.parametrize("replay", RECORDED, ids=lambda replay: f"{replay['minutes']} minutes")
def test_the_demo_s_real_replay_and_the_simulation_spill_the_same_share(replay: dict[str, Any]) -> None:
    arrivals, _ = demo_requests(replay["minutes"])
    status = simulate(lab_engine(SETTINGS), FLEET, arrivals).requests.status
    reached = replay["spilled"] + replay["assistant"]["assistant-owned"] + replay["contracts"]["assistant-owned"]
    assert abs(float((status == SPILLED).mean()) - replay["spilled"] / reached) < 0.02


def test_the_plan_s_spill_agrees_on_ten_minutes_with_the_use_of_the_first_five() -> None:
    seen, work = demo_requests(5)
    span = float(seen.at_s[-1] - seen.at_s[0])
    use = highest_use(load_of_arrivals(seen, work, span), 1, spilled_share(lab_engine(SETTINGS), FLEET, seen, work))
    arrivals, work = demo_requests(10)
    load = load_of_arrivals(arrivals, work, float(arrivals.at_s[-1] - arrivals.at_s[0]))
    planned = float(load.spilled_s(np.array([use * load.window_s]))[0] / load.total_s)
    replayed = RECORDED[1]["spilled"] / (RECORDED[1]["spilled"] + sum(RECORDED[1][w]["assistant-owned"] for w in
                                         ("assistant", "contracts")))  # fmt: skip
    assert 0.5 < use < 1
    assert abs(planned - replayed) < 0.02


def traffic(count: int, rate_rps: float) -> Traffic:
    random = np.random.default_rng(3)
    at = np.cumsum(random.exponential(1 / rate_rps, count))
    return Traffic(
        time_s=at - at[0],
        input_tokens=random.integers(200, 2000, count),
        cache_read=np.zeros(count, np.int64),
        output_tokens=random.integers(50, 400, count),
        sensitive=random.random(count) < 0.2,
        span_s=float(at[-1] - at[0]),
    )


def test_a_pace_from_the_simulation() -> None:
    facts, busy = load_facts(), traffic(1500, 30.0)
    arrivals = arrivals_of_traffic(busy)
    engine = next(served(facts.model("Llama-3.1-8B"), facts.gpu("L40S"), ("fp8", "vllm"), load_efficiency(), arrivals)).engine
    made = simulated_pace(engine, busy, 0.05)
    assert made.rates.prefill_tok_s > made.rates.decode_tok_s > 500
    assert made.concurrency == most_at_once(engine, arrivals, 0.05) == made.rates.batch
    assert most_at_once(engine, arrivals, 0.03) < made.concurrency < most_at_once(engine, arrivals, 0.1)
    assert made.highest_use is not None
    assert 0 < made.highest_use <= 1
    long = dataclasses.replace(busy, input_tokens=np.where(np.arange(1500) == 7, 10_000_000, busy.input_tokens))
    assert simulated_pace(engine, long, 0.05).rates.decode_tok_s == pytest.approx(made.rates.decode_tok_s, rel=0.02)
    with pytest.raises(BadSettings, match="no request fits"):
        simulated_pace(engine, dataclasses.replace(busy, input_tokens=np.full(1500, 10_000_000)), 0.05)
    at_once = dataclasses.replace(busy, time_s=np.zeros(1500))
    assert simulated_pace(engine, at_once, 0.05).highest_use is None
    quiet = simulated_pace(engine, traffic(300, 0.2), 0.05)
    assert quiet.highest_use is None
    with pytest.raises(BadSettings, match=r"longer than 0\.1 ms"):
        simulated_pace(engine, busy, 1e-4)


def test_the_highest_use_is_that_of_the_share_it_is_given() -> None:
    arrivals, work = demo_requests(5)
    load = load_of_arrivals(arrivals, work, float(arrivals.at_s[-1] - arrivals.at_s[0]))
    for use in (0.4, 0.7, 0.9):
        share = float(load.spilled_s(np.array([2 * use * load.window_s]))[0] / load.total_s)
        assert highest_use(load, 2, share) == pytest.approx(use, abs=0.001) or share == 0
