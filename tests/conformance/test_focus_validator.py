"""The official FOCUS validator on what we export.

Its release on PyPI (1.0.0) brings the rule sets 0.5, 1.0-preview and 1.0, none newer; so 1.0's are run on exports of 1.2 and 1.3.
Five of its rules' columns have names that no version of the standard has. The file under test has our columns under those names
as well, so that every rule is run and none is switched off. What 1.2 and 1.3 ask beyond 1.0: tests/serve/test_focus.py.
"""

import csv
from pathlib import Path

import pytest
from bill_ledger import fill
from validator import verdicts

from freehold.app.cli import main

RULES = 133  # in its set for 1.0
# Name in the rule set: name in the standard 1.0, and in ours.
ALIASES = {
    "ChargeType": "ChargeCategory",
    "InvoiceIssuer": "InvoiceIssuerName",
    "Provider": "ProviderName",
    "Publisher": "PublisherName",
    "ResourceID": "ResourceId",
}

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture
def exported(tmp_path: Path, request: pytest.FixtureRequest) -> list[dict[str, str]]:
    """The lines of an export with everything in it, in the version asked for."""
    fill(tmp_path / "ledger.db")
    out = tmp_path / "bill.csv"
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "export", "focus", "--ledger", str(tmp_path / "ledger.db"), "--output", str(out), "--version", request.param,
                "--with-lab", "--with-imported",
            ]
        )  # fmt: skip
    assert ended.value.code == 0
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def judged(lines: list[dict[str, str]], folder: Path) -> dict[str, str]:
    aliased = [line | {alias: line[name] for alias, name in ALIASES.items() if name in line} for line in lines]
    with (folder / "judged.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, list(aliased[0]))
        rows.writeheader()
        rows.writerows(aliased)
    return verdicts(folder / "judged.csv", "1.0", folder / "report.xml")


@pytest.mark.parametrize("exported", ["1.2", "1.3"], indirect=True)
def test_no_rule_fails(exported: list[dict[str, str]], tmp_path: Path) -> None:
    found = judged(exported, tmp_path)
    assert {line["x_Basis"] for line in exported} == {"rented", "owned", "imported"}
    assert {rule: verdict for rule, verdict in found.items() if verdict != "passed"} == {}
    assert len(found) == RULES


@pytest.mark.parametrize("exported", ["1.3"], indirect=True)
def test_it_does_find_what_is_wrong(exported: list[dict[str, str]], tmp_path: Path) -> None:
    exported[0] |= {"BilledCost": "much", "ServiceCategory": "Magic", "ChargePeriodStart": "noon"}
    exported[1]["SkuPriceId"] = ""
    for line in exported:
        del line["BillingAccountId"]
    found = judged(exported, tmp_path)
    assert {rule for rule, verdict in found.items() if verdict != "passed"} == {
        "BilledCost_IsDecimal", "ServiceCategory_Enum", "ChargePeriodStart_IsDateTime", "SkuPriceId_Nullable",
        "BillingAccountId_Required",
    }  # fmt: skip
