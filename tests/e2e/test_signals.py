"""Signals of a running gateway: a rented target turns requests away, a webhook hears of it, and of its end."""

import base64
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from e2e.client import ask, caller, chat
from e2e.house import ADMIN_KEY, Gateway, House, Lab, fetch, rented, until

SECRET = b"a secret of the tests, in a file"
Hook = tuple[str, list[dict[str, Any]]]


def genuine(headers: Any, body: bytes) -> bool:
    """What a receiver does, from the specification alone: is this signed with our secret?"""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
    return any(
        hmac.compare_digest(f"v1,{expected}", given) for given in headers["webhook-signature"].split(" ") if given
    )  # fmt: skip


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A receiver that keeps what is signed and refuses the rest; its first answer is an error."""
    events: list[dict[str, Any]] = []
    answers = iter([503])

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = next(answers, 204 if genuine(self.headers, body) else 401)
            if status == 204:
                events.append(json.loads(body))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", events
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def flaky(house: House) -> Lab:
    """A provider of this test's own: its faults are switched while it runs."""
    return house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "100000")


@pytest.fixture
def watched(house: House, flaky: Lab, hook: Hook) -> Gateway:
    (house.folder / "hook.key").write_bytes(SECRET + b"\n")
    webhook = {"url": hook[0], "key": f"file:{house.folder / 'hook.key'}", "source": "tests/gateway"}
    signals = {"every_s": 0.1, "window_s": 3600, "at_least": 5, "rate_limited_share": 0.3, "webhook": webhook}
    config = {"targets": {"api": rented(flaky)}, "workloads": {"chat": {"targets": ["api"]}}, "signals": signals}
    return house.gateway("watched", config)


def set_faults(lab: Lab, **probabilities: float) -> None:
    connection = HTTPConnection(lab.url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/lab/faults", json.dumps(probabilities))
    assert connection.getresponse().status == 200
    connection.close()


def signal(gateway: Gateway, name: str, workload: str = "chat") -> dict[str, Any]:
    """As the admin API has it; empty while there is none."""
    status, body = fetch(gateway.admin_url, "/admin/signals", {"authorization": f"Bearer {ADMIN_KEY}"})
    assert status == 200
    return next((s for s in json.loads(body)["signals"] if (s["workload"], s["name"]) == (workload, name)), {})


def series(gateway: Gateway) -> dict[str, str]:
    lines = fetch(gateway.url, "/metrics")[1].decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


async def send(gateway: Gateway, count: int) -> list[int]:
    async with caller(gateway.url) as session:
        return [(await ask(session, chat("chat", "my secret prompt", max_tokens=2))).status for _ in range(count)]


async def test_a_signal_is_raised_and_cleared(watched: Gateway, flaky: Lab, hook: Hook) -> None:
    events = hook[1]
    set_faults(flaky, rate_limit=1.0)
    assert set(await send(watched, 6)) == {429}
    until(lambda: signal(watched, "rate_limited").get("state") == "on", "the signal is on")
    assert signal(watched, "rate_limited")["value"] == 1
    until(lambda: len(events) >= 1, "the webhook was told, at its second try")
    key = '{signal="rate_limited",workload="chat"}'
    assert float(series(watched)[f"freehold_signal_state{key}"]) == 1

    set_faults(flaky)
    assert set(await send(watched, 24)) == {200}
    until(lambda: signal(watched, "rate_limited").get("value") == pytest.approx(6 / 30), "all answers are counted")
    assert signal(watched, "rate_limited")["state"] == "off"
    until(lambda: len(events) >= 2, "the webhook was told again")
    until(lambda: series(watched).get('freehold_webhook_events_total{outcome="sent"}') == "2.0", "both are counted")
    assert float(series(watched)[f"freehold_signal_state{key}"]) == 0
    assert float(series(watched)[f"freehold_signal_value{key}"]) == pytest.approx(6 / 30)
    assert float(series(watched)["freehold_signal_failures_total"]) == 0

    raised, cleared = events
    assert (raised["type"], cleared["type"]) == ("dev.freehold.signal.raised.v1", "dev.freehold.signal.cleared.v1")
    assert {e["source"] for e in events} == {"tests/gateway"}
    assert {e["subject"] for e in events} == {"chat/rate_limited"}
    # A request is held while its only target asks to be left alone, so a look may come before the last of the six.
    assert re.match(r"chat: 100\.0% of [1-6] attempts at rented targets were turned away", raised["data"]["reason"])
    assert "prompt" not in json.dumps(events)


def test_the_signals_need_the_admin_key(gateway: Gateway) -> None:
    assert fetch(gateway.admin_url, "/admin/signals")[0] == 401
    assert signal(gateway, "spend", "*")["state"] in {"off", "unknown"}, "judged by default"


def test_a_secret_that_is_not_there_is_refused_at_the_start(house: House, provider: Lab, tmp_path: Path) -> None:
    signals = {"webhook": {"url": "https://hooks.example/freehold", "key": f"file:{tmp_path / 'none'}"}}
    config = {"targets": {"api": rented(provider)}, "workloads": {"chat": {"targets": ["api"]}}, "signals": signals}
    with pytest.raises(AssertionError, match=r"ended with 2: freehold: .*signals.webhook.key: cannot read it"):
        house.gateway("refused", config)
