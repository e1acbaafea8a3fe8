"""The telemetry section: what it takes, what it says where the extra is missing, and one request's trace from its caller on."""

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from in_memory import MemoryLedger, MemorySink, Outbound, Reply

from freehold.app.config_file import ConfigFile
from freehold.app.policy import build_policy
from freehold.app.telemetry import telemetry_sent
from freehold.core.errors import BadSettings
from freehold.core.ports import HttpCall
from freehold.serve.access.keys import digest
from freehold.serve.gateway.handle import handle
from freehold.serve.gateway.house import Gateway
from freehold.serve.sinks.prometheus import PrometheusSink
from freehold.wire.openai_chat.surface import ChatSurface

KEY = "fh_for-telemetry"
PHRASE = "the orchid blooms at night"
CONFIG = f"""\
version: 1
keys: [{{name: app, sha256: {digest(KEY)}}}]
targets:
  api: {{provider: lab, url: "http://127.0.0.1:1", model: m, clearance: public, price: {{input: 1, output: 1}}}}
  box: {{engine: vllm, url: "http://127.0.0.1:2", model: m, clearance: public}}
workloads: {{rented: {{targets: [api]}}, owned: {{targets: [box]}}}}
"""
TRACE = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "v=1", "baggage": "user=ann"}


class Noting(Outbound):
    """Keeps the headers of every call."""

    def __init__(self) -> None:
        super().__init__(["fine"])
        self.headers: list[Mapping[str, str]] = []

    async def send(self, call: HttpCall) -> Reply:
        self.headers.append(call.headers)
        return await super().send(call)


def config(folder: Path, telemetry: str) -> ConfigFile:
    return ConfigFile(folder / "freehold.yaml", CONFIG + (f"telemetry: {telemetry}\n" if telemetry else ""))


async def asked(file: ConfigFile, outbound: Noting, workload: str, metrics: PrometheusSink) -> MemorySink:
    gateway = Gateway(build_policy(file, date(2026, 11, 21)), outbound, MemoryLedger(), (metrics,))
    sink = MemorySink()

    async def read() -> bytes:
        return json.dumps({"model": workload, "messages": [{"role": "user", "content": PHRASE}]}).encode()

    async with telemetry_sent(file, gateway, metrics):
        await asyncio.create_task(handle(ChatSurface(), {"authorization": f"Bearer {KEY}", **TRACE}, read, sink, gateway))
    return sink


@pytest.mark.parametrize(
    ("telemetry", "mend"),
    [
        ("{endpoint: collector}", "telemetry.endpoint: use the base of the collector's URLs"),
        ('{endpoint: "http://me:hush@127.0.0.1:1"}', "telemetry.endpoint: put nothing secret"),
        (
            '{endpoint: "http://127.0.0.1:1", headers: {authorization: "Bearer x"}}',
            "say where it is kept, as env:NAME or file:PATH",
        ),
        ('{endpoint: "http://10.0.0.9:4318", headers: {a: env:A}}', "headers hold credentials"),
        ('{endpoint: "http://127.0.0.1:1", semconv: "1.20"}', "telemetry.semconv"),
    ],
)
def test_what_it_does_not_take_is_refused_in_one_line(tmp_path: Path, telemetry: str, mend: str) -> None:
    with pytest.raises(BadSettings) as refused:
        config(tmp_path, telemetry)
    assert mend in refused.value.message
    assert "hush" not in refused.value.message
    assert "\n" not in refused.value.message


async def test_without_its_packages_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("freehold.serve.sinks.otl")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    with pytest.raises(
        BadSettings, match=r"freehold.yaml:\d+: telemetry: it needs OpenTelemetry: pip install 'freehold\[otel\]'"
    ):
        await asked(config(tmp_path, '{endpoint: "http://127.0.0.1:1"}'), Noting(), "owned", PrometheusSink())


@pytest.mark.parametrize("workload", ["rented", "owned"])
async def test_a_trace_goes_on_and_baggage_only_to_our_own_machines(tmp_path: Path, workload: str) -> None:
    outbound = Noting()
    assert (await asked(config(tmp_path, ""), outbound, workload, PrometheusSink())).status == 200
    (headers,) = outbound.headers
    assert headers["traceparent"].split("-")[1] == TRACE["traceparent"].split("-")[1]
    assert headers["tracestate"] == "v=1"
    assert headers.get("baggage") == (TRACE["baggage"] if workload == "owned" else None)


@pytest.mark.parametrize(("asks", "name"), [("", "gen_ai.system"), ("http,gen_ai_latest_experimental", "gen_ai.provider.name")])
async def test_one_request_from_its_caller_to_the_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asks: str, name: str
) -> None:
    otlp = pytest.importorskip("otlp_receiver", reason="freehold[otel] is not installed")
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", asks)
    outbound, metrics = Noting(), PrometheusSink()
    with otlp.receiving() as receiver:
        assert (await asked(config(tmp_path, f'{{endpoint: "{receiver.url}"}}'), outbound, "rented", metrics)).status == 200
    request, attempt = receiver.spans
    assert request.trace_id.hex() == attempt.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert request.parent_span_id.hex() == "00f067aa0ba902b7"
    assert attempt.parent_span_id == request.span_id
    assert outbound.headers[0]["traceparent"].split("-")[2] == attempt.span_id.hex(), (
        "the target's own spans go below the attempt"
    )
    assert otlp.said(attempt.attributes)[name] == "lab"
    assert otlp.said(request.attributes)["freehold.workload"] == "rented"
    assert not any(PHRASE.encode() in body or b"ann" in body for body in receiver.raw)
    assert b'freehold_telemetry_total{kind="spans",outcome="sent"} 2.0' in metrics.render(0, 0)


async def test_a_collector_that_is_not_there_is_counted_and_not_felt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="freehold[otel] is not installed")
    monkeypatch.setattr("freehold.serve.sinks.otlp._LAST_S", 0.3)
    metrics = PrometheusSink()
    answered = await asked(config(tmp_path, '{endpoint: "http://127.0.0.1:9"}'), Noting(), "owned", metrics)
    assert answered.status == 200
    assert b"observer_failures 0.0" in metrics.render(0, 0)
    assert b'freehold_telemetry_total{kind="spans",outcome="lost"} 2.0' in metrics.render(0, 0)
