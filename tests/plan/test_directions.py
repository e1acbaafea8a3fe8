"""Which way every term must push, whatever the traffic: what favours owning never speaks for renting, and the other way round."""

import dataclasses
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.catalog.facts import load_facts
from freehold.catalog.prices import PriceBook
from freehold.core.price import PriceCard, Rate
from freehold.plan.candidate import Demand, Weighed, weigh
from freehold.plan.choice import Choice
from freehold.plan.demand.traffic import Traffic
from freehold.plan.outlook.forecast import budget_breach, forecast
from freehold.plan.owning.fleet_terms import FleetTerms
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.quote import Quotes
from freehold.plan.renting.bill import bill_of

TODAY = dt.date(2026, 11, 21)
QUOTES = Quotes(load_facts(), PriceBook(), TODAY)
TINY = 1e-9
PLAIN = PlanTerms()
# Draws look their spill up in a surface, so a few of ten thousand may fall on the other side of a tie.
DRAWN = 0.002


@dataclasses.dataclass(frozen=True)
class Case:
    """A workload and the way it would be owned. Dollars: of the API per million tokens in and four times out; per GPU hour."""

    seed: int
    api_usd: float
    gpu_usd: float = 1.0
    terms: PlanTerms = PLAIN
    sensitive: float = 0.0
    hosted_usd: float | None = None
    hire_plan: str = "on_demand"

    @property
    def traffic(self) -> Traffic:
        """Some hours of requests, unevenly spread, some of whose input was cached."""
        random = np.random.default_rng(self.seed)
        count, hours = int(random.integers(300, 1_500)), float(random.choice([1.0, 6.0, 24.0]))
        inputs = random.lognormal(6.5, 1, count).astype(np.int64) + 1
        return Traffic(
            time_s=np.sort(random.random(count) ** random.uniform(0.4, 2.0)) * hours * 3600,
            input_tokens=inputs,
            cache_read=(inputs * random.uniform(0, 0.5)).astype(np.int64),
            output_tokens=random.lognormal(5, 1, count).astype(np.int64),
            sensitive=random.random(count) < self.sensitive,
            span_s=hours * 3600,
        )

    def weighed(self, traffic: Traffic | None = None) -> Weighed:
        """The way of owning asked for, weighed."""
        seen = traffic or self.traffic
        choice = Choice(
            price=card(self.api_usd), usd_per_hour=Decimal(str(self.gpu_usd)), prefill_tok_s=2_000, decode_tok_s=200,
            hosted=("none",), hire_plan=self.hire_plan,
        )  # fmt: skip
        given = QUOTES.workload("w", seen, choice, self.terms)
        demand = given.demand
        if self.hosted_usd is not None:
            ratio = self.terms.token_ratio
            demand = Demand(seen, (*demand.bills, bill_of(card(self.hosted_usd), seen, Fraction(str(ratio)), hosted=True)))
        (found,) = weigh(given.candidates[:1], demand, self.terms)
        return found

    def of(self, **changed: Any) -> "Case":
        """The same with these terms, of the plan or of the machines."""
        fleet = {name: value for name, value in changed.items() if name in FleetTerms.__struct_fields__}
        terms = {name: value for name, value in changed.items() if name in PlanTerms.__struct_fields__}
        assert len(fleet) + len(terms) == len(changed)
        made = msgspec.structs.replace(self.terms, **terms, fleet=msgspec.structs.replace(self.terms.fleet, **fleet))
        return dataclasses.replace(self, terms=msgspec.structs.replace(made, chosen=frozenset({"people_fte"})))


def card(usd: float) -> PriceCard:
    return PriceCard(
        provider="p", model="m", input=Rate(round(usd * 1e9)), cache_read=Rate(round(usd * 5e8)), output=Rate(round(usd * 4e9)),
        valid_from="2026-01-01", source="test",
    )  # fmt: skip


