"""Commands with bad input: exit code 2, one line on stderr that names the field, nothing on stdout and nothing half-done."""

import gzip
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from e2e.house import free_port

from freehold.app.cli import main
from freehold.serve.stores.sqlite import SqliteStore

CONFIG = """\
version: 1
listen: 127.0.0.1:{data}
store: sqlite:///ledger.db
admin: {{listen: "127.0.0.1:{admin}"}}
keys:
  - {{name: app, sha256: {digest}}}
targets:
  api:
    provider: openai
    model: gpt-4o
    key: env:FREEHOLD_TEST_KEY
    clearance: internal
workloads:
  w: {{targets: [api]}}
"""


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    def refuses(self, words: str) -> None:
        """Exit code 2 and one line with these words."""
        assert self.code == 2, self
        assert self.out == ""
        assert len(self.err.splitlines()) == 1, self.err
        assert self.err.startswith("freehold: ")
        assert words in self.err


def called(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Said:
    """A command inside this process."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return Said(ended.value.code, printed.out, printed.err)


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture
def folder(tmp_path: Path, ports: tuple[int, int]) -> Path:
    """Holds a configuration that would serve."""
    data, admin = ports
    (tmp_path / "freehold.yaml").write_text(CONFIG.format(data=data, admin=admin, digest="a" * 64), encoding="utf-8")
    return tmp_path


def serve(folder: Path, **environment: str) -> Said:
    """`freehold serve` as a process of its own; one that does serve runs into the time limit."""
    done = subprocess.run(
        [sys.executable, "-m", "freehold", "serve"], cwd=folder, capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, "FREEHOLD_TEST_KEY": "sk-test", **environment},
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def occupied() -> Iterator[int]:
    """A port somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("plane", ["listen", "admin.listen"])
def test_a_port_in_use(folder: Path, ports: tuple[int, int], occupied: int, plane: str) -> None:
    config = folder / "freehold.yaml"
    taken = ports[plane == "admin.listen"]
    config.write_text(config.read_text().replace(str(taken), str(occupied)))
    line = 2 if plane == "listen" else 4
    serve(folder).refuses(f"freehold.yaml:{line}: {plane}: cannot listen on 127.0.0.1:{occupied}: Address already in use")
    assert [path.name for path in folder.iterdir()] == ["freehold.yaml"], "no ledger is begun"


def test_a_key_that_is_not_set(folder: Path) -> None:
    serve(folder, FREEHOLD_TEST_KEY="").refuses("freehold.yaml:11: targets.api.key: env:FREEHOLD_TEST_KEY is not set or empty")
    assert [path.name for path in folder.iterdir()] == ["freehold.yaml"]


def another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")


def newer(path: Path) -> None:
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


def torn(path: Path) -> None:
    """A ledger with a hole in it, as a bad disk or a broken copy leaves it."""
    SqliteStore(path).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-4096] + bytes(4096))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b"not a database, far from it" * 99), "file is not a database"),
        (another_program, "this is another program's database, not a ledger"),
        (newer, "it was written by a newer version (schema 99"),
        (torn, "ledger ledger.db: damaged: "),
        (Path.mkdir, "unable to open database file"),
    ],
    ids=["garbage", "another program's", "newer", "torn", "a folder"],
)
def test_a_file_that_is_no_ledger_of_ours(folder: Path, ports: tuple[int, int], spoil: object, words: str) -> None:
    ledger = folder / "ledger.db"
    assert callable(spoil)
    spoil(ledger)
    before = ledger.read_bytes() if ledger.is_file() else None
    serve(folder).refuses(words)
    assert (ledger.read_bytes() if ledger.is_file() else None) == before, "somebody else's file is left as it was"
    assert not any(answers(port) for port in ports)


def test_a_ledger_in_a_folder_that_is_not_there(folder: Path) -> None:
    config = folder / "freehold.yaml"
    config.write_text(config.read_text().replace("sqlite:///ledger.db", "sqlite:///nowhere/ledger.db"))
    serve(folder).refuses("nowhere/ledger.db: unable to open database file")


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_configuration_with_a_mistake(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = folder / "freehold.yaml"
    config.write_text(config.read_text().replace("    clearance", "    clearence"))
    said = called([command, "--config", str(config)], capsys)
    said.refuses(f"{config}:12: targets.api.clearence: unknown field (and 1 more)")
    called([command, "-c", str(folder / "none.yaml")], capsys).refuses("no configuration at")
    assert [path.name for path in folder.iterdir()] == ["freehold.yaml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("check --colour", "Unknown option: --colour"),
        ("ledger entries --limit many", "--limit"),
        ("serv", "Unknown command"),
    ],
)
def test_a_command_line_that_is_none(arguments: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    called(arguments.split(), capsys).refuses(words)


@pytest.mark.parametrize("command", ["ledger summary --ledger", "ledger entries --ledger", "plan --ledger"])
def test_reading_what_is_no_ledger(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing, garbage, other = tmp_path / "missing.db", tmp_path / "garbage.db", tmp_path / "other.db"
    garbage.write_bytes(b"words" * 1000)
    another_program(other)
    called([*command.split(), str(missing)], capsys).refuses(f"no ledger at {missing}")
    assert not missing.exists()
    called([*command.split(), str(garbage)], capsys).refuses(f"cannot read the ledger {garbage}: file is not a database")
    called([*command.split(), str(other)], capsys).refuses(f"cannot read the ledger {other}: ")


@pytest.mark.parametrize("command", [["replay"], ["plan", "--trace"]], ids=["replay", "plan"])
def test_a_trace_that_cannot_be_read(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "none.csv": (None, "No such file or directory"),
        "empty.csv": (b"", ""),
        "words.csv": (b"just some words\n", "line 1 starts no trace"),
        "cut.csv": (b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.97,12\n", "line 2"),
        "binary.csv": (bytes(range(256)), "is not text"),
        "zipped.csv.gz": (gzip.compress(b"TIMESTAMP,ContextTokens,GeneratedTokens\n" * 9)[:30], ""),
        "row.jsonl": (b'{"timestamp": 0, "input_length": 5, "output_length": 2, "hash_ids": []}\n{"timestamp": 1}\n', "line 2"),
    }
    for name, (content, words) in files.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        said = called([*command, str(path)], capsys)
        said.refuses(words)
        assert name in said.err
    called([*command, str(tmp_path)], capsys).refuses("Is a directory")
