"""One API's bill: request by request, split into what input and output cost."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.price import PriceCard, Rate
from freehold.plan.demand.traffic import Traffic
from freehold.plan.renting.bill import bill_of
from freehold.plan.renting.rented import request_costs_nanousd


def traffic(*rows: tuple[int, int, int]) -> Traffic:
    """Requests of input, cached and output tokens, a second apart."""
    table = np.array(rows, dtype=np.int64)
    held = np.zeros(len(rows), dtype=np.bool_)
    return Traffic(np.arange(len(rows), dtype=float), table[:, 0], table[:, 1], table[:, 2], held, float(len(rows)))


def card(per_request: int = 0) -> PriceCard:
    """$2 in, $0.50 cached, $10 out per million; more for long prompts."""
    return PriceCard(
        provider="p", model="m", input=Rate(2 * 10**9, ((1_000, 4 * 10**9),)), cache_read=Rate(5 * 10**8),
        output=Rate(10**10, ((1_000, 2 * 10**10),)), nanousd_per_request=per_request, valid_from="2026-01-01", source="test",
    )  # fmt: skip


def test_input_and_output_of_each_request_by_hand() -> None:
    bill = bill_of(card(), traffic((1_000, 400, 50), (2_000, 0, 50), (100, 0, 0)))
    # 600 x 2,000 + 400 x 500 + 50 x 10,000; beyond 1,000 tokens of input twice the prices; no answer costs its input.
    assert bill.nanousd.tolist() == [1_900_000, 9_000_000, 200_000]
    assert bill.input_nanousd.tolist() == [1_400_000, 8_000_000, 200_000]
    asked, answered = bill.parts()
    assert (asked.sum(), answered.sum()) == (9_600_000, 1_500_000)
    assert (bill.label, bill.hosted, bill.total_nanousd) == ("p/m", False, 11_100_000)


def test_the_fee_of_a_request_belongs_to_its_input() -> None:
    bill = bill_of(card(per_request=7), traffic((100, 0, 10)))
    assert (bill.nanousd.tolist(), bill.input_nanousd.tolist()) == ([300_007], [200_007])


def test_traffic_without_input_is_all_output() -> None:
    bill = bill_of(card(per_request=7), traffic((0, 0, 10), (0, 0, 20)))
    assert bill.input_nanousd.tolist() == [0, 0]
    assert bill.nanousd.tolist() == [100_007, 200_007]


requests = st.tuples(st.integers(0, 5_000), st.floats(0, 1), st.integers(0, 2_000)).map(lambda r: (r[0], int(r[0] * r[1]), r[2]))


@given(st.lists(requests, min_size=1, max_size=20).filter(lambda rows: any(i + o for i, _, o in rows)), st.integers(0, 100))
def test_the_parts_are_the_whole_and_the_whole_is_the_price(rows: list[tuple[int, int, int]], hundredths: int) -> None:
    seen, multiplier = traffic(*rows), Fraction(hundredths, 100)
    bill = bill_of(card(9), seen, multiplier, hosted=True)
    assert bill.nanousd.tolist() == request_costs_nanousd(card(9), seen, multiplier).tolist()
    assert bill.hosted
    asked, answered = bill.parts()
    assert (asked >= 0).all()
    assert (answered >= 0).all()
    assert asked + answered == pytest.approx(bill.nanousd.astype(float))
    assert bill.total_nanousd <= bill_of(card(9), seen).total_nanousd
