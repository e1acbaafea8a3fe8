"""The demo's account of what leaves its lab engine, held against replays that were recorded."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from freehold.app.cli.demo.run import _MIX
from freehold.app.cli.demo.spill import spill
from freehold.core.trace import TracedRequest
from freehold.lab.mix import parse_mix
from freehold.lab.traces import open_trace, window

RECORDED = json.loads((Path(__file__).parents[1] / "plan" / "recorded" / "demo_replay.json").read_text(encoding="utf-8"))[
    "replays"
]
MIX = parse_mix(_MIX)


def rows(minutes: float) -> list[TracedRequest]:
    with resources.as_file(resources.files("freehold.lab").joinpath("data/azure_llm_2023_conv.csv.gz")) as path:
        return list(window(open_trace(path), 0.0, minutes * 60))


@pytest.mark.parametrize("replay", RECORDED, ids=lambda replay: f"{replay['minutes']} minutes")
def test_simulated_and_planned_shares_are_those_of_the_replay(replay: dict[str, Any]) -> None:
    by_workload = {name: replay[name] for name in ("assistant", "contracts")}
    made = spill(rows(replay["minutes"]), MIX, by_workload, replay["spilled"])
    assert made is not None
    assert made.planned is not None
    assert made.requests > 700
    assert abs(made.simulated - made.replayed) < 0.02
    assert abs(made.planned - made.replayed) < 0.02
    assert "--speed" not in made.words
    assert f"Of {made.requests:,} requests for the lab engine {made.replayed:.1%} left it" in made.words


def test_where_little_spills_the_plan_says_nothing_and_of_nothing_there_is_no_account() -> None:
    made = spill(rows(0.3), MIX, {"assistant": {"assistant-owned": 20}}, 0)
    assert made is not None
    assert (made.replayed, made.planned) == (0.0, None)
    assert made.words.endswith("%.")
    late = spill(rows(5), MIX, {"assistant": {"assistant-owned": 500}}, 300)
    assert late is not None
    assert late.words.endswith("try a lower --speed.")
    assert spill(rows(0.3), MIX, {}, 0) is None
    assert spill([], MIX, {"assistant": {"assistant-owned": 20}}, 0) is None
