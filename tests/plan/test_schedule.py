import itertools
import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.plan.demand.hours import MONDAY_S
from freehold.plan.optimum.elastic import Elastic, Hire, Windows
from freehold.plan.optimum.schedule import Schedule, follow_hours

WINDOW_S = 1800.0
USD = 10**9
FREE_TO_CHANGE = Elastic(start_delay_s=0.0, least_run_s=0.0, scale_to_zero=True)


def hire(usd_h: float = 1.0, **changed: Any) -> Hire:
    plain = Hire(price_nanousd_h=round(usd_h * USD), replicas_per_machine=1, max_utilisation=0.5, month_hours=720.0)
    return msgspec.structs.replace(plain, **changed)


def seen(work: list[float], sensitive: list[float] | None = None, usd_per_replica_s: float = 0.001) -> Windows:
    """Windows of half an hour, in replica-seconds of 900 each that one replica carries."""
    work_s, sensitive_s = np.array(work) * 900.0, np.array(sensitive or [0.0] * len(work)) * 900.0
    return Windows(MONDAY_S, WINDOW_S, work_s, sensitive_s, (work_s - sensitive_s) * usd_per_replica_s * USD)


def found(windows: Windows, hired: Hire, elastic: Elastic) -> Schedule:
    schedule = follow_hours(windows, hired, elastic).schedule
    assert schedule is not None
    return schedule


