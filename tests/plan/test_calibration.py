"""An engine's own constants: the slot model against the simulator, the fit against known constants, other tools' results.

The result files of vLLM, guidellm and AIPerf are written by hand after their published formats; none came from a run of them.
"""

import json
import math
import random
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.plan.capacity.calibration.check import check, medians, repeats
from freehold.plan.capacity.calibration.design import planned_loads
from freehold.plan.capacity.calibration.fit import fit
from freehold.plan.capacity.calibration.imports import read_results, split
from freehold.plan.capacity.calibration.kinds import kinds
from freehold.plan.capacity.calibration.law import CONSTANTS, LatencyLaw
from freehold.plan.capacity.calibration.slots import at_once, under_load
from freehold.plan.capacity.calibration.timings import Load, Timing
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.fleet import Engine, Fleet
from freehold.plan.capacity.simulator.simulate import simulate

KNOWN = LatencyLaw(
    fixed_s=0.010, prefill_s=2e-4, sequence_s=1e-3, context_s=2e-6, overhead_s=0.030, admission_s=0.0, slots=4, step_tokens=2048
)


def asked(concurrency: int, lengths: Sequence[tuple[int, int]], requests: int, pause_s: float = 0.001) -> Load:
    """A load whose times are still to be found."""
    timings = tuple(
        Timing(sent_s=0.0, first_s=0.0, last_s=0.0, input_tokens=a, output_tokens=b)
        for a, b in (lengths[number % len(lengths)] for number in range(requests))
    )
    return Load(name=f"{concurrency} at once", concurrency=concurrency, timings=timings, pause_s=pause_s)


def answered(law: LatencyLaw, load: Load, noise: float = 0.0, seed: int = 0) -> Load:
    """The load as that engine answers it; with noise, each time is off by a factor whose logarithm has that deviation."""
    source, rows = random.Random(seed), []
    for one in under_load(law, load):
        first = one.sent_s + one.ttft_s * math.exp(source.gauss(0, noise))
        last = first + (one.last_s - one.first_s) * math.exp(source.gauss(0, noise))
        rows.append(
            Timing(
                sent_s=one.sent_s, first_s=first, last_s=last, input_tokens=one.input_tokens, output_tokens=one.output_tokens
            )
        )  # fmt: skip
    return Load(name=load.name, concurrency=load.concurrency, timings=tuple(rows), pause_s=load.pause_s)


def sweep(law: LatencyLaw, noise: float = 0.0) -> tuple[list[Load], list[Load]]:
    """The planned loads around four slots, as that engine answers them."""
    made: tuple[list[Load], list[Load]] = ([], [])
    for number, planned in enumerate(planned_loads(4, 256, 64)):
        lengths = [(one.input_tokens, one.output_tokens) for one in planned.lengths]
        made[planned.held_out].append(answered(law, asked(planned.concurrency, lengths, 40), noise, seed=number))
    return made


def test_one_caller_waits_for_what_the_constants_say() -> None:
    (one,) = under_load(KNOWN, asked(1, [(100, 11)], 1))
    assert one.ttft_s == pytest.approx(0.030 + 0.010 + 100 * 2e-4)
    assert one.tpot_s == pytest.approx(0.010 + 1e-3 + 2e-6 * (101 + 110) / 2)


def test_a_fifth_caller_of_four_slots_waits_for_the_first_to_be_done() -> None:
    timings = under_load(KNOWN, asked(5, [(64, 32)], 5))
    fastest = min(one.last_s for one in timings)
    assert [one.first_s > fastest for one in timings] == [False] * 4 + [True]


def test_a_long_prompt_is_computed_in_chunks_and_a_cached_one_is_not_computed() -> None:
    small = LatencyLaw(fixed_s=1.0, prefill_s=1e-3, sequence_s=0, context_s=0, overhead_s=0, admission_s=0, step_tokens=100)
    (one,) = under_load(small, asked(1, [(250, 1)], 1))
    assert one.ttft_s == pytest.approx(3 * 1.0 + 0.25)
    cached = Timing(sent_s=0, first_s=0, last_s=0, input_tokens=250, output_tokens=1, cached_tokens=250)
    (one,) = under_load(small, Load(name="cached", concurrency=1, timings=(cached,)))
    assert one.ttft_s == pytest.approx(1.001)


