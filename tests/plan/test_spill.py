"""The surface against the load itself: on the public trace and on made-up loads."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.price import PriceCard, Rate
from freehold.lab.traces import open_trace
from freehold.plan.demand.traffic import Traffic
from freehold.plan.optimum.load import load_of
from freehold.plan.optimum.profile import measure_profile
from freehold.plan.optimum.spill import CAPACITIES, MIXES, SpillSurface, measure_spill
from freehold.plan.owning.capacity import Rates
from freehold.plan.renting.bill import bill_of

TRACES = Path(__file__).parents[2].parent / "shared" / "data" / "traces"
CARD = PriceCard(
    provider="p", model="m", input=Rate(2_500_000_000), output=Rate(10_000_000_000), valid_from="2026-01-01", source="test"
)


def pace(prefill: float = 20_000, decode: float = 2_000) -> Rates:
    return Rates(prefill_tok_s=prefill, decode_tok_s=decode, source="user", origin="test")


def direct(traffic: Traffic, rates: Rates, capacity: float) -> tuple[float, float]:
    """Spilled share of work and of the rentable bill at a capacity in means of a window, by the exact load."""
    load = load_of(measure_profile(traffic, rates, bill_of(CARD, traffic)))
    at = np.array([capacity * load.work_s.mean()])
    rentable = float(load.spilled_nanousd(np.zeros(1))[0])
    return float(load.spilled_s(at)[0] / load.total_s), float(load.spilled_nanousd(at)[0]) / rentable if rentable else 0.0


def interpolated(surface: SpillSurface, share: float, capacity: float, values: np.ndarray) -> float:
    return float(surface.at(surface.rows(values, np.array([share])), np.array([capacity]))[0])


def decode_share(traffic: Traffic, rates: Rates) -> float:
    decode = float(traffic.output_tokens.sum()) / rates.decode_tok_s
    return decode / (decode + float(traffic.input_tokens.sum()) / rates.prefill_tok_s)


@pytest.mark.skipif(not TRACES.exists(), reason="the public traces are not beside this checkout")
@pytest.mark.parametrize("name", ["azure_llm_2023_conv", "azure_llm_2023_code"])
def test_within_a_point_of_twenty_direct_evaluations_of_the_azure_traces(name: str) -> None:
    rows = list(open_trace(TRACES / f"{name}.csv.gz"))
    time_s = np.array([r.at for r in rows]) - rows[0].at
    traffic = Traffic(
        time_s=time_s,
        input_tokens=np.array([r.input_tokens for r in rows]),
        cache_read=np.zeros(len(rows), dtype=np.int64),
        output_tokens=np.array([r.output_tokens for r in rows]),
        sensitive=np.arange(len(rows)) % 5 == 0,
        span_s=float(time_s[-1]) * len(rows) / (len(rows) - 1),
    )
    slow, fast = pace(prefill=30_000, decode=1_000), pace(prefill=10_000, decode=3_000)
    surface = measure_spill(
        measure_profile(traffic, pace(), bill_of(CARD, traffic)), decode_share(traffic, fast), decode_share(traffic, slow)
    )
    assert surface.work.size <= MIXES * CAPACITIES <= 200
    random = np.random.default_rng(2026)
    worst = 0.0
    for _ in range(20):
        rates = pace(prefill=random.uniform(10_000, 30_000), decode=random.uniform(1_000, 3_000))
        capacity = random.uniform(0, 0.6 * float(surface.peak.max()))
        share, bill = direct(traffic, rates, capacity)
        mix = decode_share(traffic, rates)
        found = interpolated(surface, mix, capacity, surface.work)
        paid = traffic.input_tokens * ~traffic.sensitive * 2_500, traffic.output_tokens * ~traffic.sensitive * 10_000
        parts = [interpolated(surface, mix, capacity, table) for table in (surface.input_bill, surface.output_bill)]
        found_bill = sum(part * float(p.sum()) for part, p in zip(parts, paid, strict=True)) / sum(float(p.sum()) for p in paid)
        worst = max(worst, abs(found - share), abs(found_bill - bill))
    assert worst <= 0.01


def made(tokens: list[tuple[int, int]], sensitive: list[bool]) -> Traffic:
    count = len(tokens)
    return Traffic(
        time_s=7.0 * np.arange(count, dtype=np.float64),
        input_tokens=np.array([i for i, _ in tokens]),
        cache_read=np.zeros(count, dtype=np.int64),
        output_tokens=np.array([o for _, o in tokens]),
        sensitive=np.array(sensitive),
        span_s=7.0 * count,
    )


requests = st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, 2_000)), min_size=3, max_size=60)


@given(requests, st.floats(0, 3), st.booleans())
def test_shares_are_shares_and_fall_with_capacity(tokens: list[tuple[int, int]], capacity: float, mixed: bool) -> None:
    traffic = made(tokens, [mixed and place % 3 == 0 for place in range(len(tokens))])
    surface = measure_spill(measure_profile(traffic, pace(), bill_of(CARD, traffic)), 0.1, 0.9)
    for values in (surface.work, surface.input_bill, surface.output_bill):
        assert values.min() >= 0
        assert values.max() <= 1 + 1e-9
        assert interpolated(surface, 0.3, capacity + 0.1, values) <= interpolated(surface, 0.3, capacity, values) + 1e-9
    assert interpolated(surface, 0.3, float(surface.peak.max()), surface.work) == pytest.approx(0.0, abs=1e-9)


@given(requests)
def test_a_certain_mix_needs_one_row_only_and_meets_the_load(tokens: list[tuple[int, int]]) -> None:
    traffic = made(tokens, [False] * len(tokens))
    share = decode_share(traffic, pace())
    surface = measure_spill(measure_profile(traffic, pace(), bill_of(CARD, traffic)), share, share)
    assert len(surface.decode_shares) == 1
    for capacity, found in zip(surface.capacities, surface.work[0], strict=True):
        assert found == pytest.approx(direct(traffic, pace(), float(capacity))[0], abs=1e-9)


def test_traffic_without_input_is_all_decode() -> None:
    traffic = made([(0, 5), (0, 7), (0, 9)], [False] * 3)
    profile = measure_profile(traffic, pace(), bill_of(CARD, traffic))
    assert profile.prefill_s.sum() == 0
    assert profile.output_nanousd_all == 21 * 10_000


@given(requests, st.lists(st.floats(0.1, 0.9), min_size=1, max_size=8), st.booleans())
def test_the_fullest_window_is_never_taken_for_emptier_and_hardly_for_fuller(
    tokens: list[tuple[int, int]], shares: list[float], mixed: bool
) -> None:
    traffic = made(tokens, [mixed and place % 3 == 0 for place in range(len(tokens))])
    profile = measure_profile(traffic, pace(), bill_of(CARD, traffic))
    surface = measure_spill(profile, 0.1, 0.9)
    for part, peaks in enumerate((surface.peak, surface.peak_sensitive)):
        exact = np.array([profile.work(share)[part].max() for share in shares])
        found = surface.peak_at(peaks, np.array(shares))
        assert (found >= exact - 1e-9).all()
        # A straight line is off by a quarter of a step times the change in slope, which lies between all prefill and all decode.
        assert (found <= exact + 0.25 / 32 * (peaks[0] + peaks[-1]) + 1e-9).all()
