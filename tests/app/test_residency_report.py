"""The report over hand-made ledgers: each kind of violation is found, nothing is made to look fine, the answer comes first."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bill_ledger import imported, logged
from ledger_entries import ledger_of_before
from residency_ledger import API, BOX, DAY, JULY, OCTOBER, change, on_record, refused, sent, write

from freehold.app.residency.document import Asked, Residency
from freehold.app.residency.page import render_residency
from freehold.app.residency.report import residency
from freehold.core.policy_facts import Demanded

NOW = OCTOBER + 30 * DAY
PHI = "ALTER TABLE entries ADD COLUMN labels TEXT"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A policy with two targets, in force from July to October."""
    path = tmp_path / "ledger.db"
    write(path)
    on_record(path, "p1", API, BOX)
    return path


def report(path: Path, **fields: Any) -> Residency:
    usual: dict[str, Any] = {"since": JULY, "until": OCTOBER}
    return residency(path, Asked(**usual | fields), NOW)


def doubted(made: Residency) -> dict[str, int | None]:
    return {doubt.kind: doubt.requests for doubt in made.not_provable}


def labelled(path: Path, labels: str, *ids: str) -> None:
    """As a gateway that keeps labels would have written them."""
    with closing(sqlite3.connect(path)) as db:
        if "labels" not in {row[1] for row in db.execute("PRAGMA table_info(entries)")}:
            db.execute(PHI)
        db.executemany("UPDATE entries SET labels = ? WHERE id = ?", [(labels, ident) for ident in ids])
        db.commit()


def test_a_quarter_in_which_all_is_well(path: Path) -> None:
    homely = [sent(JULY + n, BOX, data_class="restricted") for n in range(4)]
    write(path, *homely, *(sent(JULY + 10 + n, BOX, API, data_class="internal") for n in range(3)))
    made = report(path)
    assert made.answer == (
        "No data went where it must not go between 2026-07-01 and 2026-10-01: 0 of 7 requests. No restricted data left your own "
        "machines: 0 of 4 requests."
    )
    assert report(path, data_class="restricted").answer == (
        "No restricted data left your own machines between 2026-07-01 and 2026-10-01: 0 of 4 requests."
    )
    assert (made.requests, made.attempts, made.violating, made.unproven, made.rented) == (7, 10, 0, 0, 3)
    assert [(d.data_class, d.target, d.requests, d.attempts, d.verdict, d.regions) for d in made.destinations] == [
        ("restricted", "box", 4, 4, "allowed", ("home",)),
        ("internal", "box", 3, 3, "allowed", ("home",)),
        ("internal", "api", 3, 3, "allowed", ("eu",)),
    ]
    assert doubted(made) == {}
    assert [(p.version, p.requests, p.targets) for p in made.policies] == [("p1", 7, (API, BOX))]
    internal = report(path, data_class="internal")
    assert internal.answer.endswith("0 of 3 requests. 3 of 3 requests were sent to rented targets.")


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("data_class", {"data_class": "confidential"}),
        ("region", {"regions": ("us",)}),
        ("retention", {"demanded": Demanded(retention_days=0)}),
        ("training", {"demanded": Demanded(no_training=True)}),
        ("provider", {"demanded": Demanded(providers=("mistral",))}),
        ("pinned", {"demanded": Demanded(pinned=True)}),
        ("egress", {"demanded": Demanded(egress=("store",))}),
        ("target", {"targets": (msgspec.structs.replace(API, target="elsewhere"),)}),
        ("baa", {"demanded": Demanded(labels=("phi",))}),
    ],
)
def test_each_kind_of_violation_is_found_with_its_ids(tmp_path: Path, rule: str, fields: dict[str, Any]) -> None:
    path = tmp_path / "ledger.db"
    write(path)
    home = msgspec.structs.replace(BOX, regions=("us",), egress={"store": "restricted"})
    on_record(path, "p1", msgspec.structs.replace(API, trains_on_data=None), home)
    targets = fields.pop("targets", (BOX, API))
    bad = [sent(JULY + n, *targets, **fields) for n in range(7)]
    write(path, *bad, *(sent(JULY + 100 + n, BOX, **fields) for n in range(3)))
    made = report(path)
    assert [(v.rule, v.requests, v.policy, v.evidence) for v in made.violations] == [
        (rule, 7, "p1", tuple(e.id for e in bad[:5]))
    ]
    assert made.violating == 7
    assert made.answer.startswith("7 of 10 requests went where their data must not go between 2026-07-01 and 2026-10-01: 7 ")
    assert {d.target for d in made.destinations if d.verdict == "violation"} == {targets[-1].target}


