"""`freehold check` finds what only serving would open, and warns of what would turn requests away."""

from pathlib import Path

import pytest

from freehold.app.cli import main

CONFIG = f"""\
version: 1
keys: [{{name: app, sha256: {"a" * 64}}}]
targets:
  api: {{provider: lab, url: "http://127.0.0.1:9", model: m, clearance: internal, price: {{input: 1, output: 2}}}}
workloads: {{w: {{targets: [api]}}}}
"""


def checked(more: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    Path("freehold.yaml").write_text(CONFIG + more, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["check"])
    assert isinstance(ended.value.code, int)
    return ended.value.code, " ".join(capsys.readouterr().err.split())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FREEHOLD_SHORT", "c2hvcnQ=")
    monkeypatch.delenv("FREEHOLD_NOT_SET", raising=False)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("content: {key: 'env:FREEHOLD_NOT_SET'}", ":6: content.key: env:FREEHOLD_NOT_SET is not set or empty"),
        ("content: {key: 'env:FREEHOLD_SHORT'}", ":6: content.key: a content key is 32 random bytes in base64"),
        ("content: {path: no/it.db, key: 'env:FREEHOLD_SHORT'}", ":6: content.path: the folder no is not there; make it, or"),
        ("limits: {store: 'redis://'}", ":6: limits.store: that is no address of Redis; use redis://host:6379/0"),
        ("limits: {store: 'redis+env:FREEHOLD_NOT_SET'}", ":6: limits.store: env:FREEHOLD_NOT_SET is not set or empty"),
        (
            "signals: {webhook: {url: 'https://x.org', key: 'env:FREEHOLD_NOT_SET'}}",
            ":6: signals.webhook.key: env:FREEHOLD_NOT_S",
        ),
        ("listen: 300.1.1.1:80", ":6: listen: use host:port, such as 127.0.0.1:8400"),
        ("store: sqlite:///no/ledger.db", ":6: store: the folder no is not there; make it, or name one that is"),
    ],
)
def test_what_only_serving_would_open(more: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = checked(more, capsys)
    assert code == 2
    assert f"freehold.yaml{words}" in said


def test_what_a_hard_budget_would_turn_away_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = checked("budgets: [{name: all, scope: key, usd: 5}]", capsys)
    assert code == 0
    assert "freehold.yaml:4: targets.api: in workload w behind the hard budget 'all', and nothing bounds its answers: " in said