def test_callers_who_start_at_once_come_one_after_the_other() -> None:
    """An idle engine begins with the first: the others, a moment later, wait for that step."""
    together = under_load(KNOWN, asked(3, [(100, 5)], 3))
    assert [one.ttft_s for one in together] == pytest.approx([0.030 + 0.010 + 300 * 2e-4] * 3)
    spread = msgspec.structs.replace(KNOWN, apart_s=0.001)
    first, second, third = under_load(spread, asked(3, [(100, 5)], 3))
    assert first.ttft_s == pytest.approx(0.030 + 0.010 + 100 * 2e-4)
    assert second.ttft_s == third.ttft_s == pytest.approx(first.ttft_s + 0.010 + 200 * 2e-4 + 1e-3 + 101 * 2e-6)


def test_how_far_apart_callers_started_bounds_nothing_afterwards() -> None:
    """The same engine answers as many a second, however its callers began."""
    load = asked(16, [(20, 4)], 400)
    rates = []
    for apart_s in (0.0, 0.05):
        answers = under_load(msgspec.structs.replace(KNOWN, slots=8, apart_s=apart_s), load)
        later = sorted(one.last_s for one in answers)[100:]
        rates.append(len(later) / (later[-1] - later[0]))
    assert rates[1] == pytest.approx(rates[0], rel=0.02)
    assert rates[1] > 2 / 0.05


def test_who_of_those_who_start_at_once_comes_first_is_drawn() -> None:
    load = asked(6, [(100, 5), (20, 9)], 6)
    queued = msgspec.structs.replace(KNOWN, slots=1, apart_s=0.001)
    in_order = [one.first_s for one in under_load(queued, load)]
    assert in_order == sorted(in_order)
    drawn = [under_load(queued, load, draw) for draw in range(20)]
    firsts = {min(enumerate(answers), key=lambda pair: pair[1].first_s)[0] for answers in drawn}
    assert len(firsts) > 3
    assert under_load(queued, load, 7) == under_load(queued, load, 7)
    for answers in drawn:
        # The same work in another order.
        assert max(one.last_s for one in answers) == pytest.approx(max(one.last_s for one in under_load(queued, load)))


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=1, max_size=30), min_size=1, max_size=4))
def test_every_request_is_of_one_kind_and_a_kind_spans_a_factor_of_two(lengths: list[list[tuple[int, int]]]) -> None:
    loads = [asked(2, rows, len(rows)) for rows in lengths]
    found = kinds(loads)
    places = [place for kind in found for place in kind.places]
    assert sorted(places) == [(at, number) for at, load in enumerate(loads) for number in range(len(load.timings))]
    for kind in found:
        rows = [loads[at].timings[number] for at, number in kind.places]
        for spans in ([one.input_tokens for one in rows], [one.output_tokens for one in rows]):
            assert max(spans) <= 2 * min(spans)


