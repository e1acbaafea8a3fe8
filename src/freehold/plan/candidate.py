"""One way of owning, weighed against renting on one workload: its curve, its cheapest mix, its break-even and its odds."""

from collections.abc import Sequence
from dataclasses import dataclass

from freehold.plan.demand.traffic import DAY_S, Traffic
from freehold.plan.document import CandidateCost
from freehold.plan.inputs import Assumption
from freehold.plan.optimum.breakeven import BreakEven, break_even, volume_curve
from freehold.plan.optimum.elastic import Elastic, Hire, Windows
from freehold.plan.optimum.hybrid import HybridPoint, Market, cheapest, hybrid_curve
from freehold.plan.optimum.load import Load, load_of
from freehold.plan.optimum.profile import Profile, billed, measure_profile
from freehold.plan.optimum.schedule import Following, follow_hours
from freehold.plan.optimum.spill import SpillSurface
from freehold.plan.outlook.ranges import Ranges
from freehold.plan.outlook.uncertainty import SPILL_INPUTS, Outcome, Rival, Subject, Uncertainty, assess, spill_surface
from freehold.plan.owning.capacity import Pace
from freehold.plan.owning.owned import OwnedCost, person_nanousd_month
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.renting.bill import Bill
from freehold.plan.verdict.checklist import Cheapest


@dataclass(frozen=True, eq=False)
class Demand:
    """One workload's requests and what every API asks for them; `bills[0]` is the model rented today."""

    traffic: Traffic
    bills: tuple[Bill, ...]

    @property
    def peak(self) -> Bill:
        """The API with the least bill: there the peak is rented."""
        return min(self.bills, key=lambda bill: bill.total_nanousd)

    def to_month(self, terms: PlanTerms) -> float:
        """What the span is multiplied by to be a month."""
        return terms.month_hours * 3600 / self.traffic.span_s


