"""The signals: section, and the ledger watched from the command line."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from e2e.house import until
from ledger_entries import entry

from freehold.app import config_file
from freehold.app.cli.watch import watch
from freehold.app.credentials import read_secret
from freehold.app.settings import SignalsSettings
from freehold.app.signals import Watcher, build_webhook, limits, owned_slots, signals_watched
from freehold.core.entry import Attempt
from freehold.core.errors import BadSettings
from freehold.core.ids import request_id
from freehold.serve.sinks.prometheus import PrometheusSink
from freehold.serve.stores.sqlite import SqliteStore
from freehold.serve.transport.outbound import AiohttpOutbound

CONFIG = f"""\
version: 1
keys:
  - {{name: app, sha256: {"a" * 64}}}
targets:
  api: {{provider: lab, url: "http://127.0.0.1:9", model: m, clearance: internal, price: {{input: 1, output: 1}}}}
  box: {{engine: vllm, url: "http://127.0.0.1:9", model: m, clearance: restricted, concurrency: 4}}
workloads:
  triage: {{targets: [box, api]}}
signals:
  window_s: 600
  at_least: 5
  %s
"""
# what is stated -> what the line says after the file's name
MISTAKES = {
    "spend_usd_month: 0": "12: signals.spend_usd_month: Input should be greater than 0",
    "drift_ratio: 1": "12: signals.drift_ratio: Input should be greater than or equal to 1.05",
    "idle_below: 0.9": "12: signals.idle_below: Input should be less than or equal to 0.8",
    "window_s: .inf": "10: signals.window_s: Input should be a finite number",
    "rate_limit_share: 0.1": "12: signals.rate_limit_share: unknown field",
    "sensitive_class: secret": "12: signals.sensitive_class: unknown data class 'secret'; use one of",
    "webhook: {url: 'http://example.org/x', key: 'env:X'}": "12: signals.webhook.url: use https; plain http is for loopback only",
    "webhook: {url: 'https://me:pw@example.org/', key: 'env:X'}": "12: signals.webhook.url: put no credentials into the URL",
    "webhook: {url: 'ftp://example.org/', key: 'env:X'}": "12: signals.webhook.url: use a URL such as https://example.org/hook",
    "webhook: {url: 'https://example.org/'}": "12: signals.webhook.key: is missing",
    "webhook: {url: 'https://example.org/', key: abc}": "12: signals.webhook.key: ",
}


def config(folder: Path, line: str = "every_s: 1") -> Path:
    path = folder / "freehold.yaml"
    path.write_text(CONFIG % line, encoding="utf-8")
    return path


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def keep(ledger: Path, count: int, outcome: str, ago_s: float = 1.0) -> None:
    """So many requests of one attempt each at a rented target."""
    made = []
    for n in range(count):
        at = time.time() - ago_s - n * 0.01
        attempt = Attempt(target="api", model="m", kind="rented", reason="r", started_s=0.0, ended_s=0.1, outcome=outcome)  # type: ignore[arg-type]
        made.append(entry(request_id(at), received_at=at, stands_for=at, attempts=[attempt]))
    with closing(SqliteStore(ledger)) as store:
        store.write(made)


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_line(tmp_path: Path, line: str) -> None:
    text = CONFIG.replace("window_s: 600", line) % "" if line.startswith("window") else CONFIG % line
    path = tmp_path / "freehold.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadSettings) as refused:
        config_file.load(path)
    said = MISTAKES[line]
    assert refused.value.message.startswith(f"{path}:{said}")
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("url", ["https://example.org/a?b=c", "http://127.0.0.1:9/", "http://localhost/", "http://[::1]:80/x"])
async def test_good_webhooks_and_their_secret(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = config_file.load(config(tmp_path, f"webhook: {{url: '{url}', key: 'env:FREEHOLD_TEST_HOOK'}}"))
    async with AiohttpOutbound() as outbound:
        monkeypatch.setenv("FREEHOLD_TEST_HOOK", "whsec_***")
        with pytest.raises(BadSettings, match=r"freehold.yaml:12: signals.webhook.key: what follows whsec_ is not base64"):
            build_webhook(file, outbound, PrometheusSink())
        monkeypatch.setenv("FREEHOLD_TEST_HOOK", "text")
        assert build_webhook(file, outbound, PrometheusSink()) is not None
        monkeypatch.delenv("FREEHOLD_TEST_HOOK")
        with pytest.raises(BadSettings, match="env:FREEHOLD_TEST_HOOK is not set or empty"):
            build_webhook(file, outbound, PrometheusSink())


def test_a_secret_in_a_file(tmp_path: Path) -> None:
    file = config_file.load(config(tmp_path))
    (tmp_path / "secret").write_text(" s\n", encoding="utf-8")
    assert read_secret(file, ("signals",), f"file:{tmp_path / 'secret'}").reveal() == "s"
    with pytest.raises(BadSettings, match="cannot read it"):
        read_secret(file, ("signals",), f"file:{tmp_path / 'none'}")


def test_limits_follow_the_settings(tmp_path: Path) -> None:
    settings = config_file.load(config(tmp_path, "ttft_ms: 300")).settings
    assert owned_slots(settings) == {"box": 4}
    made = limits(settings.signals, owned_slots(settings))
    assert (made.slow_share, made.at_least, made.spend_nanousd_month) == (0.05, 5, 2000 * 10**9)
    assert limits(SignalsSettings(), {}).slow_share is None, "without a target nothing is late"
    assert limits(SignalsSettings(clock="stands_for"), {"box": 4}).idle_below is None


def test_a_watcher_tells_each_change_once(ledger: Path) -> None:
    keep(ledger, 10, "overloaded")
    settings = SignalsSettings(window_s=600, at_least=5, spend_usd_month=None, idle_below=None, sensitive_share=None)
    watcher = Watcher(ledger, settings, {})
    now = time.time()
    first, second = watcher.look(now), watcher.look(now)
    assert [(s.name, s.state) for s in first.changed] == [("rate_limited", "on")]
    assert second.changed == ()
    keep(ledger, 10_000, "finished", ago_s=2.0)
    third = watcher.look(time.time())
    assert [(s.name, s.state) for s in third.changed] == [("rate_limited", "off")]
    assert watcher.last == third


async def test_a_look_that_fails_is_counted_and_the_next_one_comes(ledger: Path) -> None:
    keep(ledger, 10, "overloaded")
    metrics, watcher = PrometheusSink(), Watcher(ledger, SignalsSettings(every_s=0.1, at_least=5), {})
    whole = await asyncio.to_thread(ledger.read_bytes)
    await asyncio.to_thread(ledger.write_bytes, b"no ledger for a while" * 100)

    def series(name: str) -> float:
        lines = (line.rsplit(" ", 1) for line in metrics.render(0, 0).decode().splitlines() if line.startswith(name))
        return sum(float(value) for _, value in lines)

    async with signals_watched(watcher, metrics, None):
        await asyncio.to_thread(until, lambda: series("freehold_signal_failures_total") > 0, "a failed look is counted")
        assert series("freehold_signal_state") == 0
        await asyncio.to_thread(ledger.write_bytes, whole)
        await asyncio.to_thread(until, lambda: series("freehold_signal_state") > 0, "the next look is shown")
    assert [s.name for s in watcher.last.signals if s.state == "on"] == ["rate_limited"]


@pytest.mark.parametrize(("outcome", "code"), [("overloaded", 1), ("finished", 0)])
def test_once(ledger: Path, tmp_path: Path, outcome: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    keep(ledger, 10, outcome)
    path = config(tmp_path, "idle_below: null\n  spend_usd_month: null")
    assert watch(ledger, path, 1.0, True, True) == code
    said = capsys.readouterr()
    (line,) = said.out.splitlines()
    found = {signal["name"]: signal for signal in json.loads(line)["signals"]}
    assert found["rate_limited"]["state"] == ("on" if code else "off")
    assert said.err == ""
    assert watch(ledger, path, 1.0, True, False) == code
    assert "rate_limited" in capsys.readouterr().out


def test_without_a_configuration_defaults_are_used_and_said_so(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(ledger, 10, "finished")
    assert watch(ledger, None, 1.0, True, True) == 0
    said = capsys.readouterr()
    assert "Default limits" in said.err
    assert json.loads(said.out)["window_s"] == 86_400


def test_it_goes_on_while_the_ledger_is_written_until_interrupted(
    ledger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(ledger, 10, "finished")
    waits = iter([lambda: keep(ledger, 40, "overloaded"), _interrupt])

    def sleep(seconds: float) -> None:
        assert seconds == 0.5
        next(waits)()

    monkeypatch.setattr("freehold.app.cli.watch.time.sleep", sleep)
    assert watch(ledger, config(tmp_path), 0.5, False, True) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [s["name"] for s in first["changed"]] == []
    assert [s["name"] for s in second["changed"]] == ["rate_limited"]


def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda ledger: watch(ledger, None, 1.0, True, True), "no ledger at"),
        (lambda ledger: watch(ledger, None, 0.0, True, True), "every_s is 0; use 0.1 to 86400 seconds"),
        (lambda ledger: watch(ledger, None, float("nan"), True, True), "every_s is nan; use"),
        (lambda ledger: watch(ledger, ledger, 1.0, True, True), "no configuration at"),
    ],
)
def test_bad_input(ledger: Path, call: Callable[[Path], int], words: str) -> None:
    with pytest.raises(BadSettings, match=words):
        call(ledger)
