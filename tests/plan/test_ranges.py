import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.plan.demand.traffic import DAY_S, Traffic
from freehold.plan.inputs import INPUTS, Range
from freehold.plan.outlook.ranges import Grounds, default_ranges
from freehold.plan.owning.terms import PlanTerms

CATALOG = Grounds("catalog", "catalog", "default", experts=False)


def traffic(span_s: float = 3600.0, *, declared: bool = False) -> Traffic:
    ones = np.ones(2, dtype=np.int64)
    return Traffic(
        time_s=np.array([0.0, span_s / 2]), input_tokens=ones, cache_read=0 * ones, output_tokens=ones,
        sensitive=np.zeros(2, dtype=np.bool_), span_s=span_s, declared=declared,
    )  # fmt: skip


def test_every_input_has_a_range_around_its_point_and_a_row_with_its_ground() -> None:
    ranges = default_ranges(traffic(), PlanTerms(), CATALOG)
    assert tuple(ranges) == INPUTS
    for given_range in ranges.values():
        assert given_range.low <= given_range.point <= given_range.high
        row = given_range.assumption()
        assert row.origin
        assert row.range.count(" to ") == 1


def test_the_less_was_seen_the_wider_the_volume() -> None:
    spans = (3600.0, 2 * DAY_S, 15 * DAY_S)
    widths = [r.high / r.low for r in (default_ranges(traffic(s), PlanTerms(), CATALOG)["volume"] for s in spans)]
    assert widths[0] > widths[1] > widths[2]


def test_a_measured_speed_and_a_stated_price_are_surer_than_the_defaults() -> None:
    loose = default_ranges(traffic(), PlanTerms(), CATALOG)
    sure = default_ranges(traffic(), PlanTerms(), Grounds("user", "user", "user", experts=False))
    for name in ("api_price", "gpu_price", "prefill_speed", "decode_speed"):
        assert sure[name].high / sure[name].low < loose[name].high / loose[name].low
    experts = default_ranges(traffic(), PlanTerms(), Grounds("catalog", "catalog", "default", experts=True))
    assert experts["decode_speed"].low < loose["decode_speed"].low


def test_unstated_people_may_be_a_few_and_stated_none_are_none() -> None:
    assert default_ranges(traffic(), PlanTerms(), CATALOG)["people_fte"].high > 0
    stated = PlanTerms(people_fte=0.0, chosen=frozenset({"people_fte"}))
    assert default_ranges(traffic(), stated, CATALOG)["people_fte"].high == 0


def test_sums_over_time_and_bought_metal_are_less_sure() -> None:
    loose = default_ranges(traffic(), PlanTerms(), CATALOG)
    bucketed = default_ranges(traffic(), PlanTerms(), CATALOG._replace(bucketed=True))
    assert bucketed["max_utilisation"].low < loose["max_utilisation"].low
    assert bucketed["max_utilisation"].high == loose["max_utilisation"].high
    stated, bought = (default_ranges(traffic(), PlanTerms(), CATALOG._replace(machine="user", bought=b)) for b in (False, True))
    assert bought["gpu_price"].high / bought["gpu_price"].low > stated["gpu_price"].high / stated["gpu_price"].low


def test_a_stated_range_wins() -> None:
    ranges = default_ranges(traffic(), PlanTerms(ranges=("gpu_price=0.9..1.05", "people_fte=0..2")), CATALOG)
    assert (ranges["gpu_price"].low, ranges["gpu_price"].high, ranges["gpu_price"].source) == (0.9, 1.05, "user")
    assert ranges["people_fte"].high == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gpu=1..2", "names no input; use one of api_price, hosted_price, gpu_price"),
        ("gpu_price=1", "has no two ends"),
        ("gpu_price=1.2..1.5", "leaves out its point 1"),
        ("gpu_price=2..1", "upside down"),
        ("gpu_price=nan..2", "upside down"),
        ("max_utilisation=0.5..1.5", "outside 0.01 to 1"),
        ("volume=-1..2", "outside 0.01"),
    ],
)
def test_a_range_that_is_none_gets_one_line(text: str, words: str) -> None:
    with pytest.raises(BadSettings, match=words) as caught:
        default_ranges(traffic(), PlanTerms(ranges=(text,)), CATALOG)
    assert "\n" not in caught.value.message


@given(st.floats(0.01, 1), st.floats(1, 10), st.floats(1, 5), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_wider_range_moves_every_draw_outwards(low: float, high: float, factor: float, at: list[float]) -> None:
    def values(widen: float) -> np.ndarray:
        ends = {"low": low / widen, "high": high * widen}
        return Range(name="volume", point=1.0, unit="", source="user", origin="", **ends).at(np.array(at))

    assert (np.abs(np.log(values(factor))) >= np.abs(np.log(values(1.0))) - 1e-9).all()
    assert (np.sign(np.log(values(factor))) * np.sign(np.log(values(1.0))) >= 0).all()
