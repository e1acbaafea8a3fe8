"""What `freehold.yaml` and `freehold keys` may say about keys, budgets and limits."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from freehold.app import config_file
from freehold.app.access import admission
from freehold.app.cli import main
from freehold.app.policy import build_policy
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.rules.budget import Budget
from freehold.serve.access.keys import digest
from freehold.serve.access.limits import Limit
from freehold.serve.stores.opening import open_store

GOOD = f"""\
version: 1
store: sqlite:///ledger.db
keys:
  - {{name: app, sha256: {"a" * 64}, team: red, user: ann, targets: [box], models: [vllm/m], classes: Internal,
     expires: 2027-01-31}}
  - {{name: boss, sha256: {"b" * 64}, role: operator}}
targets:
  box: {{engine: vllm, url: "http://127.0.0.1:9", model: m, clearance: restricted, max_output_tokens: 50}}
workloads:
  w: {{targets: [box]}}
budgets:
  - {{name: red, scope: team, match: red, usd: 12.5}}
  - {{name: people, scope: user, period: day, usd: "0.000000001", mode: warn}}
limits:
  rules:
    - {{name: keys, scope: key, requests_per_minute: 60}}
    - {{name: w, scope: workload, match: w, tokens_per_minute: 1000, concurrent: 3}}
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], config_file.ConfigFile]:
    def write(text: str) -> config_file.ConfigFile:
        (tmp_path / "freehold.yaml").write_text(text, encoding="utf-8")
        return config_file.load(tmp_path / "freehold.yaml")

    return write


def test_what_is_read(written: Callable[[str], config_file.ConfigFile]) -> None:
    policy = build_policy(written(GOOD), datetime.now(UTC).date())
    app, boss = policy.keys.find("a" * 64), policy.keys.find("b" * 64)
    assert app is not None
    assert boss is not None
    assert (app.team, app.user, app.targets, app.models) == ("red", "ann", frozenset({"box"}), frozenset({"vllm/m"}))
    assert (app.up_to, app.expires_at) == (DataClass.internal, datetime(2027, 1, 31, tzinfo=UTC).timestamp())
    assert (boss.role, boss.targets) == ("operator", None)
    assert policy.budgets == (
        Budget(name="red", scope="team", match="red", period="month", limit_nanousd=12_500_000_000),
        Budget(name="people", scope="user", match=None, period="day", limit_nanousd=1, hard=False),
    )
    assert policy.limits == (
        Limit(name="keys", scope="key", requests_per_minute=60),
        Limit(name="w", scope="workload", match="w", tokens_per_minute=1000, concurrent=3),
    )
    assert policy.targets["box"].max_output_tokens == 50


@pytest.mark.parametrize(
    ("here", "there", "words"),
    [
        ("targets: [box], models", "targets: [cox], models", "keys.0.targets: unknown target 'cox'; there are box"),
        ("[vllm/m]", "[gpt]", "keys.0.models: unknown model 'gpt'; there are box, m, vllm/m, vllm:m"),
        ("classes: Internal", "classes: secret", "unknown data class 'secret'"),
        ("role: operator", "role: king", "keys.1.role"),
        ("expires: 2027-01-31", "expires: soon", "keys.0.expires"),
        ("name: people, scope: user", "name: red, scope: user", "budgets.1.name: another one above is called 'red'"),
        ("scope: team", "scope: planet", "budgets.0.scope"),
        ("usd: 12.5", "usd: 0", "budgets.0.usd"),
        ("name: red, scope", "name: red/blue, scope", "budgets.0.name"),
        ("scope: workload, match: w", "scope: workload, match: x", "limits.rules.1.match: unknown match 'x'; there are w"),
        ("requests_per_minute: 60", "concurrent: null", "it limits nothing"),
        ("limits:\n", "limits:\n  store: memcached://x\n", "use memory://, redis://host:6379/0"),
    ],
)
def test_mistakes(written: Callable[[str], config_file.ConfigFile], here: str, there: str, words: str) -> None:
    assert here in GOOD
    with pytest.raises(BadSettings, match=re.escape(words)):
        build_policy(written(GOOD.replace(here, there)), datetime.now(UTC).date())


