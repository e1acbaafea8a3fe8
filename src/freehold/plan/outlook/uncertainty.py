"""What the ranges of the inputs make of a plan: intervals, how often owning wins, and which input turns the answer.

Ten thousand draws at once, none of them simulated: the surface of `spill` says what each draw spills. Between the steps of
zones and crews total cost is convex in the machines, so a draw's best number of them lies beside the best column of its row,
once with the crews spread evenly and once without, or at the end of a step.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from freehold.plan.demand.traffic import Floats, Ints
from freehold.plan.inputs import INPUTS, InputName
from freehold.plan.optimum.profile import Profile
from freehold.plan.optimum.spill import SpillSurface, measure_spill
from freehold.plan.outlook.ranges import Ranges
from freehold.plan.owning.owned import OwnedCost
from freehold.stats.hypercube import latin_hypercube
from freehold.stats.intervals import interval

DRAWS = 10_000
SEED = 20_261_121

_STEPS = 81
_MOST_MACHINES = 1e6


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles over the draws, in nano-dollars: 95 % of them lie in p2_5 to p97_5, 80 % in p10 to p90."""

    p2_5: int
    p10: int
    p50: int
    p90: int
    p97_5: int


class VolumeInterval(msgspec.Struct, frozen=True, kw_only=True):
    """The same of a volume in tokens a day; None: never."""

    p2_5: float | None
    p10: float | None
    p50: float | None
    p90: float | None
    p97_5: float | None


class Swing(msgspec.Struct, frozen=True, kw_only=True):
    """One input from end to end, the others at their points. Margins: renting all less the cheapest with something owned.

    `flips_at`: the input's value nearest to its point from which on the other answer is cheaper; None where none in range is.
    """

    input: InputName
    low: float
    point: float
    high: float
    unit: str
    margin_low_nanousd_month: int
    margin_high_nanousd_month: int
    flips_at: float | None


class Uncertainty(msgspec.Struct, frozen=True, kw_only=True):
    """What the draws say of one workload. `owned` owns the whole peak, `owning` the cheapest part of it; `margin` is renting all
    less the cheapest with something owned, at the points. No break-even volume exists where sensitive work must be owned anyway.
    """

    draws: int
    seed: int
    p_owning_wins: float
    p_owning_never_pays: float
    rented_nanousd_month: Interval
    owned_nanousd_month: Interval
    owning_nanousd_month: Interval
    best_nanousd_month: Interval
    first_tokens_per_day: VolumeInterval | None
    margin_nanousd_month: int
    tornado: list[Swing]


@dataclass(frozen=True)
class Rival:
    """An API that could take everything: its bill over the span, split into what input and output cost. `hosted`: it serves the
    owned model, so its bill is counted in that model's tokens and its price drifts on its own."""

    input_nanousd: float
    output_nanousd: float
    hosted: bool


@dataclass(frozen=True)
class Subject:
    """One workload under uncertain inputs: its measured profile and what owning costs. `person_nanousd_month`: one full-time.

    The profile's bill is that of the API which takes the peak, `peak_hosted` says of which kind; renting everything is done at
    the cheapest of `rivals`. `marginal_nanousd`: of all work over the span, beside the machines.
    """

    profile: Profile
    surface: SpillSurface
    owned: OwnedCost
    person_nanousd_month: int
    to_month: float
    input_tokens_per_day: float
    output_tokens_per_day: float
    rivals: tuple[Rival, ...]
    peak_hosted: bool = False
    marginal_nanousd: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """Per draw, nano-dollars a month: `bills` of each rival and `rented`, the least of them. `first_tokens_per_day` is infinite
    where owning never pays."""

    bills: tuple[Floats, ...]
    rented: Floats
    owned: Floats
    owning: Floats
    best: Floats
    tokens_per_day: Floats
    first_tokens_per_day: Floats


# What the mix of prefill and decode, and so the surface, depends on.
SPILL_INPUTS: tuple[InputName, ...] = ("prefill_speed", "decode_speed", "output_length")


