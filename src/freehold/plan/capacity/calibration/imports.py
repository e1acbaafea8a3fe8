"""Measured requests from other tools' result files: vLLM's `bench serve`, guidellm and AIPerf.

Formats as published and read 2026-11-21: vLLM with --save-result --save-detailed; guidellm's benchmarks.json; AIPerf's
profile_export.jsonl. Loads have to be closed loops: with requests at a rate, what was sent when does not follow from the callers.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import TypeAlias

import msgspec

from freehold.core.errors import BadSettings
from freehold.plan.capacity.calibration.slots import at_once
from freehold.plan.capacity.calibration.timings import Load, Timing

Reader: TypeAlias = Callable[[str, bytes], Iterable[Load]]
_CLOSED = frozenset({"concurrent", "synchronous", "throughput"})
_TOGETHER = 0.25  # of the time to the first token: callers whose first requests are further apart did not start at once


class _Vllm(msgspec.Struct):
    """Of one run; times in seconds."""

    start_times: list[float]
    ttfts: list[float]
    itls: list[list[float]]
    input_lens: list[int]
    output_lens: list[int]
    errors: list[str] = []
    request_rate: float | str | None = None
    max_concurrency: int | None = None


class _GuideTimings(msgspec.Struct):
    request_start: float | None = None
    first_iteration: float | None = None
    last_iteration: float | None = None


class _GuideInfo(msgspec.Struct):
    timings: _GuideTimings


class _GuideRequest(msgspec.Struct):
    info: _GuideInfo
    prompt_tokens: int | None = None
    output_tokens: int | None = None


class _GuideRequests(msgspec.Struct):
    successful: list[_GuideRequest]


class _GuideStrategy(msgspec.Struct):
    type_: str | None = None


class _GuideConfig(msgspec.Struct):
    strategy: _GuideStrategy | None = None


class _GuideBenchmark(msgspec.Struct):
    requests: _GuideRequests
    config: _GuideConfig | None = None


class _Guide(msgspec.Struct):
    benchmarks: list[_GuideBenchmark]


class _Value(msgspec.Struct):
    value: float
    unit: str


class _PerfMetrics(msgspec.Struct):
    time_to_first_token: _Value | None = None
    request_latency: _Value | None = None
    input_sequence_length: _Value | None = None
    output_sequence_length: _Value | None = None


class _PerfMetadata(msgspec.Struct):
    request_start_ns: int
    benchmark_phase: str = "profiling"
    was_cancelled: bool = False


class _PerfRecord(msgspec.Struct):
    metadata: _PerfMetadata
    metrics: _PerfMetrics | None = None


def read_results(name: str, body: bytes) -> list[Load]:
    """The loads of one file. Raises BadSettings naming what is missing."""
    form: str
    read: Reader
    if b'"benchmarks"' in body:
        form, read = "guidellm", _guidellm
    elif b'"request_start_ns"' in body:
        form, read = "AIPerf", _aiperf
    else:
        form, read = "vllm bench serve", _vllm
    try:
        return list(read(name, body))
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        hint = "; save it with --save-result --save-detailed" if form == "vllm bench serve" else ""
        raise BadSettings(f"{name}: not as {form} writes it: {error}{hint}") from None


def split(loads: Sequence[Load]) -> tuple[list[Load], list[Load]]:
    """(For the fit, held out): of loads in order of their callers every third between the first and the last is held out.

    Raises BadSettings where fewer than three concurrencies leave nothing to hold out.
    """
    callers = sorted({load.concurrency for load in loads})
    out = set(callers[1:-1:3])
    if not out:
        raise BadSettings(
            f"the results have {len(callers)} concurrencies ({', '.join(map(str, callers))}); give 3 or more, so that one "
            "between can be held out"
        )
    return [one for one in loads if one.concurrency not in out], [one for one in loads if one.concurrency in out]


def _vllm(name: str, body: bytes) -> Iterable[Load]:
    run = msgspec.json.decode(body, type=_Vllm)
    if run.request_rate not in (None, "inf"):
        raise BadSettings(f"{name}: requests came at {run.request_rate} a second; measure with --request-rate inf")
    columns = (run.start_times, run.ttfts, run.itls, run.input_lens, run.output_lens)
    if len({len(column) for column in columns}) != 1:
        raise BadSettings(f"{name}: start_times, ttfts, itls, input_lens and output_lens are not of one length")
    failed = run.errors or [""] * len(run.ttfts)
    rows = [
        _timing(start, start + ttft, start + ttft + sum(gaps), tokens, output)
        for start, ttft, gaps, tokens, output, error in zip(*columns, failed, strict=True)
        if not error and output
    ]
    yield _load(name, rows, run.max_concurrency)


def _guidellm(name: str, body: bytes) -> Iterable[Load]:
    for number, one in enumerate(msgspec.json.decode(body, type=_Guide).benchmarks, start=1):
        kind = one.config.strategy.type_ if one.config and one.config.strategy else None
        if kind is not None and kind not in _CLOSED:
            raise BadSettings(f"{name}: benchmark {number} is {kind}; measure with --profile concurrent or synchronous")
        rows = []
        for request in one.requests.successful:
            times = request.info.timings
            if times.request_start and times.first_iteration and times.last_iteration and request.prompt_tokens:
                rows.append(
                    _timing(
                        times.request_start, times.first_iteration, times.last_iteration,
                        request.prompt_tokens, request.output_tokens or 1,
                    )
                )  # fmt: skip
        yield _load(f"{name}, benchmark {number}", rows, None)


def _aiperf(name: str, body: bytes) -> Iterable[Load]:
    rows = []
    for line in body.splitlines():
        if not line.strip():
            continue
        record = msgspec.json.decode(line, type=_PerfRecord)
        said = record.metrics or _PerfMetrics()
        parts = (said.time_to_first_token, said.request_latency, said.input_sequence_length, said.output_sequence_length)
        if record.metadata.benchmark_phase != "profiling" or record.metadata.was_cancelled:
            continue
        first, last, tokens, output = parts
        if first is None or last is None or tokens is None or output is None:
            continue
        start_s = record.metadata.request_start_ns / 1e9
        rows.append(_timing(start_s, start_s + _seconds(first), start_s + _seconds(last), int(tokens.value), int(output.value)))
    yield _load(name, rows, None)


def _seconds(value: _Value) -> float:
    scales = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
    if value.unit not in scales:
        raise BadSettings(f"a time is in {value.unit!r}; known are {', '.join(scales)}")
    return value.value * scales[value.unit]


def _timing(sent_s: float, first_s: float, last_s: float, input_tokens: int, output_tokens: int) -> Timing:
    return Timing(
        sent_s=sent_s, first_s=first_s, last_s=last_s, input_tokens=input_tokens, output_tokens=output_tokens
    )  # fmt: skip


def _load(name: str, rows: list[Timing], concurrency: int | None) -> Load:
    if not rows:
        raise BadSettings(f"{name}: no whole answer in it; give a run that streamed")
    rows.sort(key=lambda one: one.sent_s)
    callers = concurrency or at_once((one.sent_s, one.last_s) for one in rows)
    gap_s = median([after.sent_s - before.sent_s for before, after in pairwise(rows[:callers])] or [0.0])
    ttft_s = median(one.ttft_s for one in rows)
    if gap_s > _TOGETHER * ttft_s:
        raise BadSettings(
            f"{name}: its {callers} callers began {1000 * gap_s:.3g} ms apart, and a first token took {1000 * ttft_s:.3g} ms; "
            "measure with callers who all start at once, without a ramp"
        )
    return Load(name=f"{name}, {callers} at once", concurrency=callers, timings=tuple(rows))
