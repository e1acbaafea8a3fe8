"""Machine hours and whose cost they were: paid once, divided by slot-seconds, and never a nano-dollar more or less."""

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.machine import MachineSpan, OwnedMachine
from freehold.rules.allocation import HOUR_S, MICRO, HourUse, OwnedShare, allocate, machine_hours, part_of

BOX = OwnedMachine(
    target="box", model="m", price_nanousd_h=3_600_000_000_000, slots=4, gpu="L40S", gpu_count=1, provider="aws",
    hire_plan="on_demand", price_source="tests", price_date="2026-11-01", lab=False,
)  # fmt: skip
FIVE_HOURS = st.integers(0, 5 * HOUR_S * MICRO)


def machine(**fields: Any) -> OwnedMachine:
    return OwnedMachine(**{name: getattr(BOX, name) for name in BOX.__struct_fields__} | fields)


def span(began_s: float, until_s: float, **fields: Any) -> MachineSpan:
    return MachineSpan(machine=machine(**fields), began_at=began_s, seen_until=until_s)


def use(hour: int, busy_us: int, workload: str = "w", **fields: Any) -> HourUse:
    usual: dict[str, Any] = {
        "hour": hour, "target": "box", "model": "m", "workload": workload, "key": "k", "requests": 1, "input_tokens": 10,
        "output_tokens": 5, "busy_us": busy_us,
    }  # fmt: skip
    return HourUse(**usual | fields)


spans_of_two = st.lists(
    st.builds(
        lambda edges, price, target, slots: span(
            min(edges) / MICRO, max(edges) / MICRO, price_nanousd_h=price, target=target, slots=slots
        ),
        st.tuples(FIVE_HOURS, FIVE_HOURS), st.integers(0, 10**14), st.sampled_from(["box", "other"]),
        st.none() | st.integers(1, 64),
    ),
    max_size=8,
)  # fmt: skip
uses_of_two = st.lists(
    st.builds(
        lambda n, us, target, workload, key: use(n * HOUR_S, us, workload, target=target, key=key),
        st.integers(0, 5), st.integers(0, 10**11), st.sampled_from(["box", "other"]), st.sampled_from("abc"),
        st.sampled_from("xy"),
    ),
    max_size=30,
    unique_by=lambda u: (u.hour, u.target, u.workload, u.key),
)  # fmt: skip


@given(spans_of_two, uses_of_two)
def test_the_shares_of_an_hour_are_its_cost(spans: list[MachineSpan], uses: list[HourUse]) -> None:
    hours = machine_hours(spans)
    shares = allocate(hours, uses)
    sums: Counter[tuple[int, str]] = Counter()
    for share in shares:
        assert share.cost_nanousd >= 0
        sums[share.hour, share.target] += share.cost_nanousd
    assert sums == {(h.hour, h.machine.target): h.cost_nanousd for h in hours}
    used = {(u.hour, u.target) for u in uses if u.busy_us}
    for share in shares:
        if share.workload is None:
            assert (share.hour, share.target) not in used, "only an hour that nobody used is idle"


@given(spans_of_two, uses_of_two)
def test_each_share_is_its_slot_seconds_of_the_hour(spans: list[MachineSpan], uses: list[HourUse]) -> None:
    hours = {(h.hour, h.machine.target): h for h in machine_hours(spans)}
    busy: Counter[tuple[int, str]] = Counter()
    for one in uses:
        busy[one.hour, one.target] += one.busy_us
    mine = {(u.hour, u.target, u.workload, u.key): u for u in uses}
    for share in allocate(hours.values(), uses):
        if share.workload is not None and share.key is not None:
            where, one = (share.hour, share.target), mine[share.hour, share.target, share.workload, share.key]
            exact = Fraction(hours[where].cost_nanousd * one.busy_us, busy[where]) if busy[where] else Fraction(0)
            assert abs(share.cost_nanousd - exact) < 1
            assert (share.requests, share.busy_slot_s) == (1, one.busy_us / MICRO)


