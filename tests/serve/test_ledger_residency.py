"""One pass over a ledger: courses counted once, a hash that changes only with what was read, rows that do not fit together."""

import random
from pathlib import Path

import pytest
from ledger_entries import entry, ledger_of_before
from residency_ledger import API, BOX, DAY, JULY, OCTOBER, change, on_record, refused, sent, write

from freehold.core.entry import Entry
from freehold.core.policy_facts import Demanded
from freehold.serve.stores import residency
from freehold.serve.stores.columns import Span
from freehold.serve.stores.opening import reading
from freehold.serve.stores.residency import LedgerRange, ResidencyReader

NOW = OCTOBER + DAY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    on_ledger = tmp_path / "ledger.db"
    write(on_ledger)
    return on_ledger


def read(path: Path, since: float | None = None, until: float | None = None, evidence: int = 3) -> LedgerRange:
    return ResidencyReader(path).read(Span(since, until), NOW, evidence)


def some(count: int, source: random.Random) -> list[Entry]:
    return [
        sent(
            JULY + n + source.random() * 0.9, *source.choice([(), (API,), (BOX,), (BOX, API), (API, BOX)]),
            data_class=source.choice(["public", "restricted"]), regions=source.choice([None, (), ("eu", "us")]),
            demanded=source.choice([None, Demanded(), Demanded(egress=("files",), retention_days=0)]),
        )
        for n in range(count)
    ]  # fmt: skip


def test_requests_alike_are_one_course_however_they_are_cut_into_chunks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = random.randrange(2**32)
    batch = some(200, random.Random(seed))
    write(path, *batch)
    whole = read(path)
    counted: dict[object, int] = {}
    for one in batch:
        key = (one.data_class, one.regions, one.demanded, tuple(a.target for a in one.attempts), one.outcome)
        counted[key] = counted.get(key, 0) + 1
    found = {
        (c.handled.data_class, c.handled.regions, c.handled.demanded, tuple(p.target for p in c.places),
         "refused" if c.refused else "finished"): c.requests
        for c in whole.courses
    }  # fmt: skip
    assert found == counted, f"seed {seed}"
    assert (whole.entries, whole.attempts) == (200, sum(len(e.attempts) for e in batch))
    assert whole.irregular == {}, f"seed {seed}"
    for rows in (1, 2, 7):
        monkeypatch.setattr(residency, "_CHUNK_ROWS", rows)
        again = read(path)
        assert (again.sha256, again.entries, again.attempts) == (whole.sha256, 200, whole.attempts)
        assert {c: c.requests for c in again.courses} == {c: c.requests for c in whole.courses}


def test_evidence_are_the_first_ids_and_no_more_than_asked(path: Path) -> None:
    batch = [sent(JULY + n, API) for n in range(10)]
    write(path, *batch)
    (course,) = read(path, evidence=3).courses
    assert (course.requests, course.evidence) == (10, tuple(e.id for e in batch[:3]))


def test_the_end_is_no_part_of_the_period(path: Path) -> None:
    write(path, *(sent(JULY + n, API) for n in range(10)))
    found = read(path, JULY + 2, JULY + 5)
    assert (found.entries, found.first_at, found.last_at) == (3, JULY + 2, JULY + 4)
    assert found.irregular == {}
    assert read(path, JULY + 20).entries == 0


