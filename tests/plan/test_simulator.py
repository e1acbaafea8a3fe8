"""The simulator's edges: what it refuses, its arrivals, its histograms, a long trace in chunks, and a real one."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.core.trace import TracedRequest
from freehold.lab.traces import open_trace
from freehold.plan.capacity.simulator.arrivals import Arrivals, arrivals_at_rates, arrivals_of, chunks_of
from freehold.plan.capacity.simulator.compiling import compiled, interpreted
from freehold.plan.capacity.simulator.fleet import Engine, Fleet, Slo
from freehold.plan.capacity.simulator.law import Group, StepLaw, Term
from freehold.plan.capacity.simulator.simulate import Simulator, simulate
from freehold.plan.capacity.simulator.summary import Times, good_ones, summarise

TRACES = Path(__file__).parents[2].parent / "shared" / "data" / "traces"
LAW = StepLaw((Group((Term(fixed_s=0.01, prefill_s=2e-5, sequence_s=1e-5, context_s=5e-8),)),))
ENGINE = Engine(law=LAW, kv_blocks=20_000)
needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="the extra simulate is not installed")
needs_traces = pytest.mark.skipif(not TRACES.exists(), reason="the public traces are not beside this checkout")


def few(at: list[float], **more: list[int]) -> Arrivals:
    size = len(at)
    columns = {"input_tokens": [10] * size, "output_tokens": [5] * size} | more
    return Arrivals(at_s=np.array(at), **{name: np.array(column, np.int64) for name, column in columns.items()})


def test_without_numba_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(BadSettings, match=r"pip install 'freehold\[simulate\]'"):
        compiled.__wrapped__()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kv_blocks": 0}, "kv_blocks is 0"),
        ({"step_tokens": 8}, "step_tokens is 8, fewer than max_sequences"),
        ({"prefix_tokens": 24}, "prefix_tokens is 24; give a multiple"),
    ],
)
def test_engines_that_cannot_be(wrong: dict[str, int], words: str) -> None:
    with pytest.raises(BadSettings, match=words):
        Engine(**{"law": LAW, "kv_blocks": 100, **wrong})  # type: ignore[arg-type]


def test_fleets_and_slos_that_cannot_be() -> None:
    with pytest.raises(BadSettings, match="replicas is 3 in 2 targets"):
        Fleet(replicas=3, targets=2)
    with pytest.raises(BadSettings, match="concurrency is 0"):
        Fleet(concurrency=0)
    with pytest.raises(BadSettings, match="tpot_s is 0"):
        Slo(ttft_s=1.0, tpot_s=0.0)


@pytest.mark.parametrize(
    ("at", "more", "words"),
    [
        ([1.0, 0.5], {}, "run backwards"),
        ([0.0, float("nan")], {}, "not finite"),
        ([0.0], {"output_tokens": [0]}, "output_tokens has a 0"),
        ([0.0], {"sensitive": [0, 1]}, "sensitive has 2 values for 1 requests"),
        ([0.0], {"prefix_counts": [2], "prefix_ids": [1]}, "do not add up"),
        ([0.0, 1.0], {"prefix_counts": [1, 2], "prefix_ids": [7, 7, 7]}, "request 1 names a prefix block twice"),
    ],
)
def test_arrivals_that_cannot_be(at: list[float], more: dict[str, list[int]], words: str) -> None:
    with pytest.raises(BadSettings, match=words):
        few(at, **more)


def test_a_trace_in_chunks_is_the_trace() -> None:
    rows = [TracedRequest(100.0 + i, i, 2 * i, tuple(range(i))) for i in range(7)]
    whole, parts = arrivals_of(rows), list(chunks_of(iter(rows), 3))
    assert [len(part) for part in parts] == [3, 3, 1]
    for name in Arrivals.__dataclass_fields__:
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))
    assert whole.input_tokens[0] == whole.output_tokens[0] == 1


def test_rates_are_kept_and_seeds_repeat() -> None:
    lengths = few([0.0, 1.0], output_tokens=[5, 9])
    rates = np.array([20.0, 0.0, 5.0])
    once, again, other = (list(arrivals_at_rates(rates, 600.0, lengths, seed)) for seed in (1, 1, 2))
    for window, (chunk, rate) in enumerate(zip(once, rates, strict=True)):
        assert abs(len(chunk) - rate * 600) <= 4 * np.sqrt(rate * 600)
        assert ((chunk.at_s >= window * 600) & (chunk.at_s <= (window + 1) * 600)).all()
        np.testing.assert_array_equal(chunk.at_s, again[window].at_s)
    assert once[0].at_s[0] != other[0].at_s[0]
    assert set(once[0].output_tokens) == {5, 9}
    with pytest.raises(BadSettings, match="a rate is -1"):
        next(arrivals_at_rates(np.array([-1.0]), 600.0, lengths, 1))


@given(st.lists(st.floats(2e-6, 1e6), min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_is_at_most_a_part_in_128_too_high(values: list[float], level: float) -> None:
    times, exact = Times(), np.quantile(values, level, method="inverted_cdf")
    times.add(np.array([*values, np.nan]))
    assert times.count == len(values)
    assert exact <= times.quantile(level) <= exact * (1 + 1 / 128) * (1 + 1e-12)


def test_no_times_have_no_quantile() -> None:
    assert np.isnan(Times().quantile(0.5))
    assert np.isnan(Times().mean_s)
    with pytest.raises(BadSettings, match="level of a quantile is 2"):
        Times().quantile(2)


@needs_numba
def test_one_request_by_hand() -> None:
    """10 prompt tokens in one step, then 4 decode steps that attend to 11, 12, 13 and 14 tokens."""
    one = simulate(ENGINE, Fleet(), few([1_700_000_000.0])).requests
    first = 0.01 + 10 * 2e-5
    assert one.ttft_s[0] == pytest.approx(first, abs=1e-12)
    assert one.total_s[0] == pytest.approx(first + 4 * (0.01 + 1e-5) + 5e-8 * (11 + 12 + 13 + 14), abs=1e-12)
    assert one.at_s[0] == 1_700_000_000.0


@needs_numba
def test_chunks_come_in_order() -> None:
    simulator = Simulator(ENGINE, Fleet())
    simulator.feed(few([5.0]))
    with pytest.raises(BadSettings, match="requests from 4 s follow one at 5 s"):
        simulator.feed(few([4.0]))


@needs_numba
def test_a_long_trace_in_bounded_memory_says_what_the_whole_says() -> None:
    """40,000 s in a timeline that began with bins of a second; the same figures as from all times at once."""
    lengths = few([0.0, 1.0, 2.0], input_tokens=[900, 2000, 100], output_tokens=[300, 40, 700])
    slo, fleet, rates = (
        Slo(ttft_s=0.1, tpot_s=0.0119),
        Fleet(replicas=4, concurrency=60, rented=True, spill=True),
        np.tile([6.0, 0.5], 10),
    )

    def chunks() -> list[Arrivals]:
        return list(arrivals_at_rates(rates, 2000.0, lengths, 3))

    heard: list[int] = []
    summary, timeline = summarise(ENGINE, fleet, iter(chunks()), slo, lambda totals: heard.append(totals.requests))
    parts = chunks()
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("at_s", "input_tokens", "output_tokens")]
    whole = simulate(ENGINE, fleet, Arrivals(*columns))
    assert summary.totals == whole.totals
    assert heard == np.cumsum([len(part) for part in parts]).tolist()
    assert 0 < summary.good == good_ones(whole.requests, slo) < summary.totals.owned
    assert summary.ttft.mean_s == pytest.approx(np.nanmean(whole.requests.ttft_s))
    assert summary.ttft.p95_s == pytest.approx(np.nanquantile(whole.requests.ttft_s, 0.95), rel=0.01)
    assert timeline.width_s == 32
    busy = timeline.busy.sum() * timeline.width_s / summary.totals.span_s
    assert busy == pytest.approx(summary.totals.utilisation, rel=0.01)


@needs_numba
def test_memory_does_not_grow_with_the_trace() -> None:
    """However many chunks came, the arrays that the core keeps are as big as after the first few."""
    simulator, sizes = Simulator(ENGINE, Fleet()), []
    for window in range(100):
        simulator.feed(few((window * 100.0 + np.arange(200) * 0.5).tolist()))
        sizes.append(sum(array.nbytes for array in simulator.world))
    assert sizes[0] < max(sizes[:10]) == max(sizes)


@needs_numba
@needs_traces
def test_a_real_trace_with_prefixes() -> None:
    """Mooncake's conversations: with room for every block as much is found as its authors' trace holds, with little less."""
    trace = arrivals_of(open_trace(TRACES / "mooncake_fast25_conversation.jsonl.gz"))
    found = []
    for blocks in (20_000_000, 60_000):
        engine = Engine(law=LAW, kv_blocks=blocks, prefix_tokens=512)
        totals = simulate(engine, Fleet(replicas=1 if blocks > 10**6 else 2), trace).totals
        found.append(totals.cached_tokens / (totals.cached_tokens + totals.prompt_tokens))
    size, seen, hits = 512, set[int](), 0
    starts = np.cumsum(trace.prefix_counts) - trace.prefix_counts
    for start, tokens in zip(starts, trace.input_tokens, strict=True):
        ids = trace.prefix_ids[start : start + tokens // size].tolist()
        hits += min(int(tokens) - 1, size * next((i for i, block in enumerate(ids) if block not in seen), len(ids)))
        seen.update(ids)
    assert found[0] == pytest.approx(hits / trace.input_tokens.sum(), abs=1e-12)
    assert 0 < found[1] < found[0]


@needs_numba
def test_without_machine_code_the_times_are_the_same() -> None:
    random = np.random.default_rng(8)
    lengths = {name: list(random.integers(1, 900, 300)) for name in ("input_tokens", "output_tokens")}
    arrivals = few(list(np.cumsum(random.exponential(0.05, 300))), **lengths)
    fast, plain = simulate(ENGINE, Fleet(replicas=2), arrivals), simulate(ENGINE, Fleet(replicas=2), arrivals, interpreted())
    assert np.array_equal(fast.requests.total_s, plain.requests.total_s)
    assert fast.totals == plain.totals