def test_a_request_counts_once_however_many_rules_it_broke(path: Path) -> None:
    write(path, sent(JULY, API, API, data_class="restricted", regions=("us",), demanded=Demanded(retention_days=0)))
    made = report(path)
    assert (made.violating, made.requests, len(made.violations)) == (1, 1, 3)
    assert [(d.requests, d.attempts) for d in made.destinations] == [(1, 2)]
    assert made.answer.startswith("1 of 1 request went where their data must not go")


def test_an_attempt_that_failed_was_sent_all_the_same(path: Path) -> None:
    one = sent(JULY, API, BOX, data_class="restricted")
    one.attempts[0].outcome, one.attempts[0].status = "unreachable", None
    write(path, one)
    made = report(path)
    assert made.violating == 1
    assert made.rented == 1


def test_each_request_is_judged_by_the_policy_it_was_served_under(path: Path) -> None:
    """A later policy with better terms makes nothing good; one that took a target away makes nothing bad."""
    write(path, sent(JULY, API, data_class="restricted"), sent(JULY + 1, API))
    before = report(path)
    on_record(path, "p2", msgspec.structs.replace(API, clearance="restricted"), since=OCTOBER - DAY)
    write(path, sent(OCTOBER - 5, API, policy="p2", data_class="restricted"))
    after = report(path)
    assert (
        [(v.policy, v.requests) for v in after.violations] == [("p1", 1)] == [(v.policy, v.requests) for v in before.violations]
    )
    assert [(d.verdict, d.requests) for d in after.destinations if d.data_class == "restricted"] == [
        ("allowed", 1), ("violation", 1)
    ]  # fmt: skip
    assert after.violating == 1