def test_lengths_that_scatter_are_one_kind_and_those_of_the_design_are_told_apart() -> None:
    source = random.Random(1)
    for slots, isl, osl in ((4, 192, 64), (4, 181, 45), (16, 2048, 256)):
        for planned in planned_loads(slots, isl, osl):
            lengths = [
                (round(one.input_tokens * source.uniform(0.9, 1.1)), one.output_tokens)
                for one in planned.lengths
                for _ in range(20)
            ]
            assert sorted(len(kind.places) for kind in kinds([asked(2, lengths, len(lengths))])) == [20] * len(planned.lengths)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(1, 60)), min_size=1, max_size=30),
    st.integers(1, 9),
    st.integers(1, 5),
    st.floats(0.0, 0.2),
    st.tuples(st.sampled_from([0.0, 0.003, 0.04]), st.sampled_from([0.0, 0.0037, 0.05])),
)
def test_the_simulator_answers_the_same_requests_at_the_same_times(
    lengths: list[tuple[int, int]], callers: int, slots: int, pause_s: float, before: tuple[float, float]
) -> None:
    apart_s, admission_s = before
    pytest.importorskip("numba", reason="the extra simulate is not installed")
    law = LatencyLaw(
        fixed_s=0.01, prefill_s=1e-4, sequence_s=1e-3, context_s=1e-6, overhead_s=0.017, admission_s=admission_s, apart_s=apart_s,
        slots=slots, step_tokens=100_000,
    )  # fmt: skip
    rows = under_load(law, asked(callers, lengths, len(lengths), pause_s))
    before_s = np.array([law.overhead_s + (place * apart_s if place < callers else 0.0) for place in range(len(rows))])
    comes_s = np.array([one.sent_s for one in rows]) + before_s
    order = np.argsort(comes_s, kind="stable")
    rows, comes_s, before_s = tuple(rows[place] for place in order), comes_s[order], before_s[order]
    engine = Engine(
        law=law.step_law(), kv_blocks=1 << 20, max_sequences=slots, step_tokens=100_000, admission_s=law.admission_s
    )  # fmt: skip
    arrivals = Arrivals(
        at_s=comes_s,
        input_tokens=np.array([one.input_tokens for one in rows]),
        output_tokens=np.array([one.output_tokens for one in rows]),
    )
    requests = simulate(engine, Fleet(), arrivals).requests
    # Sums in another order may put a request that comes just as a step ends into the next one.
    step_s = law.step_s(300 * slots, slots, 400 * slots)
    np.testing.assert_allclose(requests.ttft_s + before_s, [one.ttft_s for one in rows], atol=step_s)
    assert np.median(np.abs(requests.total_s + before_s - [one.total_s for one in rows])) < 1e-6


def test_known_constants_are_found_again() -> None:
    fitted, held_out = sweep(KNOWN)
    found = fit(fitted)
    assert found.law.slots == 4
    assert found.law.fixed_s == pytest.approx(KNOWN.fixed_s, rel=0.06)
    assert found.law.prefill_s == pytest.approx(KNOWN.prefill_s, rel=0.06)
    assert found.law.step_s(0, 4, 800) == pytest.approx(KNOWN.step_s(0, 4, 800), rel=0.03)
    # What passes before a prompt is computed shows in steps that end anyway, so only the two together are known.
    assert found.law.overhead_s + found.law.admission_s == pytest.approx(0.030, rel=0.1)
    errors = check(found.law, held_out).by_load
    assert max(errors.tpot, errors.total) < 0.05
    assert errors.ttft < 0.1


def test_noise_of_a_twentieth_leaves_the_held_out_loads_within_the_bars() -> None:
    fitted, held_out = sweep(KNOWN, noise=0.05)
    found = fit(fitted)
    errors = check(found.law, held_out).by_load
    assert max(errors.tpot, errors.total) < 0.1
    assert errors.ttft < 0.25
    for name in ("fixed_s", "prefill_s"):
        assert getattr(found.law, name) == pytest.approx(getattr(KNOWN, name), rel=0.15), name
        interval = found.intervals[name]
        assert interval.low80 < getattr(found.law, name) < interval.high80


def test_a_few_requests_that_stalled_do_not_carry_the_constants_away() -> None:
    fitted, held_out = sweep(KNOWN)
    stalled = []
    for load in fitted:
        rows = [
            Timing(
                sent_s=one.sent_s, first_s=one.first_s, last_s=one.last_s + 5 * one.total_s * (number % 20 == 3),
                input_tokens=one.input_tokens, output_tokens=one.output_tokens,
            )
            for number, one in enumerate(load.timings)
        ]  # fmt: skip
        stalled.append(Load(name=load.name, concurrency=load.concurrency, timings=tuple(rows), pause_s=load.pause_s))
    found = fit(stalled, slots=4)
    assert found.law.step_s(0, 4, 800) == pytest.approx(KNOWN.step_s(0, 4, 800), rel=0.06)
    errors = check(found.law, held_out).by_load
    assert max(errors.tpot, errors.total) < 0.1


@settings(max_examples=3, deadline=None)
@given(st.floats(1e-3, 5e-2), st.floats(1e-5, 1e-3), st.floats(1e-4, 1e-2), st.integers(2, 8))
def test_whatever_the_engine_loads_that_were_held_out_are_predicted(
    fixed: float, prefill: float, each: float, slots: int
) -> None:
    law = LatencyLaw(
        fixed_s=fixed, prefill_s=prefill, sequence_s=each, context_s=1e-6, overhead_s=0.01, admission_s=0.0, slots=slots
    )
    fitted, held_out = sweep(law)
    errors = check(fit(fitted, slots).law, held_out).by_load
    assert max(errors.tpot, errors.total) < 0.1


