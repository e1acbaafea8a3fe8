"""What the gateway logs about a request: one JSON object a line, each with the request's id and trace, none with content."""

import asyncio
import contextlib
import io
import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import structlog
from in_memory import MemoryLedger, MemorySink, Outbound

from freehold.app import config_file
from freehold.app.logs import configure_logs
from freehold.app.policy import build_policy
from freehold.core.entry import Entry
from freehold.core.errors import LedgerUnavailable
from freehold.serve.access.keys import digest
from freehold.serve.gateway.handle import handle
from freehold.serve.gateway.house import Gateway
from freehold.wire.openai_chat.surface import ChatSurface

PHRASE = "the orchid blooms at night"
KEY = "fh_for-the-log"
CONFIG = f"""\
version: 1
keys: [{{name: app, sha256: {digest(KEY)}}}]
targets: {{box: {{engine: vllm, url: "http://127.0.0.1:1", model: m, clearance: public}}}}
workloads: {{w: {{targets: [box]}}}}
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class FailingLedger(MemoryLedger):
    async def append(self, entry: Entry) -> None:
        raise LedgerUnavailable("the disk is full")


class BrokenOutbound(Outbound):
    async def send(self, call: Any) -> Any:
        raise KeyError(PHRASE)


def failing_observer(entry: Entry) -> None:
    logging.getLogger("some.library").warning("cannot read %s", PHRASE)
    raise ValueError(PHRASE)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    before, stream = (logging.root.handlers[:], logging.root.level), io.StringIO()
    with contextlib.redirect_stderr(stream):
        configure_logs(as_json=True)
        yield stream
    logging.root.handlers[:], logging.root.level = before
    structlog.contextvars.clear_contextvars()


def lines_of(
    log: io.StringIO, folder: Path, ledger: MemoryLedger, outbound: Outbound, traces: Sequence[str | None]
) -> list[dict[str, Any]]:
    """Everything logged while a request for each trace is served, all at once."""
    (folder / "freehold.yaml").write_text(CONFIG, encoding="utf-8")
    policy = build_policy(config_file.load(folder / "freehold.yaml"), date(2026, 11, 21))
    gateway = Gateway(policy, outbound, ledger, (failing_observer,))

    async def read() -> bytes:
        return json.dumps({"model": "w", "messages": [{"role": "user", "content": PHRASE}]}).encode()

    async def ask(trace: str | None) -> None:
        headers = {"authorization": f"Bearer {KEY}"} | ({} if trace is None else {"traceparent": trace})
        await handle(ChatSurface(), headers, read, MemorySink(), gateway)

    async def run() -> None:
        await asyncio.gather(*(asyncio.create_task(ask(trace)) for trace in traces))

    asyncio.run(run())
    assert PHRASE not in log.getvalue()
    return [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("ledger", "outbound", "events"),
    [
        (FailingLedger(), Outbound(["fine"]), ["entry not written", "a library warns", "an observer failed"]),
        (MemoryLedger(), BrokenOutbound(["fine"]), ["internal error", "a library warns", "an observer failed"]),
    ],
    ids=["ledger", "outbound"],
)
def test_every_line_about_a_request_says_which(
    log: io.StringIO, tmp_path: Path, ledger: MemoryLedger, outbound: Outbound, events: list[str]
) -> None:
    lines = lines_of(log, tmp_path, ledger, outbound, [f"00-{TRACE}-00f067aa0ba902b7-01"])
    assert [line["event"] for line in lines] == events
    (request_id,) = {line["request_id"] for line in lines}
    assert request_id
    (traceparent,) = {line["traceparent"] for line in lines}
    assert traceparent.split("-")[1] == TRACE, "the caller's trace"


@pytest.mark.parametrize("trace", [None, PHRASE, f"00-{TRACE}-{PHRASE}-01"])
def test_a_trace_that_is_none_is_not_logged(log: io.StringIO, tmp_path: Path, trace: str | None) -> None:
    lines = lines_of(log, tmp_path, FailingLedger(), Outbound(["fine"]), [trace])
    assert len(lines) == 3
    assert all(TRACE not in line["traceparent"] for line in lines)


def test_requests_at_once_are_told_apart(log: io.StringIO, tmp_path: Path) -> None:
    traces = [f"00-{n:032x}-00f067aa0ba902b7-01" for n in range(1, 6)]
    lines = lines_of(log, tmp_path, FailingLedger(), Outbound(["fine"]), traces)
    told = Counter((line["request_id"], line["traceparent"]) for line in lines)
    assert list(told.values()) == [3] * 5
    assert {trace.split("-")[1] for _, trace in told} == {trace.split("-")[1] for trace in traces}
