"""`freehold migrate` over a ledger: what may be wished, what is told, and bad wishes in one line."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from freehold.app import migrating
from freehold.app.cli import main
from freehold.app.migrating import Wish
from freehold.app.migration_evidence import gate_evidence
from freehold.app.migration_log import assigned, state_of, write_event, write_score
from freehold.core.errors import BadSettings
from freehold.core.policy_facts import TargetFacts
from freehold.core.releases import Release
from freehold.move.migration.lines import PairScore, Served
from freehold.move.migration.machine import MigrationSettings, State, after
from freehold.move.migration.progress import Migration, event_of
from freehold.serve.stores.key_records import Grants, KeyRecord, KeyRecords
from freehold.serve.stores.migrations import MigrationStore
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.policies import PolicyRecord

Freehold = Callable[..., Any]


def facts(name: str, kind: str) -> TargetFacts:
    return TargetFacts(
        target=name, kind=kind, codec="lab", provider=None, model="m", pinned=False, host="127.0.0.1", regions=(),  # type: ignore[arg-type]
        clearance="internal", retention_days=None, trains_on_data=None, baa=False, labels=None, egress={}, lab=True,
    )  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """One that a gateway has served on, with an API and a box."""
    path = tmp_path / "ledger.db"
    with closing(open_store(path)):
        targets = [facts("api", "rented"), facts("box", "owned")]
        PolicyRecord(path).loaded("p1", targets, 100.0, [Release(workload="triage", target="api", model="m")])
    return path


@pytest.fixture
def freehold(ledger: Path, capsys: pytest.CaptureFixture[str]) -> Freehold:
    def run(*arguments: str, code: int = 0) -> Any:
        with pytest.raises(SystemExit) as ended:
            main(["migrate", *arguments, "--ledger", str(ledger), "--json"])
        said = capsys.readouterr()
        assert ended.value.code == code, said.err
        if code == 2:
            assert said.out == ""
            assert said.err.count("\n") == 1
            return said.err
        return json.loads(said.out)

    return run


def pairs(ledger: Path, migration: str, count: int, candidate: float = 1.0, step: int = -1) -> None:
    score = write_score(PairScore(
        request="fh-1", at=1.0, step=step, candidate=candidate, incumbent=1.0, cost_nanousd=5,
        harms={"errors": (0.0, 0.0), "refusals": (0.0, 0.0), "late": (0.0, 0.0)},
    ))  # fmt: skip
    MigrationStore(ledger).score(migration, [score] * count)


def conduct(ledger: Path, one: Migration) -> None:
    """What a gateway would append."""
    fold = migrating.progress_of(ledger, one)
    following = fold.next()
    assert following is not None
    assert MigrationStore(ledger).append(one.id, write_event(event_of(following, 86_400.0)), fold.events)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("start", "nobody", "--to", "box"), "no workload 'nobody' in the policy in force; there are triage"),
        (("start", "triage", "--to", "nowhere"), "no such target; there are api, box"),
        (("start", "triage", "--to", "box", "--steps", "50,5"), "rising shares"),
        (("start", "triage", "--to", "box", "--steps", "many"), "--steps is 'many'"),
        (("start", "triage", "--to", "box", "--guard", "taste=0.1"), "'taste' is not measured"),
        (("start", "triage", "--to", "box", "--margin", "2"), "margin is 2"),
        (("start", "triage", "--to", "box", "--worse-by", "errors"), "give NAME=LIMIT"),
        (("promote", "triage"), "no migration of 'triage'"),
        (("rollback", "triage", "--to", "box"), "no migration of 'triage' to box"),
        (("history", "triage"), "no migration of 'triage'"),
        (("watch", "triage"), "no migration of 'triage'"),
    ],
)
def test_bad_wishes_get_one_line(freehold: Freehold, arguments: tuple[str, ...], words: str) -> None:
    assert words in freehold(*arguments, code=2)
    assert freehold("status") == []


SUITE = """
version: 1
workload: triage
graders: [{name: answered, kind: answered}, {name: format, kind: schema, schema: {type: object}, guardrail: true}]
"""
JUDGE = "judge: {target: %s, model: claude-x, arms: {owned: qwen, rented: gpt}, rubric: Be right.}"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return path


def test_a_suite_stands_in_the_settings_by_its_digest_and_its_guardrails_beside_the_usual(
    freehold: Freehold, suite: Path
) -> None:
    start = ("start", "triage", "--to", "box", "--suite", str(suite))
    assert "guardrail 'format' has no limit" in freehold(*start, code=2)
    begun = freehold(*start, "--worse-by", "format=0.02", "--draft", "--after-live", "0")
    assert (begun["settings"]["suite"]["path"], begun["settings"]["suite"]["digest"]) == (str(suite), begun["suite"])
    assert [one["name"] for one in begun["settings"]["gate"]["guardrails"]] == ["errors", "refusals", "late", "format"]
    assert begun["settings"]["after_live"] == 0
    freehold("promote", "triage")
    (started,) = freehold("history", "triage")
    assert started["evidence"]["digest"] == begun["suite"], "also where it began as a draft"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--suite", "nowhere.yaml"), "cannot read nowhere.yaml"),
        (("--from-ledger",), "no configuration at freehold.yaml"),
        (("--from-ledger", "-c", "bare.yaml"), "there is no content: section"),
        (("--since", "2026-11-01"), "--since chooses from recorded requests; give --from-ledger"),
        (("--from-ledger", "--since", "lately"), "--since is 'lately'; give a day or a time"),
        (("--after-live", "1.5"), "after_live is 1.5"),
    ],
)
def test_evidence_that_cannot_be_had_is_refused_before_anything_begins(
    freehold: Freehold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    bare = {
        "version": 1, "keys": [{"name": "app", "sha256": "a" * 64}], "workloads": {"triage": {"targets": ["box"]}},
        "targets": {"box": {"engine": "vllm", "url": "http://127.0.0.1:9", "model": "m", "clearance": "internal"}},
    }  # fmt: skip
    Path("bare.yaml").write_text(json.dumps(bare), encoding="utf-8")
    assert words in freehold("start", "triage", "--to", "box", *flags, code=2)
    assert freehold("status") == []


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        ("nobody", "the suite's judge.target is 'nobody', and the policy in force has no such target"),
        ("box", "would judge its own answers"),
        ("api", "would judge its own answers"),
        ("cousin", "the judge 'cousin' is of the family qwen, and so is 'Qwen2.5-7B' at box"),
    ],
)
def test_a_judge_is_neither_a_part_nor_a_relative(freehold: Freehold, ledger: Path, suite: Path, judge: str, words: str) -> None:
    models = {"api": "gpt-4o", "box": "Qwen2.5-7B", "cousin": "qwq-32b", "judge": "claude-x"}
    known = [msgspec.structs.replace(facts(name, "rented"), model=model) for name, model in models.items()]
    PolicyRecord(ledger).loaded("p2", known, 200.0, [Release(workload="triage", target="api", model="m")])
    flags = ("start", "triage", "--to", "box", "--worse-by", "format=0.1", "--suite", str(suite))
    suite.write_text(SUITE + JUDGE % judge, encoding="utf-8")
    assert words in freehold(*flags, code=2)
    suite.write_text(SUITE + JUDGE % "judge", encoding="utf-8")
    assert freehold(*flags)["judge"] == {
        "checked": None, "pairs": 0, "turned": 0, "longer_preferred": None, "cost_nanousd": 0,
    }  # fmt: skip


def test_the_stages_that_people_move(freehold: Freehold) -> None:
    begun = freehold(
        "start", "triage", "--to", "box", "--draft", "--steps", "10,50", "--usd-per-day", "0.5", "--slice-by", "label"
    )
    assert (begun["stage"], begun["settings"]["steps"], begun["settings"]["day_nanousd"]) == ("draft", [0.1, 0.5], 500_000_000)
    assert begun["settings"]["slice_by"] == "label"
    assert freehold("promote", "triage")["stage"] == "shadow"
    assert "only the gate promotes" in freehold("promote", "triage", code=2)
    assert freehold("pause", "triage")["stage"] == "paused"
    assert "pause is not possible in stage paused" in freehold("pause", "triage", code=2)
    assert "keeps its settings" in freehold("start", "triage", "--to", "box", "--dwell", "5", code=2)
    assert freehold("start", "triage", "--to", "box")["stage"] == "shadow"
    assert "under way in stage shadow" in freehold("start", "triage", "--to", "box", code=2)
    assert "on its way to box already" in freehold("start", "triage", "--to", "api", code=2)
    assert freehold("rollback", "triage")["stage"] == "rolled_back"
    assert freehold("status", code=1)[0]["stage"] == "rolled_back"
    kinds = [one["kind"] for one in freehold("history", "triage")]
    assert kinds == ["start", "pause", "resume", "roll_back"]
    assert freehold("start", "triage", "--to", "box")["stage"] == "shadow", "a new one"
    assert len(freehold("status", code=1)) == 2


def test_the_gates_word_is_the_plans_evidence(ledger: Path, freehold: Freehold) -> None:
    freehold("start", "triage", "--to", "box")
    one = migrating.found(ledger, Wish("triage"))
    assert gate_evidence(ledger) == {}
    pairs(ledger, one.id, 400)
    now = freehold("status")[0]
    assert (now["pairs"], now["cost_nanousd"], now["verdict"]["decision"]) == (400, 2000, "promote")
    conduct(ledger, one)
    assert freehold("status")[0]["stage"] == "canary"
    found = gate_evidence(ledger)["triage"]
    assert (found.holds, found.samples, found.on, found.source) == (True, 179, "1970-01-02", "measured")
    for stage in ("canary", "canary", "canary", "live"):
        assert freehold("promote", "triage")["stage"] == stage
    assert "has moved to box already" in freehold("start", "triage", "--to", "box", code=2)
    freehold("start", "triage", "--to", "api")
    back = migrating.found(ledger, Wish("triage"))
    pairs(ledger, back.id, 400, candidate=0.0)
    conduct(ledger, back)
    assert freehold("status", code=1)[-1]["stage"] == "rolled_back"
    assert gate_evidence(ledger)["triage"].holds, "what is found of an API says nothing of owning"
    with pytest.raises(SystemExit) as ended:
        main(["migrate", "watch", "triage", "--ledger", str(ledger), "--until-over"])
    assert ended.value.code == 1


def test_what_turned_bad_later_is_evidence_too(ledger: Path, freehold: Freehold) -> None:
    freehold("start", "triage", "--to", "box", "--steps", "50")
    one = migrating.found(ledger, Wish("triage"))
    pairs(ledger, one.id, 400)
    conduct(ledger, one)
    freehold("promote", "triage")
    assert gate_evidence(ledger)["triage"].holds
    pairs(ledger, one.id, 100, candidate=0.0, step=1)
    now = freehold("status")[0]
    assert (now["stage"], now["verdict"]["decision"]) == ("live", "rollback"), "of the pairs since it is live"
    conduct(ledger, one)
    last = freehold("history", "triage")[-1]
    assert (last["kind"], last["by"], last["state"]["stage"]) == ("roll_back", "live", "rolled_back")
    found = gate_evidence(ledger)["triage"]
    assert (found.holds, found.samples) == (False, last["evidence"]["samples"])


def test_what_the_request_line_goes_by(ledger: Path) -> None:
    """A newer migration comes before the one that is live; what is over or paused asks for nothing."""
    settings, store = MigrationSettings(), MigrationStore(ledger)

    def one(ident: str, target: str) -> Migration:
        return Migration(id=ident, workload="triage", target=target, settings=settings, made_at=0.0)

    live, canary, paused = (
        State(stage="live", step=3, proven=True),
        State(stage="canary", step=1, proven=True),
        State(stage="paused"),
    )
    older = [(one("m0", "a"), live), (one("m1", "b"), live), (one("m2", "c"), State(stage="rolled_back"))]
    assert [a.migration for a in assigned(older)["triage"]] == ["m1"]
    (newest, before) = assigned([*older, (one("m3", "d"), canary)])["triage"]
    assert (newest.target, newest.share, before.target, before.share) == ("d", 0.05, "b", 1.0)
    assert [a.migration for a in assigned([*older, (one("m3", "d"), paused)])["triage"]] == ["m1"]
    begun = migrating.start(ledger, Wish("triage", "box"), None)
    assert state_of(store, begun) == after(State(), "start", settings)
    migrating.pause(ledger, Wish("triage"))
    with pytest.raises(BadSettings, match="advance is not possible in stage paused"):
        migrating.promote(ledger, Wish("triage"))


def configured(path: Path, *keys: str) -> None:
    path.write_text(json.dumps({
        "version": 1, "keys": [{"name": name, "sha256": f"{n:064x}"} for n, name in enumerate(keys)],
        "workloads": {"triage": {"targets": ["box"]}},
        "targets": {"box": {"engine": "vllm", "url": "http://127.0.0.1:9", "model": "m", "clearance": "internal"}},
    }), encoding="utf-8")  # fmt: skip


def test_an_offline_key_is_one_of_the_configuration_or_of_the_ledger(
    freehold: Freehold, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    records = [("nightly", None, None), ("boss", "admin", None), ("gone", None, 2.0)]
    for n, (name, role, revoked_at) in enumerate(records):
        KeyRecords(ledger).make(KeyRecord(
            id=f"key-{n}", name=name, sha256=f"{n:064x}", role=role, grants=Grants(), made_at=1.0, revoked_at=revoked_at,
        ))  # fmt: skip
    configured(tmp_path / "own.yaml", "app", "evals")
    start = ("start", "triage", "--to", "box", "-c", "own.yaml")
    for name in ("boss", "gone", "nobody"):
        words = f"--offline-key is '{name}', which is no key of own.yaml or of {ledger}; there are app, evals, nightly"
        assert words in freehold(*start, "--offline-key", name, code=2)
    assert "no configuration at nowhere.yaml" in freehold(*start[:-1], "nowhere.yaml", "--offline-key", "evals", code=2)
    assert "given twice" in freehold(*start, "--offline-key", "evals", "--offline-key", "evals", code=2)
    assert freehold("status") == []
    begun = freehold(*start, "--offline-key", "evals", "--offline-key", "nightly")
    assert begun["settings"]["offline_keys"] == ["evals", "nightly"]
    assert begun["offline"] == {"sent": {"evals": 0, "nightly": 0}, "begun": False}
    assert "under way in stage shadow" in freehold(*start, "--offline-key", "app", code=2)


def test_where_no_configuration_is_at_hand_a_key_without_requests_is_noted(
    freehold: Freehold, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    freehold("start", "triage", "--to", "box", "--offline-key", "jobs", "--offline-key", "evals", "--steps", "50", "--dwell", "5")
    one = migrating.found(ledger, Wish("triage"))
    pairs(ledger, one.id, 400)
    conduct(ledger, one)
    met = Served(request="fh-1", at=1.0, step=0, harms={"errors": 0.0, "late": 0.0}, offline="jobs")
    MigrationStore(ledger).score(one.id, [write_score(met)] * 5)
    (now,) = freehold("status")
    assert (now["step_name"], now["share"], now["served"], now["offline"]["sent"]) == ("offline", 0.0, 5, {"jobs": 5, "evals": 0})
    assert now["reason"].startswith(
        "Offline first: keys jobs, evals; of evals the candidate has met no request yet. Canary in step"
    )
    with pytest.raises(SystemExit):
        main(["migrate", "status", "--ledger", str(ledger)])
    told = "triage to box: Offline first: keys jobs, evals; of evals the candidate has met no request yet."
    assert told in capsys.readouterr().out.splitlines()
    conduct(ledger, one)
    assert [(line["kind"], line["step_name"]) for line in freehold("history", "triage")] == [
        ("start", None), ("prove", "offline"), ("advance", "50%"),
    ]  # fmt: skip
    with pytest.raises(SystemExit):
        main(["migrate", "history", "triage", "--ledger", str(ledger)])
    said = capsys.readouterr().out
    assert said.startswith("Offline first: keys jobs, evals.\n")
    assert "5 offline requests" in " ".join(said.split())
    assert freehold("promote", "triage")["stage"] == "live"
    assert freehold("rollback", "triage")["stage"] == "rolled_back"