@given(spans_of_two)
def test_a_machine_is_paid_for_the_time_it_stood_there_and_once(spans: list[MachineSpan]) -> None:
    """Against a clock that ticks through every edge and looks at all spans."""
    for target in ("box", "other"):
        mine = [s for s in spans if s.machine.target == target]
        edges = sorted({round(t * MICRO) for s in mine for t in (s.began_at, s.seen_until)})
        up, cost = 0, Fraction(0)
        for start, end in pairwise(edges):
            here = [s.machine.price_nanousd_h for s in mine if s.began_at * MICRO <= start + 0.5 < s.seen_until * MICRO]
            if here:
                up += end - start
                cost += Fraction(max(here) * (end - start), HOUR_S * MICRO)
        hours = [h for h in machine_hours(spans) if h.machine.target == target]
        assert sum(h.up_us for h in hours) == up
        assert all(0 < h.up_us <= HOUR_S * MICRO for h in hours)
        assert abs(sum(h.cost_nanousd for h in hours) - cost) <= Fraction(len(hours), 2)


@given(st.integers(0, 10**15), st.lists(st.integers(0, 10**12), min_size=1, max_size=40).filter(any))
def test_parts_add_up(amount: int, weights: list[int]) -> None:
    total, before, parts = sum(weights), 0, []
    for weight in weights:
        parts.append(part_of(amount, before, weight, total))
        before += weight
    assert sum(parts) == amount
    assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if weight == 0)


def test_the_worked_example() -> None:
    """As docs/explain/ledger.md tells it: an L40S at $1.86 an hour, three hours from noon, the third of them half over."""
    noon = 1_795_003_200
    dollars = 1_000_000_000
    hours = machine_hours([span(noon, noon + 2.5 * HOUR_S, price_nanousd_h=1_860_000_000)])
    uses = [
        use(noon, 1200 * MICRO, "support"), use(noon, 600 * MICRO, "search"), use(noon + 2 * HOUR_S, 90 * MICRO, "search"),
    ]  # fmt: skip
    told = [(s.hour, s.workload, s.cost_nanousd) for s in allocate(hours, uses)]
    assert told == [
        (noon, "search", 62 * dollars // 100),
        (noon, "support", 124 * dollars // 100),
        (noon + HOUR_S, None, 186 * dollars // 100),
        (noon + 2 * HOUR_S, "search", 93 * dollars // 100),
    ]


def test_a_new_price_holds_from_its_reload_on() -> None:
    (hour,) = machine_hours([span(0, 1800, price_nanousd_h=2_000), span(1800, 3600, price_nanousd_h=4_000, slots=8)])
    assert (hour.cost_nanousd, hour.up_us, hour.slot_us) == (3_000, HOUR_S * MICRO, (4 + 8) * 1800 * MICRO)
    assert hour.machine.price_nanousd_h == 4_000, "as it was last"


def test_slots_that_nobody_declared_are_not_made_up() -> None:
    (hour,) = machine_hours([span(0, 1800), span(1800, 3600, slots=None)])
    assert hour.slot_us is None


@pytest.mark.parametrize("uses", [[], [use(0, 0)]], ids=["nobody came", "attempts that took no time"])
def test_an_hour_nobody_used_is_idle_under_its_own_name(uses: list[HourUse]) -> None:
    *tried, idle = allocate(machine_hours([span(0, 3600, price_nanousd_h=7)]), uses)
    assert idle == OwnedShare(
        hour=0, target="box", model="m", workload=None, key=None, requests=0, input_tokens=0, output_tokens=0, busy_slot_s=0.0,
        cost_nanousd=7, lab=False,
    )  # fmt: skip
    assert [s.cost_nanousd for s in tried] == [0] * len(uses)


def test_use_without_a_machine_has_no_share() -> None:
    assert allocate([], [use(0, MICRO)]) == []
    assert machine_hours([span(5.0, 5.0)]) == [], "seen once, and not yet for any time"
