"""The dashboard's verdict goes by what was recorded with each entry, whatever the configuration says today."""

from pathlib import Path

import msgspec
import pytest
from residency_ledger import API, BOX, JULY, OCTOBER, change, on_record, sent, write

from freehold.app.residency.document import Asked
from freehold.app.residency.report import residency
from freehold.app.verdicts import Judged, judged
from freehold.core.policy_facts import Demanded

AT = JULY + 60.0


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def test_what_was_allowed_then_is_no_violation(ledger: Path) -> None:
    write(ledger, sent(AT, API), sent(AT + 1, API, BOX), sent(AT + 2, BOX, data_class="restricted"))
    on_record(ledger, "p1", API, BOX)
    assert judged(ledger) == Judged((), 0)


def test_each_rule_that_was_broken_is_a_line(ledger: Path) -> None:
    write(
        ledger, sent(AT, API, data_class="restricted"), sent(AT + 1, API, BOX, data_class="restricted"),
        sent(AT + 2, API, demanded=Demanded(labels=("phi",))), sent(AT + 3, BOX, regions=("eu",)),
    )  # fmt: skip
    on_record(ledger, "p1", API, BOX)
    found = judged(ledger)
    assert found.violations == (
        "1 attempt: data allowed in eu only at box, which ran in home (policy p1)",
        "1 attempt: phi data at api, rented without a business associate agreement (policy p1)",
        "2 attempts: restricted data at api, cleared for internal (policy p1)",
    )
    assert found.unproven == 0
    assert residency(ledger, Asked(until=OCTOBER), OCTOBER).violating == 4, "the report finds the same requests"


def test_each_policy_is_judged_by_its_own_record(ledger: Path) -> None:
    """A target that was cleared later, or is cleared no more, is judged as it was."""
    open_box = msgspec.structs.replace(API, clearance="restricted")
    write(ledger, sent(AT, API, data_class="restricted"), sent(AT + 1, API, data_class="restricted", policy="p2"))
    on_record(ledger, "p1", API)
    on_record(ledger, "p2", open_box)
    assert judged(ledger).violations == ("1 attempt: restricted data at api, cleared for internal (policy p1)",)


def test_what_is_not_on_record_is_never_fine(ledger: Path) -> None:
    write(ledger, sent(AT, API, BOX), sent(AT + 1, API, policy="p2"))
    on_record(ledger, "p2", API)
    assert judged(ledger) == Judged((), 2)


def test_a_row_that_was_changed_is_found(ledger: Path) -> None:
    write(ledger, sent(AT, BOX, data_class="restricted"))
    on_record(ledger, "p1", API, BOX)
    change(ledger, "UPDATE attempts SET target = 'elsewhere'")
    assert judged(ledger).violations == ("1 attempt: elsewhere did not stand in the policy (policy p1)",)
