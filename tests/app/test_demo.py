"""The demo's world is a configuration that serves, and its evidence tells what is meant from what went wrong."""

from collections.abc import Mapping
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ledger_entries import entry
from residency_ledger import API, BOX, on_record, sent

from freehold.app import config_file
from freehold.app.cli.demo.evidence import evidence, unmeant
from freehold.app.cli.demo.run import _MIX
from freehold.app.cli.demo.story import Story
from freehold.app.cli.demo.world import TEAMS, World, build_world
from freehold.app.policy import build_policy
from freehold.core.entry import Charge
from freehold.lab.mix import parse_mix
from freehold.lab.report import Progress
from freehold.rules.budget import accounts_of
from freehold.serve.access.keys import digest
from freehold.serve.stores.sqlite import SqliteStore

AT = 1_795_000_000.0


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    return build_world(live=False)


def test_its_configuration_serves_every_workload_of_its_mix(world: World) -> None:
    policy = build_policy(config_file.load(world.config), date(2026, 11, 21))
    mix = parse_mix(_MIX, world.keys)
    shares = {share.workload: share for share in (mix.share_of(index) for index in range(2000))}
    assert set(shares) == set(policy.workloads) == set(TEAMS)
    for name, share in shares.items():
        assert share.key == world.keys[name]
        key = policy.keys.find(digest(world.keys[name]))
        assert key is not None
        assert (key.team, key.workloads) == (TEAMS[name], frozenset({name}))


def test_one_team_has_a_budget_that_is_soon_spent(world: World) -> None:
    budgets = build_policy(config_file.load(world.config), date(2026, 11, 21)).budgets
    assert [a.owner for a in accounts_of(budgets, {"team": "trial"}, AT)] == ["team-day/trial", "trial-day"]
    assert [a.owner for a in accounts_of(budgets, {"team": "legal"}, AT)] == ["team-day/legal"]
    assert all(budget.hard for budget in budgets)


def refused(n: int, status: int, code: str, team: str, findings: Mapping[str, int]) -> Any:
    return entry(
        f"fh-{n}", status=status, error_code=code, team=team, findings=dict(findings), outcome="refused", target=None, model=None,
        basis=None, usage=None, cost_nanousd=0, attempts=[], workload=team,
    )  # fmt: skip


def test_only_refusals_that_are_meant_are_none_of_its_errors(world: World) -> None:
    with closing(SqliteStore(world.ledger)) as store:
        store.write([
            refused(1, 429, "insufficient_quota", "trial", {}),
            refused(2, 429, "insufficient_quota", "product", {}),
            refused(3, 403, "no_target_allowed", "reporting", {"iban": 1}),
            refused(4, 403, "no_target_allowed", "reporting", {}),
            refused(5, 403, "content_blocked", "support", {"password": 1}),
            refused(6, 429, "rate_limit_exceeded", "trial", {}),
        ])  # fmt: skip
    meant = evidence(world).meant
    assert meant == {"insufficient_quota": 1, "no_target_allowed": 1, "content_blocked": 1}
    saw = {
        "429 insufficient_quota": 2,
        "403 no_target_allowed": 2,
        "403 content_blocked": 1,
        "429 rate_limit_exceeded": 1,
        "cut": 1,
    }
    assert unmeant(saw, meant) == 4
    assert unmeant({}, meant) == 3, "a refusal that no client saw is an error too"
    assert unmeant({"429 insufficient_quota": 1, "403 no_target_allowed": 1, "403 content_blocked": 1}, meant) == 0


def test_the_evidence_of_a_ledger(world: World) -> None:
    lab = msgspec.structs.replace(API, lab=True)
    charges = (Charge("team-day/reporting", "2026-11-21"),)
    with closing(SqliteStore(world.ledger)) as store:
        store.write([
            sent(AT, lab, findings={"email": 1, "phone": 1}, lab=True, cost_nanousd=5, charges=charges),
            sent(AT + 1, BOX, findings={"iban": 1}, data_class="restricted"),
            sent(AT + 2, lab, data_class="restricted"),
        ])  # fmt: skip
    on_record(world.ledger, "p1", lab, BOX, since=AT - 1, until=AT + 5)
    seen = evidence(world)
    figures = seen.figures()
    assert (figures["constraint_violations"], figures["unproven"], figures["redacted_requests"]) == (1, 0, 1)
    assert seen.lab_targets == ["api"]
    assert [(one.kind, one.requests, [to.target for to in one.sent]) for one in seen.labels] == [
        ("pci", 1, ["box"]),
        ("pii", 1, ["api"]),
    ]


def test_progress_is_told_in_lines_where_nobody_watches(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(quiet=True)
    with story.progress(100) as told:
        for tenth in range(101):
            told(Progress(sent=tenth, answered=tenth, failed=0, late=0, elapsed_s=tenth / 10))
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["0 s", "5 s", "10 s"]
    assert lines[-1] == "10 s: 100 of 100 done, 0 in flight, 0 refused or failed"