@pytest.mark.parametrize(
    ("store", "words"),
    [("redis+env:FREEHOLD_NO_SUCH", "limits.store: env:FREEHOLD_NO_SUCH is not set"), ("redis://h:port", "no address of Redis")],
)
async def test_a_redis_that_cannot_be_named(
    written: Callable[[str], config_file.ConfigFile], tmp_path: Path, store: str, words: str
) -> None:
    file = written(GOOD.replace("limits:\n", f"limits:\n  store: {store}\n"))
    open_store(tmp_path / "ledger.db").close()
    with pytest.raises(BadSettings, match=re.escape(words)):
        async with admission(file, tmp_path / "ledger.db", lambda scope, reason: None):
            pass


def ends(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command said, on stdout where it went well and on stderr where not."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr()
    assert ended.value.code == code, said.err
    return said.out if code == 0 else said.err


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    return msgspec.json.decode(ends([*arguments, "--json"], 0, capsys))


def test_a_key_from_its_making_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = ["--ledger", str(tmp_path / "ledger.db")]
    made = told(["keys", "create", "--name", "app", "--team", "red", "--workloads", "a, b", "--expires", "90d", *ledger], capsys)
    assert made["grants"]["workloads"] == ["a", "b"]
    assert abs(made["expires_at"] - time.time() - 90 * 86_400) < 60
    rotated = told(["keys", "rotate", "app", "--grace", "1h", *ledger], capsys)
    listed = told(["keys", "list", *ledger], capsys)
    assert [one["state"] for one in listed] == ["good", "good"]
    assert abs(listed[0]["expires_at"] - time.time() - 3600) < 60
    table = ends(["keys", "list", *ledger], 0, capsys)
    assert "workloads a, b" in table
    kept = (tmp_path / "ledger.db").read_bytes()
    for key in (made["key"], rotated["key"]):
        assert key not in table
        assert key.encode() not in kept
        assert digest(key).encode() in kept
    assert [one["id"] for one in told(["keys", "revoke", rotated["id"], *ledger], capsys)] == [rotated["id"]]
    assert {one["state"] for one in told(["keys", "list", *ledger], capsys)} == {"good", "revoked"}


def test_a_key_for_a_replay(
    written: Callable[[str], config_file.ConfigFile], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = ["--ledger", str(tmp_path / "ledger.db")]
    assert told(["keys", "create", "--name", "trace", "--replays", *ledger], capsys)["grants"]["replays"] is True
    assert told(["keys", "create", "--name", "app", *ledger], capsys)["grants"]["replays"] is False
    assert ends(["keys", "list", *ledger], 0, capsys).count("replays") == 1
    spec = "name: other, sha256: " + "c" * 64
    file = written(GOOD.replace("keys:\n", f"keys:\n  - {{{spec}, replays: true}}\n", 1))
    rings = build_policy(file, datetime.now(UTC).date()).keys
    assert [key.replays for sign in "ca" if (key := rings.find(sign * 64)) is not None] == [True, False]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--name", "app"], "a key of"),
        (["--name", " "], "--name is empty"),
        (["--name", "x", "--targets", "cox"], "--targets: unknown 'cox'; there are box"),
        (["--name", "x", "--workloads", "v"], "--workloads: unknown 'v'; there are w"),
        (["--name", "x", "--role", "viewer", "--workloads", "w"], "opens no model"),
        (["--name", "x", "--role", "viewer", "--replays"], "classes and replays out"),
        (["--name", "x", "--expires", "tomorrow"], "--expires is 'tomorrow'"),
        (["--name", "x", "--expires", "2020-01-01"], "--expires is '2020-01-01'"),
        (["--name", "x", "--classes", "cosmic"], "cosmic"),
    ],
)
def test_wishes_that_cannot_be(
    written: Callable[[str], config_file.ConfigFile], capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    path = written(GOOD).path
    said = ends(["keys", "create", "-c", str(path), *flags], 2, capsys)
    assert words in said
    assert said.count("\n") == 1
    assert not (path.parent / "ledger.db").exists()


def test_there_is_no_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["list"], ["revoke", "x"], ["rotate", "x"]):
        assert "no ledger at" in ends(["keys", *command, "--ledger", str(tmp_path / "none.db")], 2, capsys)
    assert list(tmp_path.iterdir()) == []
