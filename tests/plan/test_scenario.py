from pathlib import Path

import numpy as np
import pytest

from freehold.app.scenario import Scenario, expand, load_scenario
from freehold.core.errors import BadSettings

EXAMPLES = Path(__file__).parents[2] / "src" / "freehold" / "plan" / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_example_holds_its_declared_totals(path: Path) -> None:
    scenario = load_scenario(path)
    traffic = expand(scenario)
    assert path.stem == scenario.name
    assert traffic.tokens_per_day == pytest.approx(scenario.tokens_per_day, abs=1)
    assert traffic.summary().input_share == pytest.approx(scenario.input_share, abs=1e-6)
    assert traffic.summary().mean_output_tokens == pytest.approx(scenario.output_tokens_mean, rel=1e-3)
    assert traffic.summary().sensitive_share == pytest.approx(scenario.sensitive_share, abs=0.01)


def test_the_same_scenario_is_the_same_day_and_another_seed_another() -> None:
    one, two = (expand(Scenario(name="x", tokens_per_day=1e6, input_share=0.5, output_tokens_mean=100)) for _ in range(2))
    other = expand(Scenario(name="x", tokens_per_day=1e6, input_share=0.5, output_tokens_mean=100, seed=2))
    assert np.array_equal(one.time_s, two.time_s)
    assert np.array_equal(one.output_tokens, two.output_tokens)
    assert not np.array_equal(one.time_s, other.time_s)


def test_the_daily_wave_has_the_peak_it_was_asked_for() -> None:
    day = Scenario(name="x", tokens_per_day=3e8, input_share=0.5, output_tokens_mean=500, peak_to_mean=2.5, arrivals="even")
    assert expand(day).peak_to_mean(600.0) == pytest.approx(2.5, rel=0.01)


def test_a_daily_profile_is_followed_hour_by_hour() -> None:
    hours = (*[1.0] * 12, *[3.0] * 12)
    day = Scenario(name="x", tokens_per_day=2e7, input_share=0.5, output_tokens_mean=500, daily_profile=hours, arrivals="even")
    counts = np.bincount((expand(day).time_s // 3600).astype(int))
    assert counts[:12].mean() * 3 == pytest.approx(counts[12:].mean(), rel=0.01)


def test_length_spread_zero_makes_all_alike_and_one_spreads() -> None:
    alike = Scenario(name="x", tokens_per_day=1e6, input_share=0.7, output_tokens_mean=300, length_cv=0)
    assert set(expand(alike).output_tokens) == {300}
    spread = expand(Scenario(name="x", tokens_per_day=3e7, input_share=0.7, output_tokens_mean=300, length_cv=1.0)).output_tokens
    assert spread.std() / spread.mean() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tokens_per_day: -5", r"`float` > 0.*tokens_per_day"),
        ("input_share: 1.0", r"< 1.*input_share"),
        ("tokens_per_day: lots", r"tokens_per_day"),
        ("tokens_per_dya: 5", r"unknown field `tokens_per_dya`"),
        ("output_tokens_mean: .nan", r"."),
        ("tokens_per_day: 1.0e+14", r"in 1 day, outside 2 to 8,000,000"),
        ("tokens_per_day: 10", r"makes 0 requests in 1 day"),
        ("peak_to_mean: 2\ndaily_profile: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", r"not both"),
        ("daily_profile: [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]", r"all zero"),
        ("daily_profile: [1, 2]", r"daily_profile"),
        ("name: [", r"not YAML"),
    ],
)
def test_bad_scenarios_get_one_clear_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "day.yaml"
    fields = {"name": "x", "tokens_per_day": "1000000", "input_share": "0.5", "output_tokens_mean": "100"}
    fields.pop(text.partition(":")[0], None)
    path.write_text("\n".join([*(f"{k}: {v}" for k, v in fields.items()), text]), encoding="utf-8")
    with pytest.raises(BadSettings, match=words) as caught:
        expand(load_scenario(path))
    assert "\n" not in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"cannot read the scenario .*nowhere\.yaml"):
        load_scenario(tmp_path / "nowhere.yaml")