def test_errors_are_shares_of_what_was_measured() -> None:
    load = answered(KNOWN, asked(1, [(64, 8)], 4))
    slower = LatencyLaw(
        fixed_s=0.02, prefill_s=4e-4, sequence_s=2e-3, context_s=4e-6, overhead_s=0.06, admission_s=0.0, slots=4
    )  # fmt: skip
    checked = check(slower, [load, load])
    assert checked.by_load == pytest.approx((1.0, 1.0, 1.0))
    assert [one.requests for one in checked.loads] == [8]
    assert medians(load.timings).ttft_s == pytest.approx(0.030 + 0.010 + 64 * 2e-4)


def test_repeats_are_as_far_apart_as_the_machine_was_slower() -> None:
    load = answered(KNOWN, asked(3, [(64, 8), (128, 16)], 24))
    assert repeats([load]) is None
    assert repeats([load, load]) == pytest.approx((0.0, 0.0, 0.0))
    slower = load.by(lambda at_s: 1.2 * at_s)
    assert repeats([slower, load, slower, load]) == pytest.approx((1 / 6, 1 / 6, 1 / 6))
    assert slower.timings[3].total_s == pytest.approx(1.2 * load.timings[3].total_s)


def test_at_once_counts_what_lasts() -> None:
    assert at_once([(0, 10), (0, 10), (5, 5.5)]) == 2
    assert at_once([(0, 1), (2, 3)]) == 1
    assert at_once([]) == 1


def test_held_out_loads_are_none_of_the_fitted() -> None:
    for slots in range(1, 65):
        loads = planned_loads(slots, 512, 128)
        fitted = {(load.concurrency, lengths) for load in loads if not load.held_out for lengths in load.lengths}
        held_out = {(load.concurrency, lengths) for load in loads if load.held_out for lengths in load.lengths}
        assert held_out
        assert not {one for one, _ in fitted} & {one for one, _ in held_out}
        assert not {one for _, one in fitted} & {one for _, one in held_out}


def vllm_run(load: Load) -> bytes:
    """As `vllm bench serve --save-result --save-detailed` writes it."""
    gaps = [[(one.last_s - one.first_s) / max(1, one.output_tokens - 1)] * (one.output_tokens - 1) for one in load.timings]
    return json.dumps(
        {
            "backend": "openai-chat", "model_id": "m", "request_rate": "inf", "max_concurrency": load.concurrency,
            "completed": len(load.timings), "input_lens": [one.input_tokens for one in load.timings],
            "output_lens": [one.output_tokens for one in load.timings], "ttfts": [one.ttft_s for one in load.timings],
            "itls": gaps, "start_times": [one.sent_s for one in load.timings], "errors": [""] * len(load.timings),
        }
    ).encode()  # fmt: skip


def guidellm_run(load: Load) -> bytes:
    """As guidellm writes benchmarks.json, of one benchmark."""
    requests = [
        {
            "request_id": "r", "prompt_tokens": one.input_tokens, "output_tokens": one.output_tokens,
            "info": {"timings": {"request_start": 1e9 + one.sent_s, "first_iteration": 1e9 + one.first_s,
                                 "last_iteration": 1e9 + one.last_s}},
        }
        for one in load.timings
    ]  # fmt: skip
    config = {"strategy": {"type_": "concurrent", "streams": load.concurrency}}
    return json.dumps({"benchmarks": [{"config": config, "requests": {"successful": requests, "errored": []}}]}).encode()


