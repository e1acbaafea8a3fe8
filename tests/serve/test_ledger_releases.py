"""The releases in a ledger: their time by the policies on record, their use by what each attempt says itself."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ledger_entries import entry

from freehold.core.errors import BadSettings
from freehold.core.policy_facts import TargetFacts
from freehold.core.releases import Release
from freehold.core.target import Secret
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.place import LedgerPlace, postgres_place
from freehold.serve.stores.policies import PolicyRecord
from freehold.serve.stores.reader import LedgerReader
from freehold.serve.stores.releases import ReleaseReader

API = TargetFacts(
    target="api", kind="rented", codec="lab", provider=None, model="lab-model", pinned=False, host="127.0.0.1", regions=(),
    clearance="internal", retention_days=None, trains_on_data=None, baa=False, labels=None, egress={}, lab=True,
)  # fmt: skip


def release(prompt: str | None) -> Release:
    return Release(workload="triage", target="api", model="lab-model", prompt=prompt)


def sent(ident: str, policy: str, at: float, prompt: str | None, **fields: Any) -> Any:
    made = entry(ident, policy=policy, received_at=at, prompt=prompt, **fields)
    made.attempts[0].prompt = prompt
    return made


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerPlace:
    """p1 says v1 and p2 says v2; p1 came back."""
    path: LedgerPlace = tmp_path / "ledger.db"
    if request.param == "postgresql":
        path = postgres_place(Secret(request.getfixturevalue("cluster").fresh()))
    with closing(open_store(path)) as store:
        record = PolicyRecord(path)
        for version, prompt, at in (("p1", "v1@a", 100.0), ("p2", "v2@b", 200.0), ("p1", "v1@a", 300.0)):
            record.loaded(version, [API], at, [release(prompt)])
            record.seen(version, at + 90)
        store.write([
            sent("fh-1", "p1", 110.0, "v1@a"), sent("fh-2", "p1", 120.0, "v1@a"), sent("fh-3", "p2", 210.0, "v2@b"),
            sent("fh-4", "p1", 310.0, "v1@a"), sent("fh-5", "p1", 205.0, "v1@a"),  # the last one of the other gateway
        ])  # fmt: skip
    return path


def test_what_each_stretch_served(ledger: LedgerPlace) -> None:
    found = ReleaseReader(ledger).served()
    assert [(s.release.prompt, s.began_at, s.seen_until, s.current, s.requests, s.answered) for s in found] == [
        ("v1@a", 100, 190, False, 3, 3), ("v2@b", 200, 290, False, 1, 1), ("v1@a", 300, 390, True, 1, 1)
    ]  # fmt: skip
    assert sum(s.cost_nanousd for s in found) == 5 * 450_000
    assert sum(s.unlike for s in found) == 0
    assert ReleaseReader(ledger).served("other") == []


def test_an_attempt_that_says_something_else_is_told_apart(ledger: LedgerPlace) -> None:
    with closing(open_store(ledger)) as store:
        store.write([sent("fh-6", "p2", 220.0, "v1@a"), sent("fh-7", "older", 220.0, None)])
    found = ReleaseReader(ledger).served("triage")
    assert [(s.requests, s.unlike) for s in found] == [(3, 0), (1, 1), (1, 0)]


def test_other_releases_under_the_same_version_are_refused(ledger: LedgerPlace) -> None:
    with pytest.raises(BadSettings, match="other facts about the targets of policy p1"):
        PolicyRecord(ledger).loaded("p1", [API], 400.0, [release("v9@z")])


def test_entries_and_attempts_say_which(tmp_path: Path) -> None:
    path = tmp_path / "one.db"
    weights = f"sha256:{'0' * 64}"
    with closing(open_store(path)) as store:
        made = sent("fh-1", "p", 1.0, "v1@a", weights=weights)
        store.write([made])
    (row,) = LedgerReader(path).recent(1)
    assert (row["prompt"], row["weights"]) == ("v1@a", weights)