@dataclass(frozen=True, eq=False)
class OwnedCandidate:
    """One way of owning: what it costs, how fast it is, what is known of both. `elastic`: how it may follow the hour;
    `highest_use`: of a replica, where the simulation found one; None: that of the terms."""

    label: str
    owned: OwnedCost
    pace: Pace
    ranges: Ranges
    elastic: Elastic | None = None
    highest_use: float | None = None
    assumptions: tuple[Assumption, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Weighed:
    """A candidate on a workload that is seen from `start_s` on: point figures, intervals, and the draws behind them."""

    candidate: OwnedCandidate
    start_s: float
    profile: Profile
    market: Market
    curve: list[HybridPoint]
    best: HybridPoint
    break_even: BreakEven
    subject: Subject
    uncertainty: Uncertainty
    outcome: Outcome

    @property
    def owning(self) -> HybridPoint:
        """The cheapest mix with something owned."""
        return cheapest(self.curve[1:])

    @property
    def cheapest(self) -> Cheapest:
        """What the point figures say."""
        if self.best.replicas == 0:
            return "rent"
        whole = self.best.replicas >= len(self.curve) - 1 or self.best.spilled_share == 0
        return "own" if whole else "own base, rent peak"

    def against(self, demand: Demand, bill: Bill) -> BreakEven:
        """The break-even against another API, which then takes the peak, too."""
        if bill is demand.peak:
            return self.break_even
        load = load_of(billed(self.profile, demand.traffic, bill))
        market = Market(load, self.market.owned, self.market.max_utilisation, self.market.to_month, self.market.marginal_nanousd)
        return break_even(market, demand.traffic.tokens_per_day)

    def following(self) -> Following:
        """Its replicas by the hour. Spares, crews and the platform are those of the cheapest constant number."""
        owned, profile = self.candidate.owned, self.profile
        needed = -(-self.owning.replicas // owned.replicas_per_machine)
        machines_h = owned.machine.price_nanousd_h + round(owned.storage_nanousd_month / owned.month_hours)
        hire = Hire(
            price_nanousd_h=machines_h,
            replicas_per_machine=owned.replicas_per_machine,
            max_utilisation=self.market.max_utilisation * owned.machine.availability,
            month_hours=owned.month_hours,
            fixed_nanousd_month=max(0, self.owning.fixed_nanousd_month - round(needed * machines_h * owned.month_hours)),
        )
        load = self.market.load
        windows = Windows(
            start_s=self.start_s,
            window_s=profile.window_s,
            work_s=load.work_s,
            sensitive_s=load.sensitive_s,
            cost_nanousd=profile.input_nanousd + profile.output_nanousd,
        )
        return follow_hours(windows, hire, self.candidate.elastic)

    def cost(self, tokens_per_day: float, volumes: Sequence[float], *, chosen: bool) -> CandidateCost:
        """Its row in the plan, with its cheapest mix at each volume (tokens a day)."""
        return CandidateCost(
            kind=self.candidate.owned.machine.kind,
            label=self.candidate.label,
            chosen=chosen,
            best=self.best,
            owning=self.owning,
            own=self.curve[-1],
            owning_interval_nanousd_month=self.uncertainty.owning_nanousd_month,
            first_tokens_per_day=self.break_even.first_tokens_per_day,
            p_owning_wins=self.uncertainty.p_owning_wins,
            hybrid_nanousd_month=[p.hybrid_nanousd_month for p in volume_curve(self.market, tokens_per_day, volumes)],
        )


@dataclass(frozen=True, eq=False)
class _Measured:
    """What ways of owning that are equally fast have in common."""

    profile: Profile
    load: Load
    surface: SpillSurface
    rivals: tuple[Rival, ...]


def weigh(candidates: Sequence[OwnedCandidate], demand: Demand, terms: PlanTerms) -> list[Weighed]:
    """Everything about each candidate. Raises BadSettings on an absurd peak."""
    measured: dict[tuple[object, ...], _Measured] = {}
    rivals = tuple(_rival(bill) for bill in demand.bills)
    found = []
    for candidate in candidates:
        speeds = (id(candidate.pace), *(candidate.ranges[name] for name in SPILL_INPUTS))
        if speeds not in measured:
            profile = measure_profile(demand.traffic, candidate.pace, demand.peak)
            measured[speeds] = _Measured(profile, load_of(profile), spill_surface(profile, candidate.ranges), rivals)
        found.append(_weigh(candidate, demand, terms, measured[speeds]))
    return found


def _weigh(candidate: OwnedCandidate, demand: Demand, terms: PlanTerms, measured: _Measured) -> Weighed:
    traffic, owned = demand.traffic, candidate.owned
    marginal = float(traffic.output_tokens.sum()) * terms.token_ratio * owned.marginal_nanousd_per_output_token
    use = terms.max_utilisation if candidate.highest_use is None else candidate.highest_use
    market = Market(measured.load, owned, use, demand.to_month(terms), marginal)
    share = terms.fleet.dedicated_people_share if owned.machine.kind == "dedicated deployment" else 1.0
    subject = Subject(
        profile=measured.profile,
        surface=measured.surface,
        owned=owned,
        person_nanousd_month=round(float(person_nanousd_month(terms)) * share),
        to_month=market.to_month,
        input_tokens_per_day=float(traffic.input_tokens.sum()) / traffic.span_s * DAY_S,
        output_tokens_per_day=float(traffic.output_tokens.sum()) / traffic.span_s * DAY_S,
        rivals=measured.rivals,
        peak_hosted=demand.peak.hosted,
        marginal_nanousd=marginal,
    )
    uncertainty, outcome = assess(subject, candidate.ranges)
    curve = hybrid_curve(market)
    crossing = break_even(market, traffic.tokens_per_day)
    return Weighed(
        candidate, traffic.start_s, measured.profile, market, curve, cheapest(curve), crossing, subject, uncertainty, outcome
    )


def _rival(bill: Bill) -> Rival:
    asked = int(bill.input_nanousd.sum())
    return Rival(input_nanousd=float(asked), output_nanousd=float(bill.total_nanousd - asked), hosted=bill.hosted)
