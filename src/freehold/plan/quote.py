"""From names (an API model, an open model, a GPU, a provider) to priced inputs of a plan, each with source and date."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from freehold.catalog.facts import Facts
from freehold.catalog.prices import PriceBook, UnknownPrice
from freehold.core.errors import BadSettings
from freehold.core.money import dollars
from freehold.core.price import PriceCard, Rate
from freehold.core.usage import Bucket
from freehold.plan.candidate import Demand
from freehold.plan.choice import HOSTED, Choice
from freehold.plan.demand.traffic import Requests, Traffic
from freehold.plan.document import Plan
from freehold.plan.inputs import Assumption, Source
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.plan import WorkloadInput, make_plan
from freehold.plan.renting.bill import bill_of
from freehold.plan.simulating import Simulating
from freehold.plan.verdict.checklist import Evidence, Operator
from freehold.plan.ways import Ground, ways_of_owning

_BUCKETS: Mapping[Bucket, str] = {
    "cache_read": "cached input", "cache_write": "input put into a cache", "cache_write_1h": "input put into a cache for an hour",
    "input_audio": "sound heard", "cache_read_audio": "cached sound", "output_audio": "sound spoken",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one workload beside its traffic: `doubts` that make its rows weaker than they look, whether they came as
    sums over time, how much of it is owned today, and what people and gates say."""

    doubts: Sequence[str] = ()
    bucketed: bool = False
    owned_share_now: float | None = None
    operator: Operator = Operator()
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Quotes:
    """The catalog on one day, asked for whole workloads."""

    facts: Facts
    book: PriceBook
    on: dt.date
    _cards: dict[str, PriceCard] = field(default_factory=dict)
    simulating: Simulating | None = None

    def workload(self, name: str, traffic: Traffic, choice: Choice, terms: PlanTerms, known: Known = Known()) -> WorkloadInput:
        """Everything the plan needs for one workload. Raises BadSettings on a name the catalog does not know, or on a model
        that does not fit its GPUs."""
        card = choice.price or self.card(choice.rent)
        price: Source = "user" if "price" in choice.chosen else "catalog"
        batch = Fraction(self.book.batch_multiplier(card.provider) or 1)
        ways = ways_of_owning(Ground(self.facts, choice, terms, traffic, price, known.bucketed, self.simulating))
        hosted = [self.card(seller) for seller in self._hosts(choice)]
        ratio = Fraction(str(terms.token_ratio))
        bills = (
            bill_of(card, traffic, terms.rented_multiplier(batch)),
            *(bill_of(other, traffic, ratio, hosted=True) for other in hosted),
        )
        return WorkloadInput(
            name=name,
            demand=Demand(traffic, bills),
            candidates=ways,
            pinned=bool(choice.chosen & {"provider", "usd_per_hour"}),
            operator=known.operator,
            evidence=known.evidence,
            owned_share_now=known.owned_share_now,
            people_fte=terms.people_fte,
            assumptions=(
                _traffic_assumption(traffic),
                _rented_model(card, choice),
                *_price_assumptions("rented", card, price, traffic),
                *(line for other in hosted for line in _price_assumptions("hosted", other, "catalog", traffic)),
            ),
            warnings=tuple(known.doubts),
        )

    def card(self, seller: str) -> PriceCard:
        """The price of `provider/model` on the day. Raises BadSettings."""
        provider, slash, model = seller.partition("/")
        if not slash or not model:
            raise BadSettings(f"rented model is {seller!r}; write provider/model, such as openai/gpt-4o")
        if seller not in self._cards:
            try:
                self._cards[seller] = self.book.find(provider, model, self.on)
            except UnknownPrice as error:
                raise BadSettings(f"no price for {seller}: {error}") from None
        return self._cards[seller]

    def _hosts(self, choice: Choice) -> tuple[str, ...]:
        if "none" in choice.hosted:
            return ()
        model = self.facts.model(choice.model).model
        return choice.hosted or tuple(seller for known, seller in HOSTED.items() if known == model)


def plan_from_requests(
    requests: Mapping[str, Requests],
    choice_of: Callable[[str], Choice],
    quotes: Quotes,
    terms: PlanTerms,
    known_of: Callable[[str], Known] = lambda name: Known(),
) -> Plan:
    """The plan of every workload, in order of name; `choice_of` says per workload what to compare, `known_of` what else is known.

    A workload seen at one moment only has no rate: it is left out with a warning. Raises BadSettings naming the workload it is
    about, or when nothing is left.
    """
    rateless = sorted(name for name, seen in requests.items() if len(requests) > 1 and seen.one_moment)
    left_out = [f"workload {name} is left out: all its requests stand for one moment, which is no rate" for name in rateless]

    def inputs() -> Iterator[WorkloadInput]:
        for name in sorted(requests.keys() - set(rateless)):
            choice = choice_of(name)
            try:
                yield quotes.workload(name, requests[name].traffic(choice.clearance), choice, terms, known_of(name))
            except BadSettings as error:
                raise BadSettings(f"workload {name}: {error.message}") from None

    return make_plan(inputs(), terms, quotes.on, [*quotes.facts.stale(quotes.on), *left_out])


def _price_assumptions(role: str, card: PriceCard, source: Source, traffic: Traffic) -> list[Assumption]:
    """What the card itself says of each bucket that the traffic has; one that it says nothing of costs what is around it."""
    name = f"{role} {card.provider}/{card.model}"
    rates: dict[Bucket, Rate | None] = {bucket: getattr(card, bucket) for bucket in traffic.buckets()}
    return [
        Assumption(
            name=f"{name}, {_BUCKETS.get(bucket, bucket)}",
            value=_rate_text(rate),
            unit="USD per million tokens",
            source=source,
            origin=card.source,
            date=card.valid_from,
        )
        for bucket, rate in rates.items()
        if rate is not None
    ]


def _traffic_assumption(traffic: Traffic) -> Assumption:
    return Assumption(
        name="traffic",
        value=f"{len(traffic.time_s):,} requests",
        unit=f"in {traffic.span_text}",
        source="user" if traffic.declared else "measured",
        origin="expanded from the declared shape" if traffic.declared else "as observed, scaled to the month",
    )


def _rented_model(card: PriceCard, choice: Choice) -> Assumption:
    return Assumption(
        name="rented model",
        value=f"{card.provider}/{card.model}",
        unit="",
        source="user" if choice.chosen & {"rent", "price"} else choice.rent_source,
        origin="what owning is compared with",
    )


def _rate_text(rate: Rate) -> str:
    tiers = "".join(f"; {dollars(price).normalize():f} above {above:,} input tokens" for above, price in rate.tiers)
    return f"{dollars(rate.nanousd_per_mtok).normalize():f}{tiers}"