def test_entries_of_before_the_record_are_never_fine(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger_of_before(path, 3, sent(JULY, API, data_class="restricted"), sent(JULY + 1, BOX))
    old = report(path)
    assert old.answer == (
        "No violation is known between 2026-07-01 and 2026-10-01, but 2 of 2 requests cannot be judged, because what their "
        "targets were cleared for is not on record."
    )
    assert {d.verdict for d in old.destinations} == {"not_provable"}
    assert doubted(old) == {"no_facts": 2, "labels": 2, "demanded": 2, "no_record": None}
    write(path)
    on_record(path, "p2", API, BOX, since=JULY + DAY)
    write(path, sent(JULY + DAY + 1, BOX, policy="p2"))
    mixed = report(path)
    assert (mixed.requests, mixed.unproven) == (3, 2)
    assert [(p.version, p.targets is None) for p in mixed.policies] == [("p1", True), ("p2", False)]
    assert doubted(mixed) | {"labels": 0} == {"no_facts": 2, "labels": 0, "demanded": 2, "gaps": None}


def test_a_row_that_says_owned_of_a_rented_target_does_not_stay_home(path: Path) -> None:
    write(path, sent(JULY, API, data_class="restricted"))
    change(path, "UPDATE attempts SET kind = 'owned'")
    made = report(path, data_class="restricted")
    assert {v.rule for v in made.violations} == {"data_class", "target"}
    assert made.rented == 1


def test_the_rule_acted(path: Path) -> None:
    from_refusals = [refused(JULY + n, data_class="restricted") for n in range(3)]
    served = sent(JULY + 9, BOX, data_class="restricted", removed=from_refusals[0].removed)
    write(path, *from_refusals, served)
    made = report(path)
    (no,) = made.refusals
    assert (no.requests, no.because, no.evidence) == (3, (("api", "data_class"),), tuple(e.id for e in from_refusals))
    assert [(r.target, r.constraint, r.requests) for r in made.ruled_out] == [("api", "data_class", 4)]
    (count,) = made.classes
    assert (count.requests, count.owned, count.rented, count.nowhere) == (4, 1, 0, 3)


def test_labels_that_were_not_kept_are_not_taken_for_none(path: Path) -> None:
    batch = [sent(JULY + n, BOX, demanded=None) for n in range(5)]
    write(path, *batch)
    made = report(path, label="phi")
    assert made.requests == 0
    assert "Requests without labels on record, which may have been phi data: 5." in made.answer
    write(path, *(sent(JULY + 50 + n, BOX, demanded=Demanded(labels=("phi", "pii"))) for n in range(2)))
    made = report(path, label="phi")
    assert made.requests == 2
    assert doubted(made) == {"labels": 5}
    labelled(path, "", *(e.id for e in batch))
    made = report(path, label="phi")
    assert made.answer == "No data labelled phi left your own machines between 2026-07-01 and 2026-10-01: 0 of 2 requests."
    assert "labels" not in doubted(made)


def test_what_is_not_in_it_is_said(path: Path) -> None:
    imported(path, logged(JULY + 5), logged(OCTOBER + 5))
    write(path, sent(JULY + 1, msgspec.structs.replace(API, lab=True)))
    change(path, "UPDATE policies SET lab = 1 WHERE target = 'api'", "UPDATE policy_spans SET seen_until = began_at + 86400")
    made = report(path)
    assert {"imported", "lab", "gaps"} <= doubted(made).keys()
    told = {doubt.kind: doubt.told for doubt in made.not_provable}
    assert told["imported"].startswith("Imported rows of the period: 1.")
    assert told["gaps"] == (
        "No gateway that writes this ledger was on record for 2,184.0 hours of the period (2026-07-02 to 2026-10-01)."
    )
    assert "running" in doubted(residency(path, Asked(until=NOW), NOW))


def test_entries_that_do_not_fit_together_are_in_the_answer(path: Path) -> None:
    write(path, sent(JULY, BOX, API), sent(JULY + 1, BOX))
    change(path, "DELETE FROM attempts WHERE n = 1")
    made = report(path)
    assert doubted(made)["incomplete"] == 1
    assert made.answer.endswith("Rows of the ledger that do not fit together: 1; see what cannot be proven.")


def test_an_empty_period_says_so(path: Path) -> None:
    made = report(path, since=JULY - 2 * DAY, until=JULY - DAY)
    assert made.answer == "There is nothing to report on data between 2026-06-29 and 2026-06-30: the ledger has no such request."
    assert "There is nothing to report" in render_residency(made)


def test_the_same_question_has_the_same_report_and_hash(path: Path) -> None:
    write(path, *(sent(JULY + n, BOX, API, data_class="restricted") for n in range(9)))
    first, second = report(path), residency(path, Asked(since=JULY, until=OCTOBER), NOW + 5)
    assert msgspec.structs.replace(second, made_at=first.made_at) == first
    assert report(path, data_class="public").seal == first.seal, "the hash is of the period, whatever part is asked for"
    assert msgspec.json.decode(msgspec.json.encode(first), type=Residency) == first


def test_the_page_is_whole_and_escapes_what_the_ledger_says(path: Path) -> None:
    evil = "<script>alert(1)</script>"
    write(path, sent(JULY, API, BOX, data_class="restricted", workload=evil), refused(JULY + 1, workload=evil, data_class=evil))
    change(path, f"UPDATE attempts SET target = '{evil}', model = '{evil}' WHERE n = 1")
    page = render_residency(report(path))
    assert evil not in page
    assert "<script" not in page
    assert "$" not in page.replace("$schema", ""), "every place of the template is filled"
    for text in ("Violations", "What this report cannot show", "How to verify it", report(path).seal.sha256):
        assert text in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", ""), "nothing is loaded from anywhere"


def test_content_that_might_go_nowhere_is_a_refusal_too(path: Path) -> None:
    write(path, sent(JULY, error_code="content_blocked"), sent(JULY + 1, error_code="insufficient_quota"))
    made = report(path)
    assert [(no.because, no.requests) for no in made.refusals] == [((("any target", "blocked content"),), 1)]
    assert [(count.nowhere, count.requests) for count in made.classes] == [(2, 2)]