def spill_surface(profile: Profile, ranges: Ranges) -> SpillSurface:
    """The surface over every mix of prefill and decode that the ranges allow."""
    prefill, decode, length = (ranges[name] for name in SPILL_INPUTS)

    def share(output: float, decode_speed: float, prefill_speed: float) -> float:
        decoding = float(profile.decode_s.sum()) * output / decode_speed
        return decoding / (decoding + float(profile.prefill_s.sum()) / prefill_speed)

    return measure_spill(profile, share(length.low, decode.high, prefill.low), share(length.high, decode.low, prefill.high))


def assess(subject: Subject, ranges: Ranges, draws: int = DRAWS) -> tuple[Uncertainty, Outcome]:
    """Draw every input from its range. The outcome holds the draws, row for row alike for every workload of a plan."""
    outcome = outcomes(subject, ranges, latin_hypercube(draws, len(INPUTS), SEED))
    margin, tornado = _tornado(subject, ranges)
    bound = _sensitive(subject.profile)
    wins = outcome.owning < outcome.rented
    return (
        Uncertainty(
            draws=draws,
            seed=SEED,
            p_owning_wins=1.0 if bound else float(wins.mean()),
            p_owning_never_pays=0.0 if bound else float(np.isinf(outcome.first_tokens_per_day).mean()),
            rented_nanousd_month=quantiles(outcome.rented),
            owned_nanousd_month=quantiles(outcome.owned),
            owning_nanousd_month=quantiles(outcome.owning),
            best_nanousd_month=quantiles(outcome.best),
            first_tokens_per_day=None if bound else _volumes(outcome.first_tokens_per_day),
            margin_nanousd_month=margin,
            tornado=tornado,
        ),
        outcome,
    )


def quantiles(values: Floats) -> Interval:
    """The interval of an amount of money, in whole nano-dollars."""
    return Interval(**{name: round(value) for name, value in interval(values)._asdict().items()})


def outcomes(subject: Subject, ranges: Ranges, drawn: Floats, growth: float = 1.0, *, crossing: bool = True) -> Outcome:
    """What each draw costs. `drawn`: shape (draws, inputs), quantiles of the ranges in the order of INPUTS. `growth` multiplies
    the volume of every draw. `crossing`: whether each draw's break-even is wanted; it is NaN otherwise."""
    value = {name: ranges[name].at(drawn[:, place]) for place, name in enumerate(INPUTS)}
    profile, surface, owned = subject.profile, subject.surface, subject.owned
    length, volume, ratio = value["output_length"], growth * value["volume"], value["token_ratio"]
    prefill = profile.prefill_s.mean() * ratio / value["prefill_speed"]
    decode = profile.decode_s.mean() * ratio * length / value["decode_speed"]
    share, work = decode / (prefill + decode), prefill + decode
    machine = owned.replicas_per_machine * owned.machine.availability * value["max_utilisation"] * profile.window_s / work
    bills = tuple(
        volume * subject.to_month * _drift(value, rival.hosted) * (rival.input_nanousd + rival.output_nanousd * length)
        for rival in subject.rivals
    )
    left = _left_over(subject, share, value)
    fleet = _Fleet(
        owned, owned.machine_nanousd_month * value["gpu_price"], subject.person_nanousd_month * value["people_fte"], machine
    )

    held_s = surface.peak_at(surface.peak_sensitive, share)
    steady = held_s * owned.machine.availability / max(owned.machine.steady_share, 1e-9)
    least = np.maximum(1, np.ceil(steady * volume / machine - 1e-9))
    most = np.maximum(least, np.ceil(surface.peak_at(surface.peak, share) * volume / machine - 1e-9))
    owning = np.full(len(share), np.inf)
    for each in (fleet.each_nanousd, fleet.within_nanousd):
        cost = left + each[:, None] * surface.capacities / machine[:, None]
        nearest = surface.capacities[np.argmin(np.where(surface.capacities < held_s[:, None], np.inf, cost), axis=1)]
        for machines in fleet.whole_numbers(np.maximum(least, nearest * volume / machine)):
            held = np.clip(machines, least, most)
            owning = np.minimum(owning, fleet.nanousd(held) + volume * surface.at(left, held * machine / volume))
    owned_all = fleet.nanousd(most) + volume * surface.at(left, most * machine / volume)
    rented = np.min(bills, axis=0)
    tokens = subject.input_tokens_per_day + subject.output_tokens_per_day * length
    return Outcome(
        bills=bills,
        rented=rented,
        owned=owned_all,
        owning=owning,
        best=owning if _sensitive(profile) else np.minimum(rented, owning),
        tokens_per_day=tokens * volume,
        first_tokens_per_day=tokens * (_first_volume(surface.capacities, left, fleet) if crossing else np.nan),
    )


