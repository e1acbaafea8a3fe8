"""The supervisor against children that start late, never, badly, crash, linger, or talk too much; and against llama.cpp."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.app import engines
from freehold.app.engines import EngineFailed, Patience, supervised
from freehold.app.weights import resolve_model
from freehold.core.errors import BadSettings
from freehold.core.ports import EngineSpec, LaunchSpec
from freehold.serve.engines import ENGINES

QUICK = Patience(ready_s=10, first_wait_s=0.02, longest_wait_s=0.05, restarts=2)
SERVE = """
import http.server, os, signal, subprocess, sys, threading, time
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready)
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def child(body: str) -> LaunchSpec:
    """An engine of a few lines; `server` is bound to its port, and serves only if the body says so."""
    port = free_port()
    return LaunchSpec(argv=(sys.executable, "-c", SERVE + body, str(port)), url=f"http://127.0.0.1:{port}", ready_path="/ready")


def alive(pid: int) -> bool:
    """Whether it runs; one that ended and waits to be reaped does not."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  the truth is another process's
            await asyncio.sleep(0.01)


async def test_answers_on_entry_and_is_gone_on_exit() -> None:
    lines: list[str] = []
    launch = child("print('up', flush=True); server.serve_forever()")
    async with supervised(launch, log=lines.append, patience=QUICK) as engine, aiohttp.ClientSession() as session:
        pid = engine.pid
        assert pid is not None
        async with session.get(launch.url) as reply:
            assert reply.status == 200
        assert alive(pid)
    assert not alive(pid)
    assert engine.pid is None
    assert lines == ["up"]


async def test_llamacpp_killed_outright_comes_back_and_answers() -> None:
    pytest.importorskip("xllamacpp", reason="needs freehold[llamacpp]")
    spec = EngineSpec(model_path=str(resolve_model("tiny-tickets")), alias="tiny-tickets", port=free_port())
    launch = ENGINES["llamacpp"].launch(spec)
    body = {"messages": [{"role": "user", "content": "please refund the laptop."}], "temperature": 0, "max_tokens": 16}
    lines: list[str] = []
    async with supervised(launch, log=lines.append, patience=QUICK) as engine, aiohttp.ClientSession() as session:
        first = engine.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: any("tiny-tickets at" in line for line in lines[1:]))
        assert engine.pid not in (None, first)
        async with session.post(f"{launch.url}/v1/chat/completions", json=body) as reply:
            assert (await reply.json())["choices"][0]["message"]["content"] == '{"label": "refund"}'
        second = engine.pid
    assert second is not None
    assert not alive(second)
    assert f"{launch.url} ended with signal SIGKILL; restart 1 of 2 in 0.02 s" in lines


async def test_gives_up_on_one_that_keeps_crashing() -> None:
    crash = "threading.Timer(0.3, lambda: os._exit(7)).start(); server.serve_forever()"
    lines: list[str] = []
    async with supervised(child(crash), log=lines.append, patience=QUICK) as engine:
        with pytest.raises(EngineFailed, match=r"ended with exit code 7; given up after 2 restarts in a row"):
            await asyncio.wait_for(engine.wait(), 20)
        assert engine.starts == 3
    assert [line.rpartition(";")[2] for line in lines] == [" restart 1 of 2 in 0.02 s", " restart 2 of 2 in 0.04 s"]


async def test_steady_service_starts_the_count_over() -> None:
    crash = "threading.Timer(0.3, lambda: os._exit(7)).start(); server.serve_forever()"
    patience = Patience(ready_s=10, first_wait_s=0.01, restarts=1, steady_s=0.01)
    async with supervised(child(crash), log=lambda _: None, patience=patience) as engine:
        await until(lambda: engine.starts >= 4)


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        ("print('no weights', flush=True); sys.exit(2)", BadSettings, "^no weights$"),
        ("print('boom', flush=True); sys.exit(1)", EngineFailed, "ended with exit code 1 before it answered: boom"),
        ("os.kill(os.getpid(), 9)", EngineFailed, "ended with signal SIGKILL before it answered"),
    ],
)
async def test_one_that_cannot_start_is_reported_at_once(body: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        async with supervised(child(body), log=lambda _: None, patience=QUICK):
            pytest.fail("it never answered")


async def test_one_that_never_answers_is_ended_at_the_deadline(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    launch = child(f"open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    with pytest.raises(EngineFailed, match=r"did not answer within 0\.8 s"):
        async with supervised(launch, log=lambda _: None, patience=Patience(ready_s=0.8)):
            pytest.fail("it never answered")
    assert not alive(int(pid_file.read_text()))


async def test_one_that_will_not_end_is_killed_with_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_STOP_S", 0.3)
    lines: list[str] = []
    stubborn = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(worker.pid, flush=True); server.serve_forever()"
    )
    async with supervised(child(stubborn), log=lines.append, patience=QUICK) as engine:
        await until(lambda: bool(lines))
        pids = [engine.pid or 0, int(lines[0])]
        assert all(map(alive, pids))
        began = time.monotonic()
    assert time.monotonic() - began >= 0.3
    await until(lambda: not any(map(alive, pids)))


async def test_workers_of_a_crashed_engine_do_not_outlive_it() -> None:
    lines: list[str] = []
    worker = "print(subprocess.Popen(['sleep', '60']).pid, flush=True); server.serve_forever()"
    async with supervised(child(worker), log=lines.append, patience=QUICK) as engine:
        await until(lambda: bool(lines))
        orphan = int(lines[0])
        os.kill(engine.pid or 0, signal.SIGKILL)
        await until(lambda: engine.starts == 2)
        await until(lambda: not alive(orphan))


async def test_cancelled_while_it_waits_leaves_nothing(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    launch = child(f"open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)")

    async def enter() -> None:
        async with supervised(launch, log=lambda _: None, patience=QUICK):
            pytest.fail("it never answered")

    task = asyncio.create_task(enter())
    await until(lambda: pid_file.exists() and bool(pid_file.read_text()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(int(pid_file.read_text()))


async def test_no_log_line_stalls_it() -> None:
    """Over-long lines, bytes that are no text, and a full disk: more than a pipe holds, so that an unread pipe would hang it."""
    noisy = (
        "sys.stdout.buffer.write(b'x' * 3_000_000 + b'\\n' + b'\\xff\\xfe torn\\n'); sys.stdout.flush()\n"
        "print('last', flush=True); server.serve_forever()"
    )
    lines: list[str] = []

    def full_disk(line: str) -> None:
        lines.append(line)
        raise OSError(28, "No space left on device")

    async with supervised(child(noisy), log=full_disk, patience=QUICK):
        await until(lambda: "last" in lines)
    assert "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} torn" in lines


async def test_a_taken_port_or_a_missing_program_is_bad_input() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        squatted = LaunchSpec(argv=("true",), url=f"http://127.0.0.1:{port}", ready_path="/")
        with pytest.raises(BadSettings, match=f"port {port} on 127.0.0.1 cannot be used"):
            async with supervised(squatted, log=lambda _: None):
                pytest.fail("someone else's port")
    absent = LaunchSpec(argv=("no-such-engine",), url=f"http://127.0.0.1:{free_port()}", ready_path="/")
    with pytest.raises(BadSettings, match="cannot run no-such-engine"):
        async with supervised(absent, log=lambda _: None):
            pytest.fail("it does not exist")


@given(crashes=st.integers(1, 500))
def test_waits_double_up_to_a_bound(crashes: int) -> None:
    patience = Patience(first_wait_s=0.5, longest_wait_s=30)
    assert patience.wait_s(1) == 0.5
    assert patience.wait_s(crashes) <= patience.wait_s(crashes + 1) <= 30
    assert patience.wait_s(crashes + 1) in (2 * patience.wait_s(crashes), 30)