def test_the_hash_changes_with_any_row_that_was_read_and_with_the_record(path: Path) -> None:
    on_record(path, "p1", API, BOX)
    write(path, *(sent(JULY + n, BOX, API) for n in range(5)), sent(OCTOBER + 1, API))
    before = read(path, JULY, OCTOBER).sha256
    write(path, sent(OCTOBER + 2, API, policy="p2"))
    on_record(path, "p2", API, since=OCTOBER)
    assert read(path, JULY, OCTOBER).sha256 == before, "what is outside of the period is not part of it"
    seen = {before}
    for statement in (
        "UPDATE attempts SET target = 'box' WHERE n = 1 AND entry_id = (SELECT min(id) FROM entries)",
        "UPDATE entries SET data_class = 'public' WHERE id = (SELECT min(id) FROM entries)",
        "UPDATE entries SET key = 'other' WHERE id = (SELECT min(id) FROM entries)",
        "UPDATE policies SET clearance = 'restricted' WHERE version = 'p1'",
        "DELETE FROM attempts WHERE n = 1 AND entry_id = (SELECT min(id) FROM entries)",
        "DELETE FROM attempts WHERE entry_id = (SELECT min(id) FROM entries)",
        "DELETE FROM entries WHERE id = (SELECT min(id) FROM entries)",
    ):
        change(path, statement)
        seen.add(read(path, JULY, OCTOBER).sha256)
    assert len(seen) == 8


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("incomplete", "DELETE FROM attempts WHERE n = 0 AND entry_id = (SELECT min(id) FROM entries)"),
        ("incomplete", "DELETE FROM attempts WHERE n = 1 AND entry_id = (SELECT min(id) FROM entries)"),
        ("incomplete", "DELETE FROM attempts WHERE entry_id = (SELECT min(id) FROM entries)"),
        ("incomplete", "UPDATE entries SET target = NULL WHERE id = (SELECT min(id) FROM entries)"),
        ("clock", "UPDATE entries SET received_at = received_at + 1 WHERE id = (SELECT min(id) FROM entries)"),
        ("clock", "UPDATE entries SET total_s = -1 WHERE id = (SELECT min(id) FROM entries)"),
        ("displaced", "UPDATE entries SET received_at = 5 WHERE id = (SELECT min(id) FROM entries)"),
        ("unattended", "UPDATE policy_spans SET began_at = seen_until"),
    ],
)
def test_rows_that_do_not_fit_together_are_found(path: Path, kind: str, statement: str) -> None:
    on_record(path, "p1", API, BOX, until=JULY + 10)
    batch = [sent(JULY + n, BOX, API) for n in range(1)]
    write(path, *batch, sent(JULY + 500, BOX, policy="unknown"))
    assert read(path, JULY, OCTOBER).irregular == {}
    if kind == "unattended":
        change(path, "UPDATE policy_spans SET seen_until = seen_until + 5000")
    change(path, statement)
    irregular = read(path, JULY, OCTOBER).irregular
    assert {name: (odd.requests, odd.evidence) for name, odd in irregular.items()} == {kind: (1, [batch[0].id])}


def test_attempts_without_their_entry_and_entries_of_the_future(path: Path) -> None:
    write(path, sent(JULY, BOX, API), sent(JULY + 1, BOX), sent(NOW + 5, API))
    change(path, "DELETE FROM entries WHERE id = (SELECT min(id) FROM entries)")
    found = read(path)
    assert (found.orphans, found.entries) == (2, 2)
    assert found.irregular["future"].requests == 1
    assert read(path, OCTOBER).orphans == 0


def test_what_was_written_by_hand_and_makes_no_sense_is_not_believed(path: Path) -> None:
    write(path, refused(JULY), sent(JULY + 1, API))
    change(path, "UPDATE entries SET removed = '[{', demanded = '{\"egress\": 7}'")
    found = read(path)
    assert {c.removed for c in found.courses} == {(("?", "unreadable"),)}
    assert {c.handled.demanded for c in found.courses} == {None}


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_a_ledger_of_before_is_read_and_lacks_what_was_not_kept(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "old.db"
    ledger_of_before(path, schema, sent(JULY, API), entry("fh-1"))
    found = read(path)
    assert (found.entries, found.policies, found.spans, found.imported_rows) == (2, {}, (), 0)
    assert {(c.handled.labels, c.handled.demanded) for c in found.courses} == {(None, None)}
    assert found.irregular["clock"].evidence == ["fh-1"], "an id that carries no time proves none"
    before = found.sha256
    write(path)
    assert read(path).sha256 == before, "columns that are added say nothing of old rows"


def test_labels_are_read_where_the_ledger_keeps_them(path: Path) -> None:
    how = (None, None, Demanded(labels=("pci",)))
    write(path, *(sent(JULY + n, API, demanded=demanded) for n, demanded in enumerate(how)))
    assert {c.handled.labels for c in read(path).courses} == {None, ("pci",)}
    if "labels" not in entry_columns(path):
        change(path, "ALTER TABLE entries ADD COLUMN labels TEXT")
    change(
        path,
        "UPDATE entries SET labels = 'phi,pii' WHERE id = (SELECT min(id) FROM entries)",
        "UPDATE entries SET labels = '' WHERE id = (SELECT max(id) FROM entries)",  # the column counts more
    )
    assert {c.handled.labels for c in read(path).courses} == {("phi", "pii"), (), None}


def entry_columns(path: Path) -> frozenset[str]:
    with reading(path) as db:
        return db.columns("entries")
