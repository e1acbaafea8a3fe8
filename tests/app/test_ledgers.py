"""Where `store:` and `--ledger` point, and that every command says the same of a ledger wherever it is."""

import json
from pathlib import Path

import pytest
from bill_ledger import fill
from postgres_cluster import PASSWORD, Cluster

from freehold.app import config_file
from freehold.app.cli import main
from freehold.app.ledgers import configured_ledger, named_ledger
from freehold.core.errors import BadSettings
from freehold.core.target import Secret
from freehold.serve.stores.place import postgres_place

CONFIG = f"""\
version: 1
store: "{{store}}"
keys: [{{{{name: app, sha256: {"a" * 64}}}}}]
targets: {{{{box: {{{{engine: vllm, url: "http://127.0.0.1:9", model: m, clearance: restricted}}}}}}}}
workloads: {{{{triage: {{{{targets: [box]}}}}}}}}
"""
USAGE = "when,in,out\n" + "".join(
    f"2026-11-{1 + n // 24:02}T{n % 24:02}:00:{n % 60:02}Z,{400 + n},{20 + n % 9}\n" for n in range(200)
)


def configured(folder: Path, store: str) -> config_file.ConfigFile:
    (folder / "freehold.yaml").write_text(CONFIG.format(store=store), encoding="utf-8")
    return config_file.load(folder / "freehold.yaml")


def run(*argv: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in argv])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def said(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert run(*argv) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_a_store_is_a_file_beside_the_configuration_or_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://me:word@db/ledger"
    assert configured_ledger(configured(tmp_path, "sqlite:///some.db")) == tmp_path / "some.db"
    monkeypatch.setenv("THE_LEDGER", url)
    (tmp_path / "url").write_text(f"{url}\n", encoding="utf-8")
    for store in (url, "postgresql+env:THE_LEDGER", f"postgresql+file:{tmp_path / 'url'}"):
        assert str(configured_ledger(configured(tmp_path, store))) == "postgresql://me@db/ledger"
        assert str(named_ledger(store)) == "postgresql://me@db/ledger"
    assert named_ledger("some.db") == named_ledger("sqlite:///some.db") == Path("some.db")


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        ("freehold.db", "use sqlite:///freehold.db"),
        ("postgresql+env:", "use sqlite:///freehold.db"),
        ("postgresql+env:NOT_THERE", "env:NOT_THERE is not set or empty"),
        ("postgresql+file:/not/there", "cannot read it"),
        ("postgresql+env:WRONG", "no address of PostgreSQL"),
    ],
)
def test_a_store_that_cannot_be_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, problem: str
) -> None:
    monkeypatch.setenv("WRONG", "http://me:word@db")
    with pytest.raises(BadSettings, match=f":2: store: .*{problem}") as caught:
        configured_ledger(configured(tmp_path, store))
    assert "word" not in caught.value.message


def test_check_looks_where_the_store_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = configured(tmp_path, "postgresql+env:NOT_THERE")
    assert run("check", "-c", file.path) == 2
    assert "env:NOT_THERE is not set or empty" in capsys.readouterr().err


def test_every_command_says_the_same_of_both(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    url = cluster.fresh()
    monkeypatch.setenv("THE_LEDGER", url)
    fill(Path("freehold.db"), postgres_place(Secret(url)))
    Path("used.csv").write_text(USAGE, encoding="utf-8")
    places = ("freehold.db", "postgresql+env:THE_LEDGER")
    read = (
        ("import", "used.csv", "--map", "time=when,input=in,output=out", "--json"),
        ("ledger", "summary", "--json"),
        ("ledger", "entries", "--json", "--limit", "50"),
        ("export", "focus", "--with-lab", "--with-imported"),
        ("plan", "--json", "--workload", "used"),
        ("plan", "--json", "--workload", "used", "--since", "2026-11-03", "--until", "2026-11-06"),
    )
    for command in read:
        file, database = (said(capsys, *command, "--ledger", place) for place in places)
        assert len(file) > 100
        assert database == file, command
    assert run("import", "used.csv", "--map", "time=when,input=in,output=out", "--ledger", places[1]) == 0
    told = capsys.readouterr().err
    assert "already imported, nothing added" in " ".join(told.split())
    assert PASSWORD not in told
    watched = [run("plan", "--watch", "--once", "--json", "--ledger", place) for place in places]
    looks = [json.loads(line)["signals"] for line in capsys.readouterr().out.splitlines()]
    assert watched[0] == watched[1]
    assert looks[0] == looks[1]


def test_a_database_that_does_not_answer_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (("ledger", "summary"), ("plan",), ("export", "focus"), ("plan", "--watch", "--once"), ("import", __file__)):
        assert run(*command, "--ledger", "postgresql://me:word@127.0.0.1:1/x") == 2
        (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
        assert line.startswith("freehold: ")
        assert "word" not in line
