"""What the ranges of the inputs make of a plan: intervals, how often owning wins, and which input turns the answer.

Ten thousand draws at once, none of them simulated: the surface of `spill` says what each draw spills. Total cost is convex
in the machines, so a draw's best number of machines lies beside the best column of its row.
"""

from dataclasses import dataclass

import msgspec
import numpy as np

from freehold.plan.inputs import INPUTS, InputName
from freehold.plan.owned import OwnedCost
from freehold.plan.ranges import Ranges
from freehold.plan.spill import Profile, SpillSurface, measure_spill
from freehold.plan.traffic import Floats
from freehold.stats.hypercube import latin_hypercube
from freehold.stats.intervals import interval

DRAWS = 10_000
SEED = 20_261_121

_STEPS = 81


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
    """What the draws say of one workload. `owned` owns the whole peak; `margin` is renting all less the cheapest with something
    owned, at the points. No break-even volume exists where sensitive work must be owned anyway."""

    draws: int
    seed: int
    p_owning_wins: float
    p_owning_never_pays: float
    rented_nanousd_month: Interval
    owned_nanousd_month: Interval
    best_nanousd_month: Interval
    first_tokens_per_day: VolumeInterval | None
    margin_nanousd_month: int
    tornado: list[Swing]


@dataclass(frozen=True)
class Subject:
    """One workload under uncertain inputs: its measured profile and what owning costs. `person_nanousd_month`: one full-time."""

    profile: Profile
    surface: SpillSurface
    owned: OwnedCost
    person_nanousd_month: int
    to_month: float
    input_tokens_per_day: float
    output_tokens_per_day: float


@dataclass(frozen=True)
class Outcome:
    """Per draw, nano-dollars a month; `first_tokens_per_day` is infinite where owning never pays."""

    rented: Floats
    owned: Floats
    owning: Floats
    best: Floats
    tokens_per_day: Floats
    first_tokens_per_day: Floats


def spill_surface(profile: Profile, ranges: Ranges) -> SpillSurface:
    """The surface over every mix of prefill and decode that the ranges allow."""
    prefill, decode, length = ranges["prefill_speed"], ranges["decode_speed"], ranges["output_length"]

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


def outcomes(subject: Subject, ranges: Ranges, drawn: Floats, growth: float = 1.0) -> Outcome:
    """What each draw costs. `drawn`: shape (draws, inputs), quantiles of the ranges in the order of INPUTS. `growth` multiplies
    the volume of every draw."""
    value = {name: ranges[name].at(drawn[:, place]) for place, name in enumerate(INPUTS)}
    profile, surface = subject.profile, subject.surface
    length, volume = value["output_length"], growth * value["volume"]
    prefill = profile.prefill_s.mean() / value["prefill_speed"]
    decode = profile.decode_s.mean() * length / value["decode_speed"]
    share = decode / (prefill + decode)
    machine = subject.owned.replicas_per_machine * value["max_utilisation"] * profile.window_s / (prefill + decode)
    price = subject.owned.machine_nanousd_month * value["gpu_price"]
    people = subject.person_nanousd_month * value["people_fte"]
    to_month = subject.to_month * value["api_price"]
    bill = to_month * (profile.input_nanousd_all + profile.output_nanousd_all * length)
    spilled = (to_month * profile.input_nanousd.sum())[:, None] * surface.rows(surface.input_bill, share)
    spilled += (to_month * length * profile.output_nanousd.sum())[:, None] * surface.rows(surface.output_bill, share)

    held_s = surface.rows(surface.peak_sensitive, share)
    least = np.maximum(1, np.ceil(held_s * volume / machine - 1e-9))
    most = np.maximum(least, np.ceil(surface.rows(surface.peak, share) * volume / machine - 1e-9))
    cost = spilled + price[:, None] * surface.capacities / machine[:, None]
    nearest = surface.capacities[np.argmin(np.where(surface.capacities < held_s[:, None], np.inf, cost), axis=1)]
    owning = np.full(len(bill), np.inf)
    for machines in (np.floor(nearest * volume / machine), np.ceil(nearest * volume / machine)):
        held = np.clip(machines, least, most)
        total = held * price + people + volume * surface.at(spilled, held * machine / volume)
        owning = np.minimum(owning, total)
    rented = volume * bill
    tokens = subject.input_tokens_per_day + subject.output_tokens_per_day * length
    return Outcome(
        rented=rented,
        owned=most * price + people,
        owning=owning,
        best=owning if _sensitive(profile) else np.minimum(rented, owning),
        tokens_per_day=tokens * volume,
        first_tokens_per_day=tokens * _first_volume(surface.capacities, spilled, machine, price, people),
    )


def _volumes(values: Floats) -> VolumeInterval:
    return VolumeInterval(**{name: None if np.isinf(v) else v for name, v in interval(values)._asdict().items()})


def _first_volume(capacities: Floats, spilled: Floats, machine: Floats, price: Floats, people: Floats) -> Floats:
    """The smallest multiple of today's volume at which some machines cost less than what they displace; infinite: none.

    m machines at volume s hold x = m machine / s and pay from s (bill - spilled(x)) >= m price + people on, that is while
    (bill - spilled(x)) / x >= (price + people / m) / machine; the left side falls in x. For fractional m the best x gains
    `slope` per volume, so that people / slope is the volume and names the m to look around.
    """
    gain = spilled[:, :1] - spilled
    net = gain - price[:, None] * capacities / machine[:, None]
    best = np.argmax(net, axis=1)
    slope = np.take_along_axis(net, best[:, None], axis=1)[:, 0]
    around = np.divide(people * capacities[best], slope * machine, out=np.zeros_like(slope), where=slope > 0)
    first = np.full(len(price), np.inf)
    row = np.arange(len(price))
    for more in range(3):
        machines = np.maximum(1.0, np.floor(around)) + more
        asked = (price + people / machines) / machine
        left = (gain[:, 1:] >= asked[:, None] * capacities[1:]).sum(axis=1)
        right = np.minimum(left + 1, len(capacities) - 1)
        width = np.where(right > left, capacities[right] - capacities[left], 1.0)
        steep = (gain[row, right] - gain[row, left]) / width
        free = np.full_like(asked, np.inf)
        reach = np.divide(gain[row, left] - steep * capacities[left], asked - steep, out=free, where=asked > steep)
        first = np.minimum(first, np.where(left > 0, machines * machine / np.where(left > 0, reach, 1.0), np.inf))
    return first


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