@dataclass(frozen=True)
class _Fleet:
    """What machines cost in each draw, and how much of a mean window's work one carries."""

    owned: OwnedCost
    machine_nanousd: Floats
    people_nanousd: Floats
    machine: Floats

    @property
    def within_nanousd(self) -> Floats:
        """One more needed machine that the crew at hand still runs."""
        more, _ = self.owned.slope()
        return more * (self.machine_nanousd + self.owned.storage_nanousd_month)

    @property
    def each_nanousd(self) -> Floats:
        """One more needed machine among many, with its share of a crew."""
        more, _ = self.owned.slope()
        return self.within_nanousd + more * self._crew_nanousd

    @property
    def first_nanousd(self) -> tuple[Floats, Floats]:
        """What comes with the first machine whatever follows: while every crew is full, and with people who are not."""
        _, spare = self.owned.slope()
        full: Floats = self.owned.platform_nanousd_month + spare * (self.machine_nanousd + self._crew_nanousd)
        return full, full + self.people_nanousd

    @property
    def _crew_nanousd(self) -> Floats:
        """A paid machine's share of a full crew."""
        crew = self.owned.crew_machines
        return self.people_nanousd / crew if crew else np.zeros_like(self.people_nanousd)

    def nanousd(self, machines: Floats) -> Floats:
        """A whole number of needed machines per draw."""
        return self.owned.drawn_nanousd(machines, self.machine_nanousd, self.people_nanousd)

    def whole_numbers(self, machines: Floats) -> list[Floats]:
        """Where the cheapest whole number may lie: beside the fractional one, and where zones are even or crews are full."""
        even, (more, spare) = max(1, self.owned.zones - 1), self.owned.slope()
        beside = [np.floor(machines), np.ceil(machines)]
        if even > 1:
            beside += [np.floor(machines / even) * even, np.ceil(machines / even) * even]
        if self.owned.crew_machines:
            crews = (more * machines + spare) / self.owned.crew_machines
            beside += [self.full(np.floor(crews)), self.full(np.ceil(crews))]
        return beside

    def full(self, crews: Floats) -> Floats:
        """The most needed machines that so many crews can run."""
        more, spare = self.owned.slope()
        return np.floor((crews * self.owned.crew_machines - spare) / more + 1e-9)


def _drift(value: Mapping[InputName, Floats], hosted: bool) -> Floats:
    """The price against its point: each kind of API drifts on its own, and a host counts in the owned model's tokens."""
    return value["hosted_price"] * value["token_ratio"] if hosted else value["api_price"]


def _left_over(subject: Subject, share: Floats, value: Mapping[InputName, Floats]) -> Floats:
    """Shape (draws, capacities), at today's volume: the bill of what spills, and what served requests cost beside machines."""
    profile, surface, length = subject.profile, subject.surface, value["output_length"]
    drift = _drift(value, subject.peak_hosted)
    left: Floats = (subject.to_month * drift * profile.input_nanousd.sum())[:, None] * surface.rows(surface.input_bill, share)
    left += (subject.to_month * drift * length * profile.output_nanousd.sum())[:, None] * surface.rows(surface.output_bill, share)
    if subject.marginal_nanousd:
        left += (subject.to_month * subject.marginal_nanousd * value["token_ratio"] * length)[:, None] * (
            1 - surface.rows(surface.work, share)
        )
    return left


def _volumes(values: Floats) -> VolumeInterval:
    return VolumeInterval(**{name: None if np.isinf(v) else v for name, v in interval(values)._asdict().items()})