def aiperf_run(load: Load) -> bytes:
    """As AIPerf writes profile_export.jsonl, a warm-up first."""
    rows = [
        {
            "metadata": {"request_start_ns": int(1e18 + one.sent_s * 1e9), "benchmark_phase": phase, "was_cancelled": False},
            "metrics": {
                "time_to_first_token": {"value": one.ttft_s * 1e3, "unit": "ms"},
                "request_latency": {"value": one.total_s * 1e3, "unit": "ms"},
                "input_sequence_length": {"value": one.input_tokens, "unit": "tokens"},
                "output_sequence_length": {"value": one.output_tokens, "unit": "tokens"},
            },
        }
        for phase, one in [("warmup", load.timings[0]), *(("profiling", one) for one in load.timings)]
    ]
    return "\n".join(json.dumps(row) for row in rows).encode()


@pytest.mark.parametrize("written", [vllm_run, guidellm_run, aiperf_run])
def test_results_of_other_tools_give_the_same_constants(written: object) -> None:
    assert callable(written)
    lengths = [(64, 64), (256, 16), (256, 64)]
    measured = [answered(KNOWN, asked(callers, lengths, 36, pause_s=0.0)) for callers in (1, 2, 3, 4, 8)]
    read = [load for number, one in enumerate(measured) for load in read_results(f"{number}.json", written(one))]
    assert [(load.concurrency, len(load.timings)) for load in read] == [(one.concurrency, 36) for one in measured]
    fitted, held_out = split(read)
    assert [load.concurrency for load in held_out] == [2]
    found = fit(fitted, slots=4)
    assert found.law.prefill_s == pytest.approx(KNOWN.prefill_s, rel=0.05)
    assert found.law.fixed_s == pytest.approx(KNOWN.fixed_s, rel=0.05)
    errors = check(found.law, held_out).by_load
    assert max(errors.tpot, errors.total) < 0.05


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{}", "save it with --save-result --save-detailed"),
        (b"not json", "not as vllm bench serve writes it"),
        (b'{"start_times":[0],"ttfts":[],"itls":[],"input_lens":[],"output_lens":[]}', "are not of one length"),
        (b'{"start_times":[],"ttfts":[],"itls":[],"input_lens":[],"output_lens":[]}', "no whole answer in it"),
        (
            b'{"start_times":[],"ttfts":[],"itls":[],"input_lens":[],"output_lens":[],"request_rate":4.0}',
            "requests came at 4.0 a second; measure with --request-rate inf",
        ),
        (
            b'{"benchmarks":[{"config":{"strategy":{"type_":"poisson"}},"requests":{"successful":[]}}]}',
            "benchmark 1 is poisson; measure with --profile concurrent",
        ),
        (b'{"metadata":{"request_start_ns":1}}', "no whole answer in it"),
    ],
)
def test_results_that_cannot_be_used_say_what_to_do(body: bytes, says: str) -> None:
    with pytest.raises(BadSettings, match=r"^r\.json: ") as refused:
        read_results("r.json", body)
    assert says in refused.value.message


def test_results_of_callers_who_did_not_start_at_once_are_refused() -> None:
    """How far apart they began says nothing then of how an engine takes in those who come together."""

    def begun(apart_s: float) -> bytes:
        starts = [apart_s * place for place in range(8)]
        rows = [Timing(sent_s=at, first_s=at + 0.1, last_s=at + 0.4, input_tokens=64, output_tokens=16) for at in starts]
        return vllm_run(Load(name="ramp", concurrency=8, timings=tuple(rows)))

    assert len(read_results("r.json", begun(0.02))) == 1
    with pytest.raises(
        BadSettings, match=r"^r\.json: its 8 callers began 30 ms apart, and a first token took 100 ms; .* a ramp$"
    ):
        read_results("r.json", begun(0.03))


def test_too_little_is_refused() -> None:
    load = answered(KNOWN, asked(2, [(64, 8)], 4))
    with pytest.raises(BadSettings, match="measure 2 or more concurrencies"):
        fit([load])
    with pytest.raises(BadSettings, match="give 3 or more"):
        split([load])
    with pytest.raises(BadSettings, match="slots is 0"):
        planned_loads(0, 512, 128)
    with pytest.raises(BadSettings, match="isl is 8"):
        planned_loads(4, 8, 128)


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_below_0_is_refused(name: str) -> None:
    values = dict.fromkeys(CONSTANTS, 0.01) | {name: -1.0}
    with pytest.raises(BadSettings, match=f"{name} of a calibration is -1"):
        LatencyLaw(**values)  # type: ignore[arg-type]
