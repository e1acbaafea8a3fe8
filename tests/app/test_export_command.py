"""`freehold export focus`: what is written adds up to the ledger, is read back as it was, and is written whole or not at all."""

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bill_ledger import BOX, CARD, FREE, HOUR, NOON, asked, fill, stood, tried, usage, write
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.app.billing_lines import Bill
from freehold.app.cli import main
from freehold.core.money import nanousd
from freehold.serve.sinks.focus import COLUMNS
from freehold.serve.stores.allocation import AllocationReader

REAL = "kind = 'rented' AND target <> 'pretend'"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ledger(folder: Path) -> Path:
    fill(folder / "freehold.db")
    return folder / "freehold.db"


def run(*argv: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["export", "focus", *(str(a) for a in argv)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def exported(capsys: pytest.CaptureFixture[str], *argv: object) -> list[dict[str, str]]:
    assert run(*argv) == 0
    return lines(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """The one line of an export that is refused."""
    assert run(*argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    return said.err


def billed(found: list[dict[str, str]], basis: str) -> int:
    return sum(nanousd(Decimal(line["BilledCost"])) for line in found if line["x_Basis"] == basis)


def asked_of(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_the_file_adds_up_to_the_ledger_to_the_nano_dollar(
    ledger: Path, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = exported(capsys, "--version", version)
    assert tuple(found[0]) == COLUMNS["1.2" if version == "1.2" else "1.3"]
    assert [(billed(found, "rented"),)] == asked_of(ledger, f"SELECT sum(cost_nanousd) FROM attempts WHERE {REAL}")
    hours, _ = AllocationReader(ledger).hours_and_shares()
    assert billed(found, "owned") == sum(hour.cost_nanousd for hour in hours if not hour.machine.lab) > 0
    assert billed(found, "imported") == 0
    # Hour, target and key by key as well.
    rented = Counter({(0, "", ""): 0})
    for hour, target, key, cost in asked_of(
        ledger,
        "SELECT CAST(received_at / 3600 AS INTEGER) % 24, a.target, key, a.cost_nanousd FROM entries JOIN attempts a ON "
        f"entry_id = id WHERE a.{REAL.replace('target', 'a.target')}",
    ):
        rented[hour, target, key] += cost
    for line in found:
        if line["x_Basis"] == "rented":
            rented[int(line["ChargePeriodStart"][11:13]), line["x_Target"], line["x_Key"]] -= nanousd(line["BilledCost"])
    assert len(rented) > 5
    assert not any(rented.values())


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3 * HOUR),
            st.lists(
                st.tuples(
                    st.sampled_from([CARD, FREE]), st.integers(0, 900), st.integers(0, 90), st.integers(0, 9), st.integers(0, 90)
                ),
                min_size=1,
                max_size=3,
            ),
        ),
        max_size=20,
        unique_by=lambda each: each[0],
    )
)
@settings(max_examples=25)
def test_whatever_is_in_the_ledger_the_sums_agree(requests: list[tuple[int, list[tuple[Any, ...]]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "l.db"
        entries = [
            asked(NOON + at, *(tried(usage(u, read=r, answer=a, reasoning=t), card) for card, u, r, a, t in tries))
            for at, tries in sorted(requests)
        ]
        write(path, *entries)
        bill = Bill(path, None, None, "acme")
        found = list(bill.lines(lab=False, imported=False, progress=lambda _: None))
        booked = sum(entry.cost_nanousd for entry in entries)
        assert sum(nanousd(Decimal(line["BilledCost"])) for line in found) == booked == bill.totals.rented_nanousd
        tokens = sum(n for _, tries in requests for _, *used in tries for n in used)
        assert sum(Decimal(line["ConsumedQuantity"]) for line in found if line["ConsumedUnit"] == "Tokens") == tokens
        for since in (NOON, NOON + HOUR, NOON + 2 * HOUR):  # hours exported one by one are the same lines
            part = list(Bill(path, since, since + HOUR, "acme").lines(lab=False, imported=False, progress=lambda _: None))
            assert part == [line for line in found if _starts(line, since)]


def _starts(line: dict[str, str], since: int) -> bool:
    return line["ChargePeriodStart"][11:13] == f"{since // HOUR % 24:02}"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_our_own_importer_finds_the_same_tokens_and_cost(ledger: Path, version: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--output", "bill.csv", "--version", version) == 0
    with pytest.raises(SystemExit) as ended:
        main(["import", "bill.csv", "--ledger", "back.db", "--workload-column", "x_Workload", "--json"])
    assert ended.value.code == 0
    report = json.loads(capsys.readouterr().out)[0]
    found = lines(Path("bill.csv").read_text(encoding="utf-8"))
    left_out = [line for line in found if line["x_Basis"] == "owned" or line["ConsumedUnit"] == "Requests"]
    assert (report["format"], report["bad"], report["left_out"]) == ("focus", 0, len(left_out))
    sums = "sum(uncached_input + cache_read + cache_write), sum(cache_read), sum(answer_output + reasoning)"
    ((*before, cost),) = asked_of(ledger, f"SELECT {sums}, sum(cost_nanousd) FROM attempts WHERE {REAL}")
    ((*after, back),) = asked_of(
        Path("back.db"), "SELECT sum(input_tokens), sum(cache_read), sum(output_tokens), sum(cost_nanousd) FROM imported"
    )
    assert before == after
    fees = sum(nanousd(line["BilledCost"]) for line in left_out if line["x_Basis"] == "rented")
    assert back + fees == cost
    assert fees == 7 * 8  # of the attempts that used tokens at a card with a fee
    assert asked_of(Path("back.db"), "SELECT DISTINCT bucket_s, provider FROM imported ORDER BY 2") == [
        (HOUR, "gift"), (HOUR, "openai")
    ]  # fmt: skip


def test_weeks_of_an_idle_machine_are_all_there_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "freehold.db")
    stood(folder / "freehold.db", NOON, NOON + (20 * 24 + 0.5) * HOUR, BOX)
    found = exported(capsys)
    assert len({line["ChargePeriodStart"] for line in found}) == len(found) == 20 * 24 + 1
    assert billed(found, "owned") == 20 * 24 * BOX.price_nanousd_h + round(BOX.price_nanousd_h / 2)
    assert {line["AllocatedResourceId"] for line in found} == {""}
    assert exported(capsys, "--since", "2026-11-20", "--until", "2026-12-01") == [
        line for line in found if "2026-11-20" <= line["ChargePeriodStart"] < "2026-12-01"
    ]


def test_stand_ins_are_left_out_and_told_unless_asked_for(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    said = capsys.readouterr()
    assert said.err == "Left out: 2 attempts and 1 machine hours of lab stand-ins; --with-lab adds them.\n"
    assert not {"pretend", "lab-box"} & {line["x_Target"] for line in lines(said.out)}
    found = exported(capsys, "--with-lab")
    assert {line["x_Target"] for line in found if line["x_Lab"]} == {"pretend", "lab-box"}
    assert [(billed(found, "rented"),)] == asked_of(ledger, "SELECT sum(cost_nanousd) FROM attempts WHERE kind = 'rented'")


def test_imported_use_stands_there_if_asked_for_with_the_cost_of_its_source(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--with-imported") == 0
    said = capsys.readouterr()
    assert "Left out: 1 imported rows whose source did not say what they cost." in said.err
    found = [line for line in lines(said.out) if line["x_Basis"] == "imported"]
    assert len(found) == 3
    assert [(billed(found, "imported"),)] == asked_of(ledger, "SELECT sum(cost_nanousd) FROM imported")


def test_a_file_appears_whole_with_one_line_that_says_what_is_in_it(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--output", "bill.csv", "--account", "acme-42", "--json") == 0
    said = capsys.readouterr()
    totals = json.loads(said.out)
    found = lines(Path("bill.csv").read_text(encoding="utf-8"))
    assert {line["BillingAccountId"] for line in found} == {"acme-42"}
    assert (totals["lines"], totals["rented_nanousd"]) == (len(found), billed(found, "rented"))
    assert said.err.startswith(f"bill.csv: {len(found)} lines; rented $0.0")
    assert sorted(p.name for p in Path().iterdir() if "bill" in p.name) == ["bill.csv"]


def test_a_time_with_nothing_in_it_is_a_header_and_a_line(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--until", "2020-01-01") == 0
    said = capsys.readouterr()
    assert said.out == ",".join(COLUMNS["1.3"]) + "\n"
    assert said.err == "There is nothing to export of that time; only the header was written.\n"


def test_since_and_until_are_days_or_full_hours(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hours = Counter(line["ChargePeriodStart"] for line in exported(capsys, "--since", "2026-11-18", "--until", "2026-11-19"))
    assert set(hours) == {"2026-11-18T12:00:00Z", "2026-11-18T13:00:00Z", "2026-11-18T14:00:00Z"}
    for since, until in (("2026-11-18T13", "2026-11-18T14:00Z"), ("2026-11-18T14+01:00", "2026-11-18T15+01:00")):
        found = exported(capsys, "--since", since, "--until", until)
        assert {line["ChargePeriodStart"] for line in found} == {"2026-11-18T13:00:00Z"}
        assert len(found) == hours["2026-11-18T13:00:00Z"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "yesterday"], "since is 'yesterday'; expected a day or a full hour"),
        (["--until", "2026-11-18T13:30"], "until is '2026-11-18T13:30'; a line covers a full hour of UTC"),
        (["--since", "2026-11-19", "--until", "2026-11-19"], "--since 2026-11-19 is not before --until 2026-11-19"),
        (["--version", "1.4"], "1.4"),
        (["--json"], "--json is given without --output"),
        (["--account", " "], "account is empty"),
        (["--output", "."], "cannot write .: it is no regular file"),
        (["--output", "none/bill.csv"], "cannot write none/bill.csv: No such file or directory"),
        (["--output", "freehold.db/bill.csv"], "cannot write freehold.db/bill.csv: Not a directory"),
        (["--ledger", "none.db"], "no ledger at none.db"),
        (["--ledger", "notes.txt"], "cannot read the ledger notes.txt"),
    ],
)
def test_bad_input_is_one_line(ledger: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    Path("notes.txt").write_text("no ledger " * 100, encoding="utf-8")
    assert words in refused(capsys, *arguments)
    assert not [p for p in Path().rglob("*") if "bill" in p.name]


LIMITED = """
import resource, sys
from freehold.app.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
main(["export", "focus", *sys.argv[1:]])
"""


def test_a_full_disk_leaves_no_half_file_and_what_was_there(folder: Path) -> None:
    write(folder / "freehold.db", *(asked(NOON + n, tried(usage(9, answer=9)), key=f"k{n}") for n in range(100)))
    Path("bill.csv").write_text("last month's", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "--output", "bill.csv"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "freehold: cannot write bill.csv: File too large; nothing of the export is kept\n"
    assert Path("bill.csv").read_text(encoding="utf-8") == "last month's"
    assert sorted(p.name for p in Path().iterdir() if "bill" in p.name) == ["bill.csv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_standard_output_that_is_full_or_closed(ledger: Path) -> None:
    command = [sys.executable, "-m", "freehold", "export", "focus"]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == "freehold: cannot write to standard output: No space left on device; the export is not whole\n"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writing)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
