"""Settled entries as OpenTelemetry spans and metrics: the one file that knows the names of its GenAI conventions.

They are still being changed, so there are two sets: those of semconv 1.36, and the latest. A request is a SERVER span, each of
its attempts a CLIENT span below it. Names, counts and times only: no prompt, no answer, no word of the caller's.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec
from opentelemetry.metrics import Meter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from freehold import __version__
from freehold.core.entry import Attempt, Entry
from freehold.core.target import Target
from freehold.core.traceparent import Trace
from freehold.core.usage import Usage
from freehold.wire.dialects import PATHS

_SCOPE = InstrumentationScope("freehold", __version__)
_ROUTES: Mapping[str, str] = {surface.dialect: path for path, surface in PATHS.items()}
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(float(4**power) for power in range(14))
_OPERATIONS: Mapping[str, str] = {"openai_completions": "text_completion", "openai_embeddings": "embeddings"}
_PROVIDERS = {
    "azure": "azure.ai.openai", "google": "gcp.gemini", "mistral": "mistral_ai", "bedrock": "aws.bedrock",
    "vertex": "gcp.vertex_ai",
}  # fmt: skip
_Said = dict[str, str | int | float | bool]


class Convention(msgspec.Struct, frozen=True):
    """What one set of the conventions calls things; None: it has no name for that."""

    provider: str
    xai: str
    schema: str | None = None
    stream: str | None = None
    first_chunk: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    reasoning: str | None = None


SEMCONV_1_36 = Convention("gen_ai.system", "xai", schema="https://opentelemetry.io/schemas/1.36.0")
SEMCONV_LATEST = Convention(
    "gen_ai.provider.name", "x_ai", stream="gen_ai.request.stream", first_chunk="gen_ai.response.time_to_first_chunk",
    cache_read="gen_ai.usage.cache_read.input_tokens", cache_write="gen_ai.usage.cache_write.input_tokens",
    reasoning="gen_ai.usage.reasoning.output_tokens",
)  # fmt: skip


def spans_of(entry: Entry, targets: Mapping[str, Target], names: Convention, resource: Resource) -> list[ReadableSpan]:
    """The request's span, then one for each attempt; none where who began the trace wants none recorded."""
    trace = entry.trace
    if trace is None or not trace.sampled:
        return []
    scope = InstrumentationScope(_SCOPE.name, _SCOPE.version, names.schema)

    def span(name: str, at: Trace, kind: SpanKind, said: _Said, times: tuple[float, float]) -> ReadableSpan:
        start, end = (round((entry.received_at + offset) * 1e9) for offset in times)
        wrong = kind is SpanKind.CLIENT or entry.status >= 500
        status = Status(StatusCode.ERROR) if "error.type" in said and wrong else Status(StatusCode.UNSET)
        context, parent = _context(at, at.span_id), _context(at, at.parent_id) if at.parent_id else None
        return ReadableSpan(
            name, context, parent, resource, said, kind=kind, status=status, start_time=start, end_time=end,
            instrumentation_scope=scope,
        )  # fmt: skip

    route = _ROUTES.get(entry.dialect, "/")
    spans = [span(f"POST {route}", trace, SpanKind.SERVER, _request(entry, route), (0.0, entry.total_s))]
    for attempt in entry.attempts:
        said = attributes(entry, attempt, targets.get(attempt.target), names)
        name = f"{said['gen_ai.operation.name']} {attempt.model}"
        ended_s = entry.total_s if attempt.ended_s is None else attempt.ended_s
        spans.append(span(name, attempt.trace or trace.child(), SpanKind.CLIENT, said, (attempt.started_s, ended_s)))
    return spans


def attributes(entry: Entry, attempt: Attempt, target: Target | None, names: Convention) -> _Said:
    """What an attempt's span says. `target` None: the configuration has it no more."""
    said: _Said = {
        **_model(entry, attempt, target, names), "freehold.target": attempt.target, "freehold.kind": attempt.kind,
        "freehold.reason": attempt.reason, "freehold.cost_nanousd": attempt.cost_nanousd,
    }  # fmt: skip
    if names.stream is not None:
        said[names.stream] = entry.stream
    if names.first_chunk is not None and entry.stream and attempt.first_token_s is not None:
        said[names.first_chunk] = attempt.first_token_s - attempt.started_s
    if attempt.status is not None:
        said["http.response.status_code"] = attempt.status
    if attempt.usage is not None:
        said |= _usage(attempt.usage, names)
    return said


