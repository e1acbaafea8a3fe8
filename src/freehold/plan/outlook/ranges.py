"""Between which values the uncertain inputs of a plan may lie: from what is known of each, unless somebody states it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from freehold.core.errors import BadSettings
from freehold.plan.demand.traffic import DAY_S, Traffic
from freehold.plan.inputs import INPUTS, InputName, Range, Source
from freehold.plan.owning.terms import PlanTerms

Ranges: TypeAlias = Mapping[InputName, Range]
_Ends: TypeAlias = tuple[float, float, Source, str]

_UNITS: dict[InputName, str] = {"max_utilisation": "of a replica", "people_fte": "full-time"}
_STATED = "stated range"


class Grounds(NamedTuple):
    """Where the points come from. `experts`: the owned model is a mixture of experts; `bought`: the machine is own metal;
    `bucketed`: traffic came as sums over time, so that peaks inside them were never seen;
    `interval`: that of the speeds, where they were simulated."""

    price: Source
    machine: Source
    speed: Source
    experts: bool = False
    bought: bool = False
    bucketed: bool = False
    interval: tuple[float, float] | None = None


def default_ranges(traffic: Traffic, terms: PlanTerms, grounds: Grounds) -> Ranges:
    """The range of every input, given where its point comes from.

    Raises BadSettings on a stated range (`terms.ranges`) that is none.
    """
    ends: dict[InputName, _Ends] = {
        "api_price": (
            0.6,
            1.2,
            "default",
            "drift either way: same-name models were seen at -75 % and +18 % within a year (2026-11)",
        ),
        "hosted_price": (
            0.6,
            1.3,
            "default",
            "drift either way: one host's price for one model was seen 18 % apart within a year (2026-01, 2026-11)",
        ),
        "gpu_price": _machine(grounds),
        "prefill_speed": _speed(grounds),
        "decode_speed": _speed(grounds),
        "max_utilisation": (
            max(0.01, (0.4 if grounds.bucketed else 0.8) * terms.max_utilisation),
            min(1.0, 1.2 * terms.max_utilisation),
            "default",
            "traffic came as sums over time: peaks inside them need headroom that nobody saw"
            if grounds.bucketed
            else "how much headroom short queues need is not known before a load test",
        ),
        "volume": _volume(traffic),
        "output_length": (0.8, 1.25, "default", "answers get longer or shorter as prompts and models change"),
        "token_ratio": (0.85, 1.2, "default", "two models' tokenizers count the same text differently"),
        "people_fte": _people(terms),
    }
    points: dict[InputName, float] = {"max_utilisation": terms.max_utilisation, "people_fte": terms.people_fte}
    stated = _stated(terms.ranges)
    if grounds.price == "user" and "api_price" not in stated:
        ends["api_price"] = (0.8, 1.2, "default", "a stated price, until it is renegotiated")
    made: dict[InputName, Range] = {}
    for name in INPUTS:
        low, high, source, origin = stated.get(name, ends[name])
        point = points.get(name, 1.0)
        if not low <= point <= high:
            raise BadSettings(f"range {name}={low:g}..{high:g} leaves out its point {point:g}; widen it or change the point")
        unit = _UNITS.get(name, "times the point")
        made[name] = Range(name=name, low=low, point=point, high=high, unit=unit, source=source, origin=origin)
    return made


def _machine(grounds: Grounds) -> _Ends:
    if grounds.bought:
        return 0.75, 1.35, "default", "a quote, electricity and colocation differ from place to place"
    if grounds.machine == "user":
        return 0.95, 1.05, "user", "a stated price"
    return 0.65, 1.35, "default", "drift either way: list prices were seen to move by -44 % to +36 % (2025-03 to 2026-07)"


def _speed(grounds: Grounds) -> _Ends:
    if grounds.interval is not None and grounds.speed == "measured":
        return *grounds.interval, "measured", "80 % interval from the loads that the target's calibration had not seen"
    if grounds.interval is not None:
        return *grounds.interval, "default", "80 % interval of the step-time model, from published curves left out of its fit"
    if grounds.speed != "default":
        return 0.9, 1.1, grounds.speed, "measured under one load; another mix runs a little differently"
    if grounds.experts:
        return 0.3, 1.1, "default", "first-cut figure: 1.2 to 3.2 times too fast for mixtures of experts"
    return (
        0.55,
        1.25,
        "default",
        "first-cut figure: published over predicted 0.74 to 1.28, and some engines reach 70 % of the best",
    )


def _people(terms: PlanTerms) -> _Ends:
    if terms.people_fte and "people_fte" not in terms.chosen:
        return 0.1, 1.0, "default", "nobody was stated; somebody runs it, how much is not known"
    if terms.people_fte:
        return 0.5 * terms.people_fte, 1.5 * terms.people_fte, "default", "half to one and a half times the stated people"
    return 0.0, 0.0, "user", "stated: nobody is counted"


def _volume(traffic: Traffic) -> _Ends:
    if traffic.declared:
        return 0.8, 1.25, "default", "declared, not observed"
    if traffic.span_s >= 14 * DAY_S * 0.99:
        return 0.9, 1.1, "measured", "two weeks or more were seen"
    if traffic.span_s >= DAY_S * 0.99:
        return 0.8, 1.25, "measured", "a day or more was seen, not two weeks"
    return 0.5, 2.0, "measured", "less than a day was seen and is taken for the month"


def _stated(texts: Iterable[str]) -> dict[InputName, _Ends]:
    found: dict[InputName, _Ends] = {}
    for text in texts:
        name, _, ends = text.partition("=")
        known = next((n for n in INPUTS if n == name.strip()), None)
        if known is None:
            raise BadSettings(f"range {text!r} names no input; use one of {', '.join(INPUTS)}")
        low, _, high = ends.partition("..")
        try:
            found[known] = (float(low), float(high), "user", _STATED)
        except ValueError:
            raise BadSettings(f"range {text!r} has no two ends; write {known}=0.8..1.3") from None
        least = 0.0 if known == "people_fte" else 0.01
        most = 1.0 if known == "max_utilisation" else 1000.0
        if not least <= found[known][0] <= found[known][1] <= most:
            raise BadSettings(f"range {text!r} is outside {least:g} to {most:g} or upside down; write {known}=0.8..1.3")
    return found
