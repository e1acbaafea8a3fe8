from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.price import PriceCard, Rate
from freehold.core.usage import Usage
from freehold.plan.demand.traffic import Traffic
from freehold.plan.renting.rented import request_costs_nanousd, split_costs_nanousd
from freehold.rules.price import cost_nanousd

# Whole nano-dollars a token, as most prices are, and any.
prices = st.integers(0, 10**6).map(lambda whole: whole * 10**6) | st.integers(0, 10**12)
rates = st.builds(Rate, prices, st.lists(st.tuples(st.integers(0, 10**6), prices), max_size=2).map(lambda t: tuple(sorted(t))))
requests = st.tuples(st.integers(0, 2_000_000), st.floats(0, 1), st.integers(0, 200_000)).map(
    lambda r: (r[0], int(r[0] * r[1]), r[2])
)
cards = st.builds(
    PriceCard,
    provider=st.just("p"),
    model=st.just("m"),
    input=rates,
    output=rates,
    cache_read=st.none() | rates,
    nanousd_per_request=st.integers(0, 10**9),
    valid_from=st.just("2026-01-01"),
    source=st.just("test"),
)


def traffic_of(rows: list[tuple[int, int, int]]) -> Traffic:
    table = np.array([*rows, (1, 0, 0)], dtype=np.int64)
    return Traffic(
        np.arange(len(table), dtype=float), table[:, 0], table[:, 1], table[:, 2], np.zeros(len(table), dtype=bool), 10.0
    )


@given(cards, st.lists(requests, min_size=1, max_size=20), st.sampled_from([1, Decimal("0.5"), Fraction(17, 20), Fraction(1, 3)]))
def test_a_column_costs_what_its_requests_cost_one_by_one(
    card: PriceCard, rows: list[tuple[int, int, int]], multiplier: Fraction | Decimal | int
) -> None:
    found = request_costs_nanousd(card, traffic_of(rows), multiplier)[:-1].tolist()
    one_by_one = [Usage(input_tokens=i, cache_read=c, output_tokens=o, source="provider") for i, c, o in rows]
    assert found == [cost_nanousd(card, usage, multiplier=multiplier) for usage in one_by_one]


@given(cards, st.lists(requests, min_size=1, max_size=20), st.sampled_from([1, Fraction(17, 20)]))
def test_the_part_of_the_input_is_what_a_request_costs_without_its_answer(
    card: PriceCard, rows: list[tuple[int, int, int]], multiplier: Fraction | int
) -> None:
    whole, silent = split_costs_nanousd(card, traffic_of(rows), multiplier)
    assert whole.tolist() == request_costs_nanousd(card, traffic_of(rows), multiplier).tolist()
    unanswered = [(tokens, cached, 0) for tokens, cached, _ in rows]
    assert silent.tolist() == request_costs_nanousd(card, traffic_of(unanswered), multiplier).tolist()


def test_a_tier_is_a_cliff_for_its_own_request_only() -> None:
    card = PriceCard(
        provider="p", model="m", input=Rate(1_250_000_000, ((200_000, 2_500_000_000),)), output=Rate(0), valid_from="", source=""
    )  # fmt: skip
    costs = request_costs_nanousd(card, traffic_of([(200_000, 0, 0), (200_001, 0, 0)]))
    assert costs[0] == 250_000_000
    assert costs[1] == 200_001 * 2500


def test_a_negative_multiplier_is_refused() -> None:
    card = PriceCard(provider="p", model="m", input=Rate(1), output=Rate(1), valid_from="", source="")
    with pytest.raises(ValueError, match="0 or more"):
        request_costs_nanousd(card, traffic_of([(1, 0, 1)]), -1)
