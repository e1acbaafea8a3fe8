"""Settled entries as spans and metrics, as a real OTLP receiver reads them; a collector that is not there troubles nobody."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="freehold[otel] is not installed")

from opentelemetry.sdk.resources import Resource
from otlp_receiver import Receiver, receiving, said

from freehold.core.data import DataClass
from freehold.core.entry import Attempt, Entry
from freehold.core.target import Secret, Target
from freehold.core.traceparent import Trace
from freehold.core.usage import Usage
from freehold.serve.sinks.otel import SEMCONV_1_36, SEMCONV_LATEST, spans_of
from freehold.serve.sinks.otlp import Collector, OtlpSink

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TARGETS = {
    "api": Target(
        name="api", kind="rented", codec="xai", url="https://api.x.ai/v1", model="grok-9", clearance=DataClass.public,
        provider="xai",
    ),
    "box": Target(name="box", kind="owned", codec="vllm", url="http://10.0.0.5:8000", model="m-1", clearance=DataClass.public),
}  # fmt: skip


def entry(trace: Trace | None = None, **more: Any) -> Entry:
    """A stream that its first target was too busy for and its second finished."""
    trace = trace or Trace.joined(GIVEN, "vendor=1")
    usage = Usage(input_tokens=12, output_tokens=5, cache_read=4, reasoning=2, source="provider")
    attempts = [
        Attempt(
            target="api", model="grok-9", kind="rented", reason="first", started_s=0.1, outcome="overloaded", status=429,
            ended_s=0.2,
        ),
        Attempt(
            target="box", model="m-1", kind="owned", reason="second", started_s=0.2, outcome="finished", status=200,
            first_token_s=0.5, ended_s=1.2, usage=usage, trace=trace.child(),
        ),
    ]  # fmt: skip
    fields: dict[str, Any] = {
        "id": "fh-1", "received_at": 1_000.0, "stands_for": 1_000.0, "workload": "w", "key": "app", "data_class": "public",
        "regions": None, "asked_model": "what the caller wrote", "dialect": "openai_chat", "stream": True, "policy": "p",
        "outcome": "finished", "status": 200, "target": "box", "usage": usage, "total_s": 1.25, "attempts": attempts,
        "trace": trace,
    }  # fmt: skip
    return Entry(**fields | more)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as here:
        yield here


def sink(receiver: Receiver, count: Counter[tuple[str, str]], *, latest: bool = True) -> OtlpSink:
    collector = Collector(
        endpoint=receiver.url, headers={"x-token": Secret("hush")}, service="gateway-7", latest=latest, metrics_s=3600
    )
    return OtlpSink(collector, lambda: TARGETS, lambda kind, fate, times: count.update({(kind, fate): times}))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_request_is_a_server_span_with_a_client_span_for_each_attempt(receiver: Receiver) -> None:
    count: Counter[tuple[str, str]] = Counter()
    sent, telling = entry(), sink(receiver, count)
    telling(sent)
    telling.close()
    assert count == {("spans", "sent"): 3, ("metrics", "sent"): count["metrics", "sent"]}
    request, failed, good = receiver.spans
    assert sent.trace is not None
    assert (request.trace_id.hex(), request.span_id.hex()) == (sent.trace.trace_id, sent.trace.span_id)
    assert request.parent_span_id.hex() == "00f067aa0ba902b7"
    assert {span.parent_span_id.hex() for span in (failed, good)} == {sent.trace.span_id}
    assert {span.trace_state for span in receiver.spans} == {"vendor=1"}
    assert good.span_id.hex() == sent.attempts[1].trace.span_id  # type: ignore[union-attr]
    assert [span.kind for span in receiver.spans] == [2, 3, 3], "SERVER, CLIENT, CLIENT"
    assert [span.name for span in receiver.spans] == ["POST /v1/chat/completions", "chat grok-9", "chat m-1"]
    times = [(s.start_time_unix_nano / 1e9, s.end_time_unix_nano / 1e9) for s in receiver.spans]
    assert times == [(1000.0, 1001.25), (1000.1, 1000.2), (1000.2, 1001.2)]
    assert [span.status.code for span in receiver.spans] == [0, 2, 0], "unset, error, unset"
    assert receiver.resources[0]["service.name"] == "gateway-7"
    assert receiver.headers[0]["x-token"] == "hush"
    assert not any(b"what the caller wrote" in body for body in receiver.raw)


def test_the_latest_names(receiver: Receiver) -> None:
    telling = sink(receiver, Counter())
    telling(entry())
    telling.close()
    _, failed, good = (said(span.attributes) for span in receiver.spans)
    assert good["gen_ai.provider.name"] == "vllm"
    assert (good["server.address"], good["server.port"]) == ("10.0.0.5", 8000)
    assert good["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.3)
    usage = {name: value for name, value in good.items() if name.startswith("gen_ai.usage")}
    assert usage == {
        "gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 5, "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
    }  # fmt: skip
    assert (failed["gen_ai.provider.name"], failed["error.type"], failed["http.response.status_code"]) == (
        "x_ai",
        "overloaded",
        429,
    )
    names = {metric.name: metric for metric in receiver.metrics}
    assert set(names) == {
        "gen_ai.client.operation.duration", "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.inference.usage.input_tokens", "gen_ai.client.inference.usage.output_tokens",
    }  # fmt: skip
    durations = names["gen_ai.client.operation.duration"].histogram.data_points
    assert sorted(point.sum for point in durations) == pytest.approx([0.1, 1.0])
    assert list(durations[0].explicit_bounds)[:2] == [0.01, 0.02]
    (tokens,) = names["gen_ai.client.inference.usage.output_tokens"].sum.data_points
    assert tokens.as_int == 5


def test_the_names_of_1_36(receiver: Receiver) -> None:
    telling = sink(receiver, Counter(), latest=False)
    telling(entry())
    telling.close()
    _, failed, good = (said(span.attributes) for span in receiver.spans)
    assert (good["gen_ai.system"], failed["gen_ai.system"]) == ("vllm", "xai")
    assert not any("cache" in name or "provider" in name or "first_chunk" in name for name in good)
    assert {metric.name for metric in receiver.metrics} == {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"}


def test_what_the_caller_wants_unrecorded_is_not_recorded(receiver: Receiver) -> None:
    telling = sink(receiver, Counter())
    telling(entry(Trace.joined(GIVEN.removesuffix("01") + "00")))
    telling(entry(Trace.joined(None)))
    telling.close()
    assert len(receiver.spans) == 3
    assert receiver.spans[0].parent_span_id == b""


@pytest.mark.parametrize(("outcome", "status", "code"), [("refused", 403, 0), ("failed", 502, 2), ("cancelled", 499, 0)])
def test_only_what_failed_here_is_an_error_here(outcome: str, status: int, code: int) -> None:
    request = spans_of(entry(outcome=outcome, status=status, error_code="told"), {}, SEMCONV_1_36, Resource({}))[0]
    assert request.attributes is not None
    assert request.attributes["error.type"] == "told"
    assert request.status.status_code.value == code


def test_a_target_that_left_the_configuration_is_still_named() -> None:
    attempt = spans_of(entry(), {}, SEMCONV_LATEST, Resource({}))[2]
    assert attempt.attributes is not None
    assert attempt.attributes["freehold.target"] == "box"
    assert "server.address" not in attempt.attributes


def test_a_collector_that_does_not_answer_is_waited_for_by_nobody(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freehold.serve.sinks.otlp._QUEUE", 50)
    monkeypatch.setattr("freehold.serve.sinks.otlp._SEND_S", 0.5)
    receiver.waits.clear()
    count: Counter[tuple[str, str]] = Counter()
    telling, one = sink(receiver, count), entry()
    began = time.monotonic()
    for _ in range(2000):
        telling(one)
    assert time.monotonic() - began < 1.0, "a request only puts it into a queue"
    assert count["spans", "lost"] > 0, "which is bounded"
    until(lambda: count["spans", "lost"] > 3 * 1500)
    receiver.waits.set()
    telling.close()
    assert count["spans", "lost"] + count["spans", "sent"] <= 3 * 2000


def test_what_a_collector_refuses_is_counted_and_the_next_is_sent(receiver: Receiver) -> None:
    receiver.status = 400
    count: Counter[tuple[str, str]] = Counter()
    telling = sink(receiver, count)
    telling(entry())
    until(lambda: count["spans", "lost"] == 3)
    receiver.status = 200
    telling(entry())
    until(lambda: count["spans", "sent"] == 3)
    telling.close()


def test_an_entry_that_cannot_be_said_costs_only_itself(receiver: Receiver) -> None:
    count: Counter[tuple[str, str]] = Counter()
    telling = sink(receiver, count)
    telling(entry(trace=Trace("no hex digits", "nor here")))
    telling(entry())
    telling.close()
    assert (count["spans", "lost"], count["spans", "sent"]) == (3, 3)