class Meters:
    """The same attempts as histograms and counters."""

    BUCKETS: Mapping[str, tuple[float, ...]] = {
        "gen_ai.client.operation.duration": _SECONDS,
        "gen_ai.client.operation.time_to_first_chunk": _SECONDS,
        "gen_ai.client.token.usage": _TOKENS,
    }

    def __init__(self, meter: Meter, names: Convention) -> None:
        self._names = names
        seconds = meter.create_histogram("gen_ai.client.operation.duration", "s", "Whole attempts at targets.")
        self._duration = seconds
        self._latest = names is SEMCONV_LATEST
        if self._latest:
            chunk = "gen_ai.client.operation.time_to_first_chunk"
            self._first = meter.create_histogram(chunk, "s", "To the first content token of streams.")
            counted = {"input": "input_tokens", "output": "output_tokens"}
            self._counters = {
                kind: meter.create_counter(f"gen_ai.client.inference.usage.{name}", "{token}", f"Tokens of {kind}.")
                for kind, name in counted.items()
            }
        else:
            self._tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}", "Tokens of each attempt.")

    def count(self, entry: Entry, targets: Mapping[str, Target]) -> None:
        """Every attempt of one entry, whether its trace is recorded or not."""
        for attempt in entry.attempts:
            said = _model(entry, attempt, targets.get(attempt.target), self._names)
            ended_s = entry.total_s if attempt.ended_s is None else attempt.ended_s
            self._duration.record(ended_s - attempt.started_s, said)
            if self._latest and entry.stream and attempt.first_token_s is not None:
                self._first.record(attempt.first_token_s - attempt.started_s, said)
            if attempt.usage is not None:
                self._count_tokens(attempt.usage, said)

    def _count_tokens(self, usage: Usage, said: _Said) -> None:
        for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if self._latest:
                self._counters[kind].add(tokens, said)
            else:
                self._tokens.record(tokens, {**said, "gen_ai.token.type": kind})


def _request(entry: Entry, route: str) -> _Said:
    said: _Said = {
        "http.request.method": "POST", "http.route": route, "url.path": route, "url.scheme": "http",
        "http.response.status_code": entry.status, "freehold.request.id": entry.id, "freehold.workload": entry.workload,
        "freehold.outcome": entry.outcome, "freehold.attempts": len(entry.attempts), "freehold.policy": entry.policy,
        "freehold.data_class": entry.data_class, "freehold.spilled": entry.spilled, "freehold.cost_nanousd": entry.cost_nanousd,
    }  # fmt: skip
    if entry.target is not None:
        said["freehold.target"] = entry.target
    if entry.outcome != "finished":
        said["error.type"] = entry.error_code or entry.outcome
    return said


def _model(entry: Entry, attempt: Attempt, target: Target | None, names: Convention) -> _Said:
    """What tells attempts of one kind from others: few values each, by the configuration."""
    said: _Said = {"gen_ai.operation.name": _OPERATIONS.get(entry.dialect, "chat"), "gen_ai.request.model": attempt.model}
    if target is not None:
        said[names.provider] = _provider(target, names)
        place = urlsplit(target.url)
        said["server.address"] = place.hostname or ""
        said["server.port"] = place.port or (443 if place.scheme == "https" else 80)
    if attempt.outcome != "finished":
        said["error.type"] = attempt.outcome
    return said


def _provider(target: Target, names: Convention) -> str:
    """The company's name in the convention, else ours for it; of an owned target, what it is spoken to as."""
    name = (target.provider if target.rented else None) or target.codec
    return names.xai if name == "xai" else _PROVIDERS.get(name, name)


def _usage(usage: Usage, names: Convention) -> _Said:
    said: _Said = {"gen_ai.usage.input_tokens": usage.input_tokens, "gen_ai.usage.output_tokens": usage.output_tokens}
    details = ((names.cache_read, usage.cache_read), (names.cache_write, usage.cache_write), (names.reasoning, usage.reasoning))
    return said | {name: tokens for name, tokens in details if name is not None and tokens is not None}


def _context(trace: Trace, span_id: str) -> SpanContext:
    state = TraceState.from_header([trace.state]) if trace.state else TraceState()
    flags = TraceFlags(int(trace.flags, 16))
    return SpanContext(int(trace.trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=flags, trace_state=state)
