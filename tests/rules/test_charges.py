"""Attempts as lines of a bill: whatever was used, at whatever prices, the lines add up to what was booked and what was used."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from freehold.core.money import MILLION
from freehold.core.price import PriceCard, Rate
from freehold.core.usage import Usage
from freehold.rules.charges import TOKEN_METERS, Billed, Charge, charges
from freehold.rules.price import cost_nanousd

rates = st.builds(
    Rate, st.integers(0, 10**12), st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 10**12)), max_size=2).map(tuple)
)
cards = st.builds(
    PriceCard, provider=st.sampled_from(["openai", "lab"]), model=st.just("m"), input=rates, output=rates,
    cache_read=st.none() | rates, cache_write=st.none() | rates, cache_write_1h=st.none() | rates,
    input_audio=st.none() | rates, cache_read_audio=st.none() | rates, reasoning=st.none() | rates,
    output_audio=st.none() | rates, nanousd_per_request=st.sampled_from([0, 0, 1, 5_000_000]),
    valid_from=st.just("2026-11-01"), source=st.just("tests"),
)  # fmt: skip
counts = st.sampled_from([0, 0, 1]) | st.integers(0, 5_000)
tokens = st.tuples(*[counts] * len(TOKEN_METERS))


@st.composite
def attempts(draw: st.DrawFn) -> list[Billed]:
    """Some hours of attempts at two targets, at two cards, priced as the gateway prices them."""
    known = {"a": draw(cards), "b": draw(cards)}
    found = []
    for hour in sorted(draw(st.lists(st.integers(0, 3), max_size=25))):
        used, price_id = draw(tokens), draw(st.sampled_from(["a", "b"]))
        who = (draw(st.sampled_from(["x", "y"])), "m", "w", draw(st.sampled_from(["k", "l"])))
        found.append(Billed(hour * 3600, *who, False, "provider", used, cost(known[price_id], used), price_id, known[price_id]))
    return found


def cost(card: PriceCard, used: tuple[int, ...]) -> int:
    n = dict(zip(TOKEN_METERS, used, strict=True))
    read, write = n["cache_read"] + n["cache_read_audio"], n["cache_write"] + n["cache_write_1h"]
    usage = Usage(
        input_tokens=n["input"] + n["input_audio"] + read + write, output_tokens=n["output"] + n["reasoning"] + n["output_audio"],
        cache_read=read, cache_write=write, reasoning=n["reasoning"], cache_write_1h=n["cache_write_1h"],
        input_audio=n["input_audio"], cache_read_audio=n["cache_read_audio"], output_audio=n["output_audio"], source="provider",
    )  # fmt: skip
    assert usage.buckets() == n
    return cost_nanousd(card, usage)


def plain(*counted: int) -> tuple[int, ...]:
    """Of the meters that every provider has, and nothing of the others."""
    return (*counted, *[0] * (len(TOKEN_METERS) - len(counted)))


def one(used: tuple[int, ...], cost_nanousd: int, card: PriceCard | None) -> list[Charge]:
    return list(charges([Billed(0, "t", "m", "w", "k", False, "provider", used, cost_nanousd, "a" if card else None, card)]))


@given(attempts())
def test_the_lines_add_up_to_the_attempts(given: list[Billed]) -> None:
    lines = list(charges(given))
    booked: Counter[tuple[int, str, str]] = Counter()
    used: Counter[tuple[int, str, str, str]] = Counter()
    for attempt in given:
        who = (attempt.hour, attempt.target, attempt.key)
        booked[who] += attempt.cost_nanousd
        for meter, n in zip(TOKEN_METERS, attempt.tokens, strict=True):
            used[*who, meter] += n
    for line in lines:
        who = (line.hour, line.target, line.key)
        booked[who] -= line.cost_nanousd
        used[*who, line.meter] -= line.quantity
    assert not any(booked.values())
    assert not any(n for (*_, meter), n in used.items() if meter != "request")


@given(attempts())
def test_a_line_differs_from_its_price_by_the_attempts_rounding_alone(given: list[Billed]) -> None:
    for line in charges(given):
        assert line.unit_nanousd is not None
        exact = line.quantity * line.unit_nanousd * (MILLION if line.meter == "request" else 1)
        assert line.cost_nanousd >= 0
        assert abs(line.cost_nanousd * MILLION - exact) <= MILLION * (1 + len(given) / 2)


@given(attempts())
def test_the_same_attempts_give_the_same_lines_and_hours_in_order(given: list[Billed]) -> None:
    lines = list(charges(given))
    assert lines == list(charges(given))
    assert all(a.hour <= b.hour for a, b in pairwise(lines))


def test_a_tier_is_a_line_of_its_own_and_reasoning_costs_as_output_does() -> None:
    card = PriceCard(
        provider="p", model="m", input=Rate(2_000_000, ((10, 4_000_000),)), output=Rate(6_000_000), nanousd_per_request=5,
        valid_from="2026-11-01", source="tests",
    )  # fmt: skip
    small, large = plain(4, 2, 0, 3, 2), plain(11, 0, 0, 1)
    both = [Billed(0, "t", "m", "w", "k", False, "provider", used, cost(card, used), "a", card) for used in (small, large, small)]
    found = [(c.meter, c.quantity, c.unit_nanousd, c.cost_nanousd) for c in charges(both)]
    assert found == [
        ("input", 8, 2_000_000, 16), ("cache_read", 4, 2_000_000, 8), ("output", 6, 6_000_000, 36),
        ("reasoning", 4, 6_000_000, 24), ("request", 2, 5, 10),
        ("input", 11, 4_000_000, 44), ("output", 1, 6_000_000, 6), ("request", 1, 5, 5),
    ]  # fmt: skip


def test_what_was_booked_is_never_lost_even_without_a_price_or_tokens() -> None:
    assert [(c.meter, c.unit_nanousd, c.cost_nanousd) for c in one(plain(3, 0, 0, 1, 0), 9, None)] == [
        ("input", None, 6), ("output", None, 3)
    ]  # fmt: skip
    assert [(c.meter, c.quantity, c.cost_nanousd) for c in one(plain(0, 0, 0, 0, 0), 9, None)] == [("request", 1, 9)]
    assert one(plain(0, 0, 0, 0, 0), 0, None) == []