# A day and a bit: some hours are seen once, some twice.
works = st.lists(st.integers(0, 12).map(lambda eighths: eighths / 4), min_size=48, max_size=60).filter(any)
shares = st.sampled_from([0.0, 0.0, 0.3, 1.0])
hires = st.builds(
    hire,
    st.sampled_from([0.3, 1.0, 1.8, 3.0]),
    replicas_per_machine=st.sampled_from([1, 1, 2]),
    fixed_nanousd_month=st.sampled_from([0, 200 * USD]),
    committed_machines=st.sampled_from([0, 0, 1]),
    committed_price_nanousd_h=st.sampled_from([None, USD // 2]),
)
rules = st.builds(
    Elastic,
    start_delay_s=st.sampled_from([0.0, 600.0, 5400.0, 9000.0]),
    least_run_s=st.sampled_from([0.0, 3600.0]),
    min_replicas=st.sampled_from([0, 0, 2]),
    max_replicas=st.sampled_from([None, None, 3, 4]),
    scale_to_zero=st.booleans(),
)


class Naive:
    """The rules once more, window by window, for any machines by the hour."""

    def __init__(self, windows: Windows, hired: Hire, elastic: Elastic) -> None:
        self.windows, self.hired, self.elastic = windows, hired, elastic
        self.of_hour = [[i for i in range(len(windows.work_s)) if int(i * WINDOW_S // 3600) % 24 == h] for h in range(24)]
        self.month_h = [hired.month_hours * len(group) / len(windows.work_s) for group in self.of_hour]
        most = math.ceil(windows.work_s.max() / 900 - 1e-9)
        self.held = [math.ceil(max(windows.sensitive_s[i] for i in group) / 900 - 1e-9) for group in self.of_hour]
        self.top = max(1, most, elastic.min_replicas, hired.committed_machines * hired.replicas_per_machine)

    def replicas(self, machines: int) -> int:
        return min(machines * self.hired.replicas_per_machine, self.elastic.max_replicas or 10**9)

    def choices(self, hour: int, none_at_all: bool) -> list[int]:
        """Allowed machines in an hour; `none_at_all`: where nothing is owned in any hour."""
        if none_at_all:
            return [0] if not self.hired.committed_machines and max(self.held) == 0 else []
        least = max(1, -(-self.elastic.min_replicas // self.hired.replicas_per_machine), self.hired.committed_machines)
        highest = -(-min(self.top, self.elastic.max_replicas or 10**9) // self.hired.replicas_per_machine)
        running = [m for m in range(least, highest + 1) if self.replicas(m) >= self.held[hour]]
        zero = self.elastic.scale_to_zero and not self.hired.committed_machines and self.held[hour] == 0
        return [0, *running] if zero else running

    def running_nanousd(self, hour: int, machines: int) -> float:
        bill = 0.0
        for i in self.of_hour[hour]:
            room, sensitive = self.replicas(machines) * 900.0, self.windows.sensitive_s[i]
            rest = self.windows.work_s[i] - sensitive
            left = rest - min(rest, max(0.0, room - sensitive))
            bill += self.windows.cost_nanousd[i] * left / rest if rest else 0.0
        paid = self.hired.price_nanousd_h * (machines - self.hired.committed_machines) * self.month_h[hour] if machines else 0.0
        return paid + bill * self.hired.month_hours * 3600 / self.windows.span_s

    def starting_nanousd(self, hour: int) -> float:
        delay, paid, back = self.elastic.start_delay_s, 0.0, 1
        while delay > 0:
            paid += min(delay, 3600.0) / 3600 * self.month_h[(hour - back) % 24]
            delay, back = delay - 3600.0, back + 1
        return paid * self.hired.price_nanousd_h

    def total_nanousd(self, machines: list[int]) -> float:
        if not any(machines):
            return self.running_nanousd_all(machines)
        starts = sum(max(0, machines[h] - machines[h - 1]) * self.starting_nanousd(h) for h in range(24))
        price = self.hired.committed_price_nanousd_h
        committed = (
            self.hired.committed_machines * self.hired.month_hours * (self.hired.price_nanousd_h if price is None else price)
        )
        return self.running_nanousd_all(machines) + starts + committed + self.hired.fixed_nanousd_month

    def running_nanousd_all(self, machines: list[int]) -> float:
        return sum(self.running_nanousd(hour, count) for hour, count in enumerate(machines))

    def constants(self) -> list[list[int]]:
        owning = set.intersection(*(set(self.choices(h, False)) for h in range(24))) - {0}
        return [[m] * 24 for m in [*self.choices(0, True), *owning]]

    def cheapest_nanousd(self) -> float:
        """The shortest path over counts of machines around the day, every count against every other."""
        per_hour = [self.choices(h, False) for h in range(24)]
        cost = [{m: self.running_nanousd(h, m) for m in per_hour[h]} for h in range(24)]
        start = [self.starting_nanousd(h) for h in range(24)]
        totals = [self.total_nanousd(machines) for machines in self.constants()]
        for first in per_hour[0]:
            reached = {first: cost[0][first]}
            for h in range(1, 24):
                reached = {
                    m: cost[h][m] + min(before + max(0, m - one) * start[h] for one, before in reached.items())
                    for m in per_hour[h]
                }
            closed = min(before + max(0, first - one) * start[0] for one, before in reached.items())
            extra = self.total_nanousd([self.top] * 24) - self.running_nanousd_all([self.top] * 24)
            totals.append(closed + extra)
        return min(totals)


@settings(max_examples=2 * settings().max_examples, deadline=None)
@given(works, shares, hires, rules, st.sampled_from([1e-4, 1e-3, 3e-3]))
def test_it_is_the_shortest_path_over_all_counts_and_never_above_a_constant(
    work: list[float], share: float, hired: Hire, elastic: Elastic, usd_per_s: float
) -> None:
    windows = seen(work, [w * share for w in work], usd_per_s)
    naive = Naive(windows, hired, elastic)
    if elastic.max_replicas is not None and max(naive.held) > elastic.max_replicas:
        assert "more than max_replicas" in follow_hours(windows, hired, elastic).reason
        return
    schedule = found(windows, hired, elastic)
    assert schedule.total_nanousd_month == schedule.fixed_nanousd_month + schedule.rented_nanousd_month
    assert schedule.total_nanousd_month == pytest.approx(naive.cheapest_nanousd(), rel=1e-9, abs=3)
    machines = [-(-k // hired.replicas_per_machine) for k in schedule.replicas]
    assert schedule.total_nanousd_month == pytest.approx(naive.total_nanousd(machines), rel=1e-9, abs=3)
    best_constant = min(naive.total_nanousd(constant) for constant in naive.constants())
    assert schedule.total_nanousd_month + schedule.saved_nanousd_month == pytest.approx(best_constant, rel=1e-9, abs=3)
    assert schedule.saved_nanousd_month >= 0
    assert all(k >= need for k, need in zip(schedule.replicas, naive.held, strict=True))
    assert all(k <= (elastic.max_replicas or math.inf) for k in schedule.replicas)


@settings(max_examples=25, deadline=None)
@given(works, st.sampled_from([0.3, 1.0, 1.8]), st.sampled_from([6, 7, 12]), st.sampled_from([0.0, 1800.0, 7200.0]))
def test_with_a_least_run_it_is_the_best_of_all_schedules_that_change_that_seldom(
    work: list[float], usd_h: float, hours: int, delay_s: float
) -> None:
    elastic = msgspec.structs.replace(FREE_TO_CHANGE, start_delay_s=delay_s, least_run_s=hours * 3600.0 + delay_s)
    naive = Naive(windows := seen(work), hired := hire(usd_h), elastic)
    cost = [[naive.running_nanousd(h, m) for m in range(4)] for h in range(24)]
    start = [naive.starting_nanousd(h) for h in range(24)]

    def total(raster: int, first: int, blocks: tuple[int, ...]) -> float:
        counts = [blocks[(h - first) % 24 // raster] for h in range(24)]
        return sum(cost[h][counts[h]] + max(0, counts[h] - counts[h - 1]) * start[h] for h in range(24))

    every = (
        total(raster, first, blocks)
        for raster in (r for r in (6, 8, 12) if r >= hours)
        for first in range(raster)
        for blocks in itertools.product(range(math.ceil(max(work)) + 1), repeat=24 // raster)
    )
    schedule = found(windows, hired, elastic)
    assert schedule.total_nanousd_month == pytest.approx(min(every), rel=1e-9, abs=3)
    changes = [h for h in range(24) if schedule.replicas[h] != schedule.replicas[h - 1]]
    assert all((later - h) % 24 >= hours for h, later in itertools.permutations(changes, 2))


@settings(deadline=None)
@given(works, hires, rules, st.tuples(st.floats(0, 12), st.floats(0, 12)), st.booleans())
def test_dearer_starts_and_longer_runs_never_lower_the_total(
    work: list[float], hired: Hire, elastic: Elastic, hours: tuple[float, float], delay: bool
) -> None:
    windows = seen(work, [w * 0.3 for w in work])
    name, elastic = (
        "start_delay_s" if delay else "least_run_s",
        msgspec.structs.replace(elastic, max_replicas=None, least_run_s=0.0),
    )
    cheap, dear = (
        found(windows, hired, msgspec.structs.replace(elastic, **{name: h * 3600})).total_nanousd_month for h in sorted(hours)
    )
    assert dear >= cheap - 3


@settings(deadline=None)
@given(works, hires, rules, st.integers(2, 9))
def test_scaling_every_price_scales_the_total(work: list[float], hired: Hire, elastic: Elastic, factor: int) -> None:
    names = ("price_nanousd_h", "fixed_nanousd_month")
    dearer = msgspec.structs.replace(hired, **{name: getattr(hired, name) * factor for name in names})
    if hired.committed_price_nanousd_h is not None:
        dearer = msgspec.structs.replace(dearer, committed_price_nanousd_h=hired.committed_price_nanousd_h * factor)
    one, scaled = found(seen(work), hired, elastic), found(seen(work, usd_per_replica_s=0.001 * factor), dearer, elastic)
    assert scaled.total_nanousd_month == pytest.approx(one.total_nanousd_month * factor, rel=1e-9, abs=3 * factor)


@given(st.floats(0.01, 50), st.integers(48, 100), hires, rules)
def test_a_flat_load_gives_a_constant(work: float, windows: int, hired: Hire, elastic: Elastic) -> None:
    schedule = found(seen([work] * windows), hired, elastic)
    assert set(schedule.replicas) == {schedule.constant_replicas}
    assert schedule.saved_nanousd_month == 0
    assert schedule.starts_per_day == 0


@settings(deadline=None)
@given(works, shares, hires, rules)
def test_all_work_is_owned_or_spilled_and_use_stays_below_the_limit(
    work: list[float], share: float, hired: Hire, elastic: Elastic
) -> None:
    schedule = found(seen(work, [w * share for w in work]), hired, msgspec.structs.replace(elastic, max_replicas=None))
    assert schedule.owned_share + schedule.spilled_share == pytest.approx(1.0)
    assert schedule.spilled_share <= 1 - share + 1e-9
    assert 0 <= schedule.utilisation <= hired.max_utilisation + 1e-9


def test_a_worked_day() -> None:
    # Twelve quiet hours at 1 replica of work, twelve busy ones at 3; a replica-second costs $0.001 rented, an hour $1 owned.
    # One replica does 1,800 s an hour, worth $1.80. Two machines rise once a day and load for half an hour: 2 x $0.50 x 30.
    day = seen([1.0] * 24 + [3.0] * 24)
    schedule = found(day, hire(), Elastic(start_delay_s=1800.0, least_run_s=0.0))
    assert schedule.replicas == [1] * 12 + [3] * 12
    assert schedule.fixed_nanousd_month == (720 * 1 + 360 * 2 + 30) * USD
    assert schedule.rented_nanousd_month == 0
    # Constant: the second and third would displace 360 x $1.80 = $648 each and cost $720, so one is best: $720 + $1,296 rented.
    assert schedule.constant_replicas == 1
    assert schedule.saved_nanousd_month == (720 + 1296 - 1470) * USD
    assert schedule.starts_per_day == 2
    assert schedule.utilisation == pytest.approx(0.5)
    assert schedule.mean_needed == pytest.approx([1.0] * 12 + [3.0] * 12)
    # Above 12 x ($1.80 - $1) = $9.60 a start, stopping is worse than renting the peak: a delay of 9.6 hours.
    assert found(day, hire(), Elastic(start_delay_s=9.5 * 3600, least_run_s=0.0)).replicas == [1] * 12 + [3] * 12
    assert found(day, hire(), Elastic(start_delay_s=9.7 * 3600, least_run_s=0.0)).replicas == [1] * 24


def test_the_example_of_the_cost_model() -> None:
    # 4 replica-seconds at $0.00475 a request; one request in each 10 s window of the morning, three in each of the afternoon.
    requests = np.repeat([1.0, 3.0], 4320)
    windows = Windows(MONDAY_S, 10.0, 4 * requests, 0 * requests, 4_750_000 * requests)
    schedule = found(windows, hire(1.10, max_utilisation=0.7), Elastic(start_delay_s=900.0, least_run_s=3600.0))
    assert schedule.replicas == [1] * 12 + [2] * 12
    assert schedule.rented_nanousd_month == 0
    assert schedule.total_nanousd_month == pytest.approx(1196.25 * USD, abs=1)
    assert schedule.constant_replicas == 1
    assert schedule.saved_nanousd_month == pytest.approx(365.25 * USD, abs=2)


def test_none_run_at_night_only_where_allowed_and_nothing_sensitive_comes() -> None:
    work, sensitive = [0.1] * 24 + [3.0] * 24, [0.0] * 23 + [0.01] + [0.0] * 24
    zero = msgspec.structs.replace(FREE_TO_CHANGE, scale_to_zero=False)
    assert found(seen(work), hire(), FREE_TO_CHANGE).replicas == [0] * 12 + [3] * 12
    assert found(seen(work), hire(), zero).replicas == [1] * 12 + [3] * 12
    assert found(seen(work, sensitive), hire(), FREE_TO_CHANGE).replicas == [0] * 11 + [1] + [3] * 12


def test_two_weeks_are_followed_by_the_hour_of_the_week() -> None:
    day, night = [0.1] * 16 + [2.0] * 24 + [0.1] * 8, [0.1] * 48
    following = follow_hours(seen((day * 5 + night * 2) * 2), hire(), FREE_TO_CHANGE)
    assert following.schedule is not None
    assert following.schedule.slots == 168
    assert following.schedule.replicas == ([0] * 8 + [2] * 12 + [0] * 4) * 5 + [0] * 48
    assert following.schedule.starts_per_day == pytest.approx(10 / 7)
    assert following.reason == "each hour of the week was seen 2.0 times"


def test_where_the_weeks_differ_more_than_the_days_hours_of_the_day_are_followed() -> None:
    # The busy days of the first week are the quiet ones of the second.
    busy, quiet = [1.0] * 24 + [3.0] * 24, [0.6] * 24 + [2.0] * 24
    schedule = found(seen((busy + quiet) * 7), hire(), FREE_TO_CHANGE)
    assert schedule.slots == 24
    assert (schedule.saved_unseen_nanousd_month or 0) > 0
    # Without a second view of the last hours the week's schedule cannot be tried out, so the day's is taken.
    assert found(seen(((busy * 5 + quiet * 2) * 2)[:-6]), hire(), FREE_TO_CHANGE).slots == 24


def test_a_day_that_repeats_saves_as_much_unseen_and_one_that_turns_around_loses() -> None:
    day, turned = [1.0] * 24 + [3.0] * 24, [3.0] * 24 + [1.0] * 24
    same, other = found(seen(day * 2), hire(), FREE_TO_CHANGE), found(seen(day + turned), hire(), FREE_TO_CHANGE)
    assert same.saved_unseen_nanousd_month == same.saved_nanousd_month == 576 * USD
    # Unseen, the night's two further machines idle for $720 and the day's 2 x 360 hours of work are rented for $1.80 each.
    assert other.saved_unseen_nanousd_month == -720 * USD
    assert found(seen(day), hire(), FREE_TO_CHANGE).saved_unseen_nanousd_month is None


def test_unseen_sensitive_work_is_carried_though_the_schedule_would_stop() -> None:
    # At night half a replica's work is rented at $0.90 an hour rather than owned at $1; constant, one machine pays by day.
    day, sensitive = [0.5] * 24 + [3.0] * 24, [0.0] * 48 + [0.5] * 2 + [0.0] * 46
    assert found(seen(day * 2), hire(), FREE_TO_CHANGE).saved_unseen_nanousd_month == (360 - 324 + 360 * 2 * 0.8) * USD
    # Of the second day's first hour nothing may leave: the schedule keeps a machine there, like the constant one.
    assert found(seen(day * 2, sensitive), hire(), FREE_TO_CHANGE).saved_unseen_nanousd_month == (330 - 297 + 360 * 2 * 0.8) * USD


def test_a_span_that_starts_at_noon_fills_the_hours_from_noon_on() -> None:
    windows = seen([3.0] * 24 + [1.0] * 24)
    moved = Windows(MONDAY_S + 12 * 3600, WINDOW_S, windows.work_s, windows.sensitive_s, windows.cost_nanousd)
    assert found(moved, hire(), FREE_TO_CHANGE).replicas == [1] * 12 + [3] * 12


@pytest.mark.parametrize(
    ("elastic", "hours", "why"),
    [
        (None, 24, "paid whether they run or not"),
        (FREE_TO_CHANGE, 20, "shows 20.0 hours"),
        (msgspec.structs.replace(FREE_TO_CHANGE, least_run_s=13 * 3600.0), 24, "13 hours at least"),
    ],
)
def test_where_there_is_no_schedule_the_reason_says_why(elastic: Elastic | None, hours: int, why: str) -> None:
    following = follow_hours(seen([1.0, 2.0] * hours), hire(), elastic)
    assert following.schedule is None
    assert why in following.reason


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Elastic(start_delay_s=-1.0, least_run_s=0.0), "start_delay_s is -1"),
        (lambda: Elastic(start_delay_s=0.0, least_run_s=math.nan), "least_run_s is nan"),
        (lambda: Elastic(start_delay_s=0.0, least_run_s=0.0, min_replicas=-1), "min_replicas is -1"),
        (lambda: Elastic(start_delay_s=0.0, least_run_s=0.0, min_replicas=3, max_replicas=2), "max_replicas is 2"),
        (lambda: Hire(price_nanousd_h=-1, replicas_per_machine=1, max_utilisation=0.5, month_hours=720.0), "negative"),
        (lambda: Hire(price_nanousd_h=1, replicas_per_machine=0, max_utilisation=0.5, month_hours=720.0), "at least 1 replica"),
        (
            lambda: Hire(price_nanousd_h=1, replicas_per_machine=1, max_utilisation=1.5, month_hours=720.0),
            "max_utilisation is 1.5",
        ),
        (lambda: seen([1.0], [2.0]), "less than its sensitive part"),
        (lambda: follow_hours(seen([0.0] * 48), hire(), FREE_TO_CHANGE), "no work at all"),
        (lambda: seen([1.0], usd_per_replica_s=-1.0), "API cost"),
        (lambda: follow_hours(seen([1e5] * 48), hire(), FREE_TO_CHANGE), "check the volume"),
        (
            lambda: follow_hours(
                seen([1.0] * 48), hire(committed_machines=3), msgspec.structs.replace(FREE_TO_CHANGE, max_replicas=2)
            ),
            "committed_machines is 3",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(make: Callable[[], object], words: str) -> None:
    with pytest.raises(BadSettings, match=words):
        make()
