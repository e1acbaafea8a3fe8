"""Budgets as arithmetic: whose account, which period, and a bound that no bill within it exceeds."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.data import DataClass
from freehold.core.price import PriceCard, Rate, Rates
from freehold.core.request import Request
from freehold.core.target import Target
from freehold.core.usage import Usage
from freehold.rules.budget import Budget, Unbounded, accounts_of, bound_nanousd, period_end
from freehold.rules.price import cost_nanousd

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
TEAM = Budget(name="red", scope="team", match="red", period="month", limit_nanousd=10)
EACH = Budget(name="keys", scope="key", match=None, period="day", limit_nanousd=10)
CARD = PriceCard(provider="p", model="m", input=Rate(2_500_000_000), output=Rate(10_000_000_000), valid_from="x", source="t")


def target(**more: int) -> Target:
    base = Target(name="api", kind="rented", codec="openai", url="http://x", model="m", clearance=DataClass.public)
    return msgspec.structs.replace(base, **more)


def request(body: int = 100, **more: object) -> Request:
    fields = {"messages": msgspec.Raw(b"[" + b" " * (body - 2) + b"]")}
    return Request(dialect="openai_chat", model="m", fields=fields, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("budget", "caller", "owner", "period"),
    [
        (TEAM, {"team": "red", "key": "a"}, "red", "2026-11"),
        (TEAM, {"team": "blue", "key": "a"}, None, None),
        (TEAM, {"team": None, "key": "a"}, None, None),
        (EACH, {"team": "red", "key": "a"}, "keys/a", "2026-11-30"),
        (EACH, {"team": "red", "key": None}, None, None),
    ],
)
def test_whose_account(budget: Budget, caller: dict[str, str | None], owner: str | None, period: str | None) -> None:
    account = budget.account(caller, NOON)  # type: ignore[arg-type]
    assert (None if account is None else (account.owner, account.period)) == (None if owner is None else (owner, period))


def test_the_order_is_the_same_however_they_are_configured() -> None:
    caller = {"team": "red", "key": "a"}
    one = accounts_of((TEAM, EACH), caller, NOON)  # type: ignore[arg-type]
    assert one == accounts_of((EACH, TEAM), caller, NOON)  # type: ignore[arg-type]
    assert [account.owner for account in one] == ["keys/a", "red"]


@given(st.floats(0, 4e9), st.sampled_from(["day", "month"]))
def test_a_period_ends_after_each_of_its_moments_and_another_begins_there(now: float, period: str) -> None:
    account = msgspec.structs.replace(EACH, period=period).account({"key": "a"}, now)
    assert account is not None
    end = period_end(account)
    assert now < end <= now + 31 * 86_400
    following = msgspec.structs.replace(EACH, period=period).account({"key": "a"}, end)
    assert following is not None
    assert following.period > account.period


rates = st.builds(
    Rate, st.integers(0, 10**11),
    st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 10**11)), max_size=2).map(lambda tiers: tuple(sorted(tiers))),
)  # fmt: skip
maybe = st.none() | rates
kinds = {
    "input": rates, "output": rates, "cache_read": maybe, "cache_write": maybe, "cache_write_1h": maybe, "input_audio": maybe,
    "cache_read_audio": maybe, "reasoning": maybe, "output_audio": maybe,
}  # fmt: skip
services = st.dictionaries(st.sampled_from(["flex", "priority"]), st.builds(Rates, **kinds), max_size=2).map(
    lambda found: tuple(found.items())
)
cards = st.builds(
    PriceCard, provider=st.just("p"), model=st.just("m"), **kinds, services=services,
    nanousd_per_request=st.integers(0, 10**9), valid_from=st.just("x"), source=st.just("t"),
)  # fmt: skip


@given(st.data(), st.lists(cards, min_size=1, max_size=3), st.integers(2, 2000), st.integers(1, 4), st.integers(1, 500))
def test_no_bill_within_the_bound_exceeds_it(data: st.DataObject, prices: list[PriceCard], body: int, n: int, cap: int) -> None:
    asked = request(body, choices=n, most_output_tokens=cap)
    bound = bound_nanousd(asked, [(target(), card) for card in prices])
    total = 0
    for card in prices:
        tokens, output = data.draw(st.integers(0, body)), data.draw(st.integers(0, n * cap))
        read = data.draw(st.integers(0, tokens))
        written = data.draw(st.integers(0, tokens - read))
        thought = data.draw(st.integers(0, output))
        usage = Usage(
            input_tokens=tokens, output_tokens=output, cache_read=read, cache_write=written, reasoning=thought,
            cache_write_1h=data.draw(st.integers(0, written)), input_audio=data.draw(st.integers(0, tokens - read - written)),
            cache_read_audio=data.draw(st.integers(0, read)), output_audio=data.draw(st.integers(0, output - thought)),
            source="provider",
        )  # fmt: skip
        total += cost_nanousd(card.served(data.draw(st.sampled_from([None, "flex", "priority", "other"]))), usage)
    assert total <= bound


def test_owned_attempts_bill_nothing_and_bound_nothing() -> None:
    assert bound_nanousd(request(), [(target(), None)]) == 0


@pytest.mark.parametrize(
    ("asked", "place", "answer"),
    [
        (request(most_output_tokens=7), target(), 7),
        (request(most_output_tokens=7), target(max_output_tokens=5), 5),
        (request(), target(max_output_tokens=5), 5),
        (request(), target(context_tokens=900), 900),
        (request(choices=3, most_output_tokens=7), target(), 21),
        (request(choices=2, most_output_tokens=7, predicted_bytes=40), target(), 94),
    ],
)
def test_the_least_cap_bounds_the_answer(asked: Request, place: Target, answer: int) -> None:
    free_input = msgspec.structs.replace(CARD, input=Rate(0))
    assert bound_nanousd(asked, [(place, free_input)]) == answer * 10_000


@pytest.mark.parametrize(
    ("asked", "place", "what"),
    [
        (request(), target(), "output"),
        (request(most_output_tokens=7, needs=frozenset({"vision"})), target(max_output_tokens=5), "input"),
    ],
)
def test_what_nothing_bounds(asked: Request, place: Target, what: str) -> None:
    with pytest.raises(Unbounded) as told:
        bound_nanousd(asked, [(place, CARD)])
    assert (told.value.target, told.value.what) == ("api", what)


def test_media_is_bounded_by_the_context() -> None:
    asked = request(most_output_tokens=1, needs=frozenset({"vision"}))
    free_output = msgspec.structs.replace(CARD, output=Rate(0))
    assert bound_nanousd(asked, [(target(context_tokens=1000), free_output)]) == 1000 * 2_500
