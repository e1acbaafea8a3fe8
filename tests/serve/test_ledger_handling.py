"""What a ledger says of findings, removed targets, refusals and whose requests they were; that both databases agree is tested
with the stores."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_entries import entry, ledger_of_before, owned_entry
from residency_ledger import change

from freehold.core.decision import Constraint, Removed
from freehold.core.entry import Entry
from freehold.serve.stores.handling import By, Finding, Group, HandlingReader, Refusal, Removal, SentTo
from freehold.serve.stores.sqlite import SqliteStore

NOWHERE: dict[str, Any] = {
    "outcome": "refused", "target": None, "model": None, "basis": None, "usage": None, "cost_nanousd": 0, "attempts": []
}  # fmt: skip


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., HandlingReader]:
    def write(*entries: Entry) -> HandlingReader:
        path = tmp_path / "ledger.db"
        with closing(SqliteStore(path)) as store:
            store.write(entries)
        return HandlingReader(path)

    return write


def away(target: str, constraint: Constraint, detail: str) -> Removed:
    return Removed(target, constraint, detail)


def test_findings_by_kind_and_by_label(written: Callable[..., HandlingReader]) -> None:
    reader = written(
        entry("fh-1", findings={"email": 2, "phone": 1}),
        owned_entry("fh-2", 1_795_000_000.0, 1.0, findings={"email": 1}, lab=True),
        entry("fh-3", findings={"iban": 1}, status=403, error_code="no_target_allowed", **NOWHERE),
        entry("fh-4"),
    )
    api, box = SentTo("api", "rented", False, 1), SentTo("box", "owned", True, 1)
    assert reader.findings() == [
        Finding("email", 3, 2, 0, (api, box)),
        Finding("iban", 1, 1, 1, ()),
        Finding("phone", 1, 1, 0, (api,)),
    ]
    assert reader.findings({"email": "pii", "phone": "pii", "iban": "pci"}) == [
        Finding("pii", 4, 2, 0, (api, box)),
        Finding("pci", 1, 1, 1, ()),
    ], "a request with two kinds of one label counts once"


def test_a_failed_attempt_was_sent_too(written: Callable[..., HandlingReader]) -> None:
    first, second = entry("fh-0").attempts[0], owned_entry("fh-0", 1.0, 1.0).attempts[0]
    again = entry("fh-0").attempts[0]
    first.outcome = "broken"
    reader = written(entry("fh-1", findings={"email": 1}, attempts=[first, again, second], target="box", basis="owned", lab=True))
    (found,) = reader.findings()
    assert found.sent == (SentTo("api", "rented", False, 1), SentTo("box", "owned", True, 1)), "two attempts, one request"


def test_removals_without_their_numbers(written: Callable[..., HandlingReader]) -> None:
    both = (away("api", "budget", "trial-day has $0.12 left"), away("far", "region", "runs in us, allowed is eu"))
    reader = written(
        entry("fh-1", removed=both),
        entry("fh-2", removed=(away("api", "budget", "trial-day has $0.009 left"),), **NOWHERE),
        entry("fh-3", removed=(both[1], both[1])),
    )
    assert reader.removals() == [
        Removal("budget", "api", "trial-day has $# left", 2, 1),
        Removal("region", "far", "runs in us, allowed is eu", 2, 0),
    ]


def test_refusals(written: Callable[..., HandlingReader]) -> None:
    spent: dict[str, Any] = {"status": 429, "error_code": "insufficient_quota", "team": "red"}
    blocked: dict[str, Any] = {"status": 403, "error_code": "content_blocked", "findings": {"password": 1}}
    reader = written(
        *(entry(f"fh-{n}", **spent, **NOWHERE) for n in range(2)), entry("fh-2", **blocked, **NOWHERE), entry("fh-3")
    )
    assert reader.refusals() == [
        Refusal("content_blocked", 403, "triage", None, True, 1),
        Refusal("insufficient_quota", 429, "triage", "red", False, 2),
    ]


def test_groups(written: Callable[..., HandlingReader]) -> None:
    reader = written(
        entry("fh-1", team="red", user="ann"),
        entry("fh-2", team="red", user="bob", spilled=True),
        owned_entry("fh-3", 1_795_000_000.0, 1.0, key="other", data_class="restricted", lab=True, workload="chat"),
        entry("fh-4", team="red", user="ann", **NOWHERE),
    )
    assert reader.groups("team") == [Group("red", 3, 2, 1, 1, 200, 40, 900_000, 0), Group(None, 1, 1, 0, 0, 100, 20, 0, 1)]
    by: dict[By, list[tuple[str | None, int]]] = {
        "user": [("ann", 2), (None, 1), ("bob", 1)], "key": [("app", 3), ("other", 1)],
        "target": [("api", 2), (None, 1), ("box", 1)], "workload": [("triage", 3), ("chat", 1)],
        "class": [("internal", 3), ("restricted", 1)],
    }  # fmt: skip
    assert {name: [(g.name, g.requests) for g in reader.groups(name)] for name in by} == by


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["red", None]), st.dictionaries(st.sampled_from("abc"), st.integers(1, 9))), max_size=20)
)
def test_nothing_is_counted_twice_or_lost(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, dict[str, int]]]
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    with closing(SqliteStore(path)) as store:
        store.write([entry(f"fh-{n}", team=team, findings=found) for n, (team, found) in enumerate(rows)])
    reader = HandlingReader(path)
    assert sum(group.requests for group in reader.groups("team")) == len(rows)
    found = {one.kind: one for one in reader.findings()}
    assert {kind: one.found for kind, one in found.items()} == {
        kind: total for kind in "abc" if (total := sum(row.get(kind, 0) for _, row in rows))
    }
    together = reader.findings({"a": "x", "b": "x", "c": "x"})
    assert sum(one.requests for one in together) == sum(bool(row) for _, row in rows)
    assert all(sum(to.requests for to in one.sent) == one.requests for one in [*found.values(), *together])


@pytest.mark.parametrize("schema", range(1, 6))
def test_an_older_ledger_has_what_it_has(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "ledger.db"
    ledger_of_before(path, schema, entry("fh-1", removed=(away("api", "region", "d"),)), entry("fh-2", **NOWHERE))
    reader = HandlingReader(path)
    assert (reader.findings(), reader.removals()) == ([], [Removal("region", "api", "d", 1, 0)])
    assert reader.refusals() == [Refusal(None, 200, "triage", None, False, 1)]
    assert [group.requests for group in reader.groups("team")] == [2]


def test_rows_changed_by_hand_are_told_as_unreadable(written: Callable[..., HandlingReader], tmp_path: Path) -> None:
    reader = written(entry("fh-1", findings={"email": 1}, removed=(away("api", "region", "d"),)))
    change(tmp_path / "ledger.db", "UPDATE entries SET findings = 'no', removed = 'no'")
    assert [found.kind for found in reader.findings()] == ["unreadable"]
    assert [one.constraint for one in reader.removals()] == ["unreadable"]
