"""What the hours of owned machines cost, and whose cost that is: the rule `slot-seconds`.

A machine is paid while it stands there. The money of an hour is divided among the attempts that ran at its target in that hour,
by the slot-seconds each used in it; an hour that nobody used stays idle, under its own name. No nano-dollar is lost or made up.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

import msgspec

from freehold.core.machine import MachineSpan, OwnedMachine

RULE = "slot-seconds"
HOUR_S = 3600
MICRO = 1_000_000
_HOUR_US = HOUR_S * MICRO


class MachineHour(msgspec.Struct, frozen=True, kw_only=True):
    """One target's machine in one hour (its start in Unix seconds): microseconds it stood there, and what they cost.

    `slot_us`: the same times the slots it had; None where nobody declared them.
    """

    hour: int
    machine: OwnedMachine
    up_us: int
    slot_us: int | None
    cost_nanousd: int


class HourUse(msgspec.Struct, frozen=True):
    """What one workload and key used of a target in one hour. Requests and their tokens count where the attempt began."""

    hour: int
    target: str
    model: str
    workload: str
    key: str
    requests: int
    input_tokens: int
    output_tokens: int
    busy_us: int


class OwnedShare(msgspec.Struct, frozen=True, kw_only=True):
    """Whose cost one target's hour was. `workload` and `key` None: nobody's, the machine stood idle all the hour.

    `hour` is its start in Unix seconds; `busy_slot_s` are seconds of attempts, clipped to the hour.
    """

    hour: int
    target: str
    model: str
    workload: str | None
    key: str | None
    requests: int
    input_tokens: int
    output_tokens: int
    busy_slot_s: float
    cost_nanousd: int
    lab: bool


def part_of(amount: int, before: int, weight: int, total: int) -> int:
    """The part of an amount that falls to a weight with `before` in front of it and `total` in all, above 0.

    As marks on a ruler: the parts of all weights add up to the amount, and each is exact to less than one unit.
    """
    return amount * (before + weight) // total - amount * before // total


def machine_hours(spans: Iterable[MachineSpan]) -> list[MachineHour]:
    """Hour by hour what each target's machine cost, in order.

    Spans of one target that overlap are one machine seen by several gateways: it is paid once, at the dearest of their prices.
    """
    of_target: dict[str, list[MachineSpan]] = defaultdict(list)
    for span in spans:
        of_target[span.machine.target].append(span)
    hours = [hour for name in sorted(of_target) for hour in _hours_of_one(of_target[name])]
    return sorted(hours, key=lambda h: (h.hour, h.machine.target))


def allocate(hours: Iterable[MachineHour], uses: Iterable[HourUse]) -> list[OwnedShare]:
    """The cost of every machine hour as shares that add up to it. Use where no machine has a cost has no share."""
    used: dict[tuple[int, str], list[HourUse]] = defaultdict(list)
    for use in uses:
        used[use.hour, use.target].append(use)
    shares: list[OwnedShare] = []
    for hour in hours:
        here = sorted(used[hour.hour, hour.machine.target], key=lambda u: (u.workload, u.key, u.model))
        total, before = sum(use.busy_us for use in here), 0
        for use in here:
            cost = part_of(hour.cost_nanousd, before, use.busy_us, total) if total else 0
            shares.append(_share(hour, use, cost))
            before += use.busy_us
        if not total:
            shares.append(_share(hour, None, hour.cost_nanousd))
    return shares


def _hours_of_one(spans: Sequence[MachineSpan]) -> Iterator[MachineHour]:
    found: dict[int, list[tuple[int, OwnedMachine]]] = defaultdict(list)
    for began, ended, machine in _stretches(spans):
        for n in range(began // _HOUR_US, (ended - 1) // _HOUR_US + 1):
            found[n].append((min(ended, (n + 1) * _HOUR_US) - max(began, n * _HOUR_US), machine))
    for n, pieces in sorted(found.items()):
        slots = [us * m.slots for us, m in pieces if m.slots is not None]
        yield MachineHour(
            hour=n * HOUR_S,
            machine=pieces[-1][1],
            up_us=sum(us for us, _ in pieces),
            slot_us=sum(slots) if len(slots) == len(pieces) else None,
            cost_nanousd=round(Fraction(sum(us * m.price_nanousd_h for us, m in pieces), _HOUR_US)),
        )


def _stretches(spans: Sequence[MachineSpan]) -> Iterator[tuple[int, int, OwnedMachine]]:
    """Times that do not overlap, in microseconds, each with the dearest machine seen in it."""
    timed = [(round(s.began_at * MICRO), round(s.seen_until * MICRO), s.machine) for s in spans]
    waiting = sorted(timed, key=lambda t: t[0], reverse=True)
    standing: list[tuple[int, int, OwnedMachine]] = []
    for start, end in pairwise(sorted({edge for began, ended, _ in timed for edge in (began, ended)})):
        while waiting and waiting[-1][0] <= start:
            standing.append(waiting.pop())
        standing = [t for t in standing if t[1] > start]
        if standing:
            yield start, end, max((machine for _, _, machine in standing), key=lambda m: m.price_nanousd_h)


def _share(hour: MachineHour, use: HourUse | None, cost: int) -> OwnedShare:
    return OwnedShare(
        hour=hour.hour,
        target=hour.machine.target,
        model=use.model if use else hour.machine.model,
        workload=use.workload if use else None,
        key=use.key if use else None,
        requests=use.requests if use else 0,
        input_tokens=use.input_tokens if use else 0,
        output_tokens=use.output_tokens if use else 0,
        busy_slot_s=use.busy_us / MICRO if use else 0.0,
        cost_nanousd=cost,
        lab=hour.machine.lab,
    )