cases = st.builds(
    lambda seed, usd, people, crew, spares, zones: Case(seed, usd).of(
        people_fte=people, crew_machines=crew, spare_machines=spares, zones=zones, platform_usd_month=20.0
    ),
    st.integers(0, 10_000), st.sampled_from([3.0, 30.0, 150.0]), st.sampled_from([0.0, 0.02]), st.sampled_from([0, 8]),
    st.sampled_from([0, 1]), st.sampled_from([1, 2]),
)  # fmt: skip
few = settings(max_examples=settings().max_examples // 10, deadline=None)  # each weighs several whole markets


def for_owning(less: Weighed, more: Weighed) -> None:
    """`more` is at least as good for owning as `less`: by the odds, by the volume it pays from, and by what it saves."""
    assert more.uncertainty.p_owning_wins >= less.uncertainty.p_owning_wins - DRAWN
    first, sooner = (found.break_even.first_tokens_per_day or np.inf for found in (less, more))
    assert sooner <= first * (1 + 1e-6)
    saved, most = (found.curve[0].total_nanousd_month - found.owning.total_nanousd_month for found in (less, more))
    assert most >= saved - TINY * abs(less.market.bill_nanousd_month + more.market.bill_nanousd_month) - 10


def owns_more(less: Weighed, more: Weighed) -> None:
    """And its cheapest mix owns at least as much."""
    for_owning(less, more)
    assert more.best.owned_share >= less.best.owned_share - TINY


def not_cheaper(less: Weighed, more: Weighed) -> None:
    """Owning costs at least as much in `more`: the cheapest part, all of it, and the same number of replicas."""
    slack = TINY * less.market.bill_nanousd_month + 10
    assert more.owning.total_nanousd_month >= less.owning.total_nanousd_month - slack
    assert more.curve[-1].total_nanousd_month >= less.curve[-1].total_nanousd_month - slack
    for one, other in zip(less.curve, more.curve, strict=False):
        assert other.total_nanousd_month >= one.total_nanousd_month - slack


@few
@given(cases, st.floats(1, 20))
def test_a_dearer_api_speaks_for_owning(case: Case, factor: float) -> None:
    owns_more(case.weighed(), dataclasses.replace(case, api_usd=case.api_usd * factor).weighed())


@few
@given(cases, st.floats(0.01, 0.35), st.floats(0.05, 1))
def test_a_host_of_the_model_speaks_for_renting_and_a_cheaper_one_more(case: Case, share: float, less: float) -> None:
    alone = case.weighed()
    hosted, cheaper = (dataclasses.replace(case, hosted_usd=case.api_usd * part).weighed() for part in (share, share * less))
    owns_more(hosted, alone)
    owns_more(cheaper, hosted)


@few
@given(cases, st.floats(1, 5))
def test_a_dearer_gpu_speaks_for_renting(case: Case, factor: float) -> None:
    usual, dearer = case.weighed(), dataclasses.replace(case, gpu_usd=round(factor, 6)).weighed()
    owns_more(dearer, usual)
    not_cheaper(usual, dearer)


@few
@given(cases, st.floats(0.01, 2))
def test_more_staff_speaks_for_renting(case: Case, more: float) -> None:
    usual, staffed = case.weighed(), case.of(people_fte=case.terms.people_fte + more).weighed()
    for_owning(staffed, usual)
    not_cheaper(usual, staffed)


@settings(max_examples=settings().max_examples // 5, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_burstier_traffic_of_the_same_volume_owns_less_and_spills_for_more(seed: int, together: int) -> None:
    case = Case(seed, 30.0)
    even = case.traffic
    index, count = even.windows()
    length_s = even.span_s / count
    # The work of each few windows comes in the first of them.
    bursty = dataclasses.replace(even, time_s=((index // together * together + 0.5) * length_s).astype(np.float64))
    calm, wild = (case.weighed(traffic).market for traffic in (even, bursty))
    replicas = np.arange(0, 40)
    assert wild.bill_nanousd_month == calm.bill_nanousd_month
    slack = TINY * calm.bill_nanousd_month + 10
    assert (wild.spilled_nanousd(replicas) >= calm.spilled_nanousd(replicas) - slack).all()
    spilled, more = (market.load.spilled_s(market.capacity_s(replicas)) for market in (calm, wild))
    assert (more >= spilled - TINY * calm.load.total_s).all()


@settings(max_examples=settings().max_examples // 5, deadline=None)
@given(cases, st.floats(0, 1), st.floats(0, 1))
def test_more_sensitive_work_never_needs_fewer_replicas(case: Case, one: float, other: float) -> None:
    found = [dataclasses.replace(case, sensitive=share).weighed() for share in sorted((one, other))]
    least, more = (next(point.replicas for point in one.curve if point.feasible) for one in found)
    assert more >= least


@few
@given(cases, st.floats(0.3, 1), st.floats(0.3, 1))
def test_a_busier_replica_never_needs_more_of_them(case: Case, one: float, other: float) -> None:
    calm, busy = (case.of(max_utilisation=use).weighed() for use in sorted((one, other)))
    assert len(busy.curve) <= len(calm.curve)
    for_owning(calm, busy)
    assert busy.best.total_nanousd_month <= calm.best.total_nanousd_month * (1 + TINY) + 10


@few
@given(cases, st.integers(0, 4), st.integers(0, 4), st.integers(1, 4))
def test_spares_and_zones_are_never_free(case: Case, spares: int, more: int, zones: int) -> None:
    bare = case.of(spare_machines=spares, zones=1)
    kept, spread = case.of(spare_machines=spares + more, zones=1), case.of(spare_machines=spares, zones=zones)
    usual = bare.weighed()
    for dearer in (kept.weighed(), spread.weighed()):
        not_cheaper(usual, dearer)
        for_owning(dearer, usual)


@few
@given(cases, st.floats(1, 5), st.floats(1, 5))
def test_interruptions_and_slow_starts_are_never_free(case: Case, often: float, slow: float) -> None:
    mixed = dataclasses.replace(case, hire_plan="spot=0.8,on_demand=0.2")
    usual = mixed.of(spot_interruptions_day=2.0, restart_minutes=20.0).weighed()
    worse = (
        mixed.of(spot_interruptions_day=2.0 * often, restart_minutes=20.0),
        mixed.of(spot_interruptions_day=2.0, restart_minutes=20.0 * slow),
    )
    for found in (one.weighed() for one in worse):
        assert len(found.curve) >= len(usual.curve)
        not_cheaper(usual, found)
        for_owning(found, usual)


@few
@given(cases, st.floats(0, 0.2), st.floats(0, 0.2), st.floats(1.0, 3.0))
def test_more_growth_never_moves_the_breach_later(case: Case, one: float, other: float, budget: float) -> None:
    found = case.weighed()
    breaches = []
    for growth in sorted((one, other)):
        ahead = forecast(case.traffic, found.market, found.best, case.of(growth_per_month=growth).terms)
        breaches.append(budget_breach([ahead], max(0.01, budget * found.best.total_nanousd_month / 1e9), TODAY))
    slow, fast = breaches
    for name in ("renting", "planned", "planned_earliest", "planned_latest"):
        assert (getattr(fast, name) or "9999") <= (getattr(slow, name) or "9999"), name


def cheaper_rent(change: Callable[[Case, float], Case], case: Case, one: float, other: float) -> None:
    """The more of it, the less speaks for owning."""
    little, much = (change(case, share).weighed() for share in sorted((one, other)))
    owns_more(much, little)


@few
@given(cases, st.floats(0, 0.99), st.floats(0, 0.99))
def test_a_bigger_discount_speaks_for_renting(case: Case, one: float, other: float) -> None:
    cheaper_rent(lambda given, share: given.of(discount=round(share, 6)), case, one, other)


@few
@given(cases, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_of_it_by_batch_speaks_for_renting(case: Case, one: float, other: float, price: float) -> None:
    cheaper_rent(lambda given, share: given.of(batch_share=round(share, 6), batch_price=round(price, 6)), case, one, other)


@few
@given(cases, st.floats(0.2, 5), st.floats(0.2, 5))
def test_more_tokens_for_the_same_text_speak_for_renting(case: Case, one: float, other: float) -> None:
    terse, wordy = (case.of(token_ratio=round(ratio, 3)).weighed() for ratio in sorted((one, other)))
    for_owning(wordy, terse)
    assert wordy.owning.total_nanousd_month >= terse.owning.total_nanousd_month * (1 - TINY) - 10


@few
@given(cases, st.floats(0, 0.99), st.floats(0, 0.99))
def test_more_reuse_of_prefixes_speaks_for_owning(case: Case, one: float, other: float) -> None:
    little, much = (case.of(prefix_reuse=share).weighed() for share in sorted((one, other)))
    for_owning(little, much)
    assert much.owning.total_nanousd_month <= little.owning.total_nanousd_month * (1 + TINY) + 10