def _first_volume(capacities: Floats, left: Floats, fleet: _Fleet) -> Floats:
    """The smallest multiple of today's volume at which some machines cost less than what they displace; infinite: none.

    m machines at volume s hold x = m machine / s and pay from s (left(0) - left(x)) >= cost(m) on, that is while
    (left(0) - left(x)) / x >= cost(m) / m / machine; the left side falls in x. For fractional m the best x gains
    `slope` per volume, so that what comes with the first machine / slope is the volume and names the m to look around.
    """
    gain = left[:, :1] - left
    net = gain - fleet.each_nanousd[:, None] * capacities / fleet.machine[:, None]
    best = np.argmax(net, axis=1)
    slope = np.take_along_axis(net, best[:, None], axis=1)[:, 0]
    first = np.full(len(slope), np.inf)
    row = np.arange(len(slope))
    for machines in _tried(best, slope, capacities, fleet):
        asked = fleet.nanousd(machines) / machines / fleet.machine
        paying = (gain[:, 1:] >= asked[:, None] * capacities[1:]).sum(axis=1)
        right = np.minimum(paying + 1, len(capacities) - 1)
        width = np.where(right > paying, capacities[right] - capacities[paying], 1.0)
        steep = (gain[row, right] - gain[row, paying]) / width
        free = np.full_like(asked, np.inf)
        reach = np.divide(gain[row, paying] - steep * capacities[paying], asked - steep, out=free, where=asked > steep)
        volume = np.where(paying > 0, machines * fleet.machine / np.where(paying > 0, reach, 1.0), np.inf)
        first = np.minimum(first, volume)
    return first


def _tried(best: Ints, slope: Floats, capacities: Floats, fleet: _Fleet) -> Iterator[Floats]:
    """Numbers of machines beside those that `slope` names, and the first few and the first full crews whatever it says: a small
    fleet with zones and crews pays by steps."""
    crewed = fleet.owned.crew_machines > 0
    for count in (1.0, 2.0, 3.0, 4.0):
        yield np.full_like(slope, count)
        if crewed:
            yield np.maximum(1.0, fleet.full(np.full_like(slope, count)))
    for first_nanousd in fleet.first_nanousd if crewed else fleet.first_nanousd[1:]:
        asked = np.divide(first_nanousd * capacities[best], slope * fleet.machine, out=np.zeros_like(slope), where=slope > 0)
        start = np.minimum(np.maximum(1.0, np.floor(asked)), _MOST_MACHINES)
        yield from (start + 1, start + 2)
        yield from (np.maximum(1.0, machines) for machines in fleet.whole_numbers(start))


def _tornado(subject: Subject, ranges: Ranges) -> tuple[int, list[Swing]]:
    """The margin at the points, and every input's swing: those that turn the answer first, then by size."""
    steps = np.linspace(0.0, 1.0, _STEPS)
    drawn = np.full((len(INPUTS), _STEPS, len(INPUTS)), 0.5)
    for place in range(len(INPUTS)):
        drawn[place, :, place] = steps
    outcome = outcomes(subject, ranges, drawn.reshape(-1, len(INPUTS)))
    margins = (outcome.rented - outcome.owning).reshape(len(INPUTS), _STEPS)
    swings = []
    for name, margin in zip(INPUTS, margins, strict=True):
        given = ranges[name]
        swings.append(
            Swing(
                input=name,
                low=given.low,
                point=given.point,
                high=given.high,
                unit=given.unit,
                margin_low_nanousd_month=round(margin[0]),
                margin_high_nanousd_month=round(margin[-1]),
                flips_at=None if _sensitive(subject.profile) else _flip(given.at(steps), margin),
            )
        )
    swings.sort(
        key=lambda s: (s.flips_at is None, -abs(s.margin_high_nanousd_month - s.margin_low_nanousd_month), s.input),
    )
    return round(margins[0, _STEPS // 2]), swings


def _flip(values: Floats, margin: Floats) -> float | None:
    """The value nearest to the point where the margin changes its sign, between two steps by a straight line."""
    middle = len(values) // 2
    owning = margin > 0
    turned = np.flatnonzero(owning != owning[middle])
    if not len(turned):
        return None
    beyond = int(turned[np.argmin(np.abs(turned - middle))])
    before = beyond + (1 if beyond < middle else -1)
    part = margin[before] / (margin[before] - margin[beyond])
    return float(values[before] + part * (values[beyond] - values[before]))


def _sensitive(profile: Profile) -> bool:
    return bool(profile.sensitive_prefill_s.any() or profile.sensitive_decode_s.any())
