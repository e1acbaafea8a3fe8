"""`freehold serve --workers`: what is refused before anything starts, what several workers cannot count together, and the place
of a worker that cannot even begin."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from freehold.app import cli, config_file, workers
from freehold.core.errors import BadSettings
from freehold.serve.access.keys import digest

CONFIG = f"""\
version: 1
listen: 127.0.0.1:PORT
admin: {{listen: "127.0.0.1:0", key_sha256: "{digest("admin")}"}}
keys: [{{name: app, sha256: "{digest("app")}"}}]
targets: {{box: {{engine: vllm, url: "http://127.0.0.1:1", model: m, clearance: public}}}}
workloads: {{w: {{targets: [box]}}}}
"""


def written(folder: Path, port: int = 0, more: str = "") -> config_file.ConfigFile:
    (folder / "freehold.yaml").write_text(CONFIG.replace("PORT", str(port)) + more, encoding="utf-8")
    return config_file.load(folder / "freehold.yaml")


@pytest.mark.parametrize("count", ["0", "-1", "65"])
def test_a_number_of_workers_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], count: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["serve", f"--workers={count}"])
    assert (ended.value.code, capsys.readouterr().err) == (2, f"freehold: --workers is {count}; use 1 to 64\n")


def test_a_folder_that_no_socket_can_be_in_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("long" * 25)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(BadSettings, match="set TMPDIR to a shorter one"):
        asyncio.run(workers.run_workers(written(tmp_path), digest("admin"), 2, lambda: None, as_json=True))


def test_a_port_that_is_taken_is_said_before_a_worker_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = written(tmp_path, taken.getsockname()[1])
        with pytest.raises(BadSettings, match=r"listen: cannot listen on .*: Address already in use"):
            asyncio.run(workers.run_workers(file, digest("admin"), 2, lambda: None, as_json=True))
    assert not (tmp_path / "freehold.db").exists()


def test_what_each_worker_counts_for_itself_is_named(tmp_path: Path) -> None:
    rule = "{name: all, scope: key, requests_per_minute: 5"
    assert workers.counted_apart(written(tmp_path), 3) == []
    (line,) = workers.counted_apart(written(tmp_path, more=f"limits: {{rules: [{rule}}}]}}\n"), 3)
    assert "up to 3 times as much passes; set limits.store to redis://" in line
    redis = f"limits: {{store: 'redis://127.0.0.1:1/0', rules: [{rule}}}]}}\n"
    assert workers.counted_apart(written(tmp_path, more=redis), 3) == []
    (line,) = workers.counted_apart(written(tmp_path, more=redis.replace("requests_per_minute", "concurrent")), 3)
    assert line.startswith("limits.rules.concurrent: up to 3 times")
    text = CONFIG.replace("clearance: public", "clearance: public, concurrency: 8")
    (tmp_path / "bounded.yaml").write_text(text.replace("PORT", "0"), encoding="utf-8")
    (line,) = workers.counted_apart(config_file.load(tmp_path / "bounded.yaml"), 3)
    assert "(box)" in line


async def test_a_worker_that_cannot_begin_ends_all_with_its_exit_code(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The configuration is good to the parent; the workers find another program's file where the ledger should be."""
    file = written(tmp_path)
    shared = workers.Shared(
        admin_sha256=digest("admin"), data=socket.create_server(("127.0.0.1", 0)), admin=socket.create_server(("127.0.0.1", 0)),
        folder=tmp_path, as_json=True,
    )  # fmt: skip
    (tmp_path / "freehold.db").write_bytes(b"another program's file, and long enough to be one" * 100)
    with shared.data, shared.admin:
        code = await asyncio.wait_for(workers.Workers(file, shared, 2).run(lambda: os.kill(os.getpid(), signal.SIGABRT)), 60)
    assert code == 2
    assert "freehold: ledger " in capfd.readouterr().err
