"""Rented attempts as lines of a bill, one an hour, user and meter, that add up to what the attempts cost, to the nano-dollar.

An attempt's cost is rounded once, over all its meters. So a line has two amounts: what quantity and price give, exactly, and its
part of what was booked, which differs by that rounding.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from freehold.core.money import MILLION
from freehold.core.price import PriceCard
from freehold.core.usage import BUCKETS, INPUT_BUCKETS, Bucket, UsageSource
from freehold.rules.allocation import part_of

Meter: TypeAlias = Bucket | Literal["request"]
TOKEN_METERS: tuple[Bucket, ...] = BUCKETS


class Billed(msgspec.Struct, frozen=True):
    """One attempt at a rented target. `hour`: start of the hour its request came in, Unix seconds; `tokens`: by token meter."""

    hour: int
    target: str
    model: str
    workload: str
    key: str
    lab: bool
    source: UsageSource | None
    tokens: tuple[int, ...]
    cost_nanousd: int
    price_id: str | None
    price: PriceCard | None


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What one workload and key used of one meter at one price in one hour.

    `unit_nanousd` is the price of a million tokens or of one request, None where none is known; `cost_nanousd` is its part of
    what was booked.
    """

    hour: int
    target: str
    model: str
    workload: str
    key: str
    lab: bool
    source: UsageSource | None
    price_id: str | None
    price: PriceCard | None
    meter: Meter
    quantity: int
    unit_nanousd: int | None
    cost_nanousd: int


class ImportedUse(msgspec.Struct, frozen=True):
    """Imported use of one workload and model in one stretch of time (Unix seconds), as its source billed it.

    `meter` is None where tokens of several kinds share the cost; `requests` is None where the source did not count them.
    """

    start: int
    end: int
    provider: str | None
    model: str | None
    workload: str
    meter: Meter | None
    requests: int | None
    input_tokens: int
    cache_read: int
    output_tokens: int
    cost_nanousd: int


class _Line:
    """What adds up while an hour is read: tokens by meter, attempts, and their cost."""

    __slots__ = ("attempts", "cost_nanousd", "first", "rates", "tokens")

    def __init__(self, first: Billed, rates: Sequence[int | None]) -> None:
        self.first, self.rates = first, rates
        self.tokens = [0] * len(TOKEN_METERS)
        self.attempts = self.cost_nanousd = 0


def charges(attempts: Iterable[Billed]) -> Iterator[Charge]:
    """The lines of the bill. Attempts come in order of their hours; no more than one hour is held at a time."""
    lines: dict[tuple[object, ...], _Line] = {}
    hour: int | None = None
    for attempt in attempts:
        if attempt.hour != hour:
            yield from _bill(lines)
            lines, hour = {}, attempt.hour
        rates = _rates(attempt)
        who = (attempt.target, attempt.model, attempt.workload, attempt.key, attempt.lab, attempt.source, attempt.price_id, rates)
        line = lines.get(who)
        if line is None:
            line = lines[who] = _Line(attempt, rates)
        line.attempts += 1
        line.cost_nanousd += attempt.cost_nanousd
        for n, tokens in enumerate(attempt.tokens):
            line.tokens[n] += tokens
    yield from _bill(lines)


def _rates(attempt: Billed) -> tuple[int | None, ...]:
    """Nano-dollars a million tokens of each meter, in the tier that this request's input falls in."""
    card = attempt.price
    if card is None:
        return (None,) * len(TOKEN_METERS)
    size = sum(tokens for meter, tokens in zip(TOKEN_METERS, attempt.tokens, strict=True) if meter in INPUT_BUCKETS)
    return tuple(card.of(meter).at(size) for meter in TOKEN_METERS)


def _bill(lines: dict[tuple[object, ...], _Line]) -> Iterator[Charge]:
    for line in lines.values():
        meters = _meters(line)
        amounts = [quantity * (unit or 0) * (MILLION if meter == "request" else 1) for meter, quantity, unit in meters]
        # Nothing has a price, yet something was booked: it goes where the quantity is, for it must not get lost.
        weights = amounts if any(amounts) else [quantity for _, quantity, _ in meters]
        total, before = sum(weights), 0
        for (meter, quantity, unit), weight in zip(meters, weights, strict=True):
            yield _charge(line, meter, quantity, unit, part_of(line.cost_nanousd, before, weight, total))
            before += weight


def _meters(line: _Line) -> list[tuple[Meter, int, int | None]]:
    found: list[tuple[Meter, int, int | None]] = [
        (meter, tokens, rate) for meter, tokens, rate in zip(TOKEN_METERS, line.tokens, line.rates, strict=True) if tokens
    ]
    fee = line.first.price.nanousd_per_request if line.first.price else None
    if fee or (line.cost_nanousd and not found):
        found.append(("request", line.attempts, fee))
    return found


def _charge(line: _Line, meter: Meter, quantity: int, unit_nanousd: int | None, cost_nanousd: int) -> Charge:
    of = line.first
    return Charge(
        hour=of.hour, target=of.target, model=of.model, workload=of.workload, key=of.key, lab=of.lab, source=of.source,
        price_id=of.price_id, price=of.price,
        meter=meter, quantity=quantity, unit_nanousd=unit_nanousd, cost_nanousd=cost_nanousd,
    )  # fmt: skip
