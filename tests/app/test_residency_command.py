"""`freehold report residency`: the answer first, exit codes, the page, and one line for what cannot be asked."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from residency_ledger import API, BOX, JULY, change, on_record, sent, write

from freehold.app.cli import main
from freehold.app.residency.document import Residency

QUARTER = ("--since", "2026-07-01", "--until", "2026-10-01")


class Said(msgspec.Struct):
    """How the command ended."""

    code: int
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Said:
    with pytest.raises(SystemExit) as ended:
        main(["report", "residency", *arguments])
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return Said(ended.value.code, printed.out, printed.err)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(run(capsys, *arguments, "--json").out)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    write(path)
    on_record(path, "p1", API, BOX)
    write(path, *(sent(JULY + n, BOX, data_class="restricted", workload="triage") for n in range(3)), sent(JULY + 9, BOX, API))
    return path


def test_the_answer_is_the_first_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(capsys, "--ledger", str(path), *QUARTER)
    assert said.code == 0
    assert said.out.splitlines()[0] == (
        "No data went where it must not go between 2026-07-01 and 2026-10-01: 0 of 4 requests. No restricted data left your own "
        "machines: 0 of 3 requests."
    )
    for words in ("own machine", "rented from openai", "What cannot be proven:", "SHA-256", "Again: freehold report residency"):
        assert words in said.out
    one = run(capsys, "--ledger", str(path), *QUARTER, "--class", "Restricted", "--workload", "triage")
    assert one.out.startswith("No restricted data of workload triage left your own machines between")


def test_a_row_changed_by_hand_is_found(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = told(capsys, "--ledger", str(path), *QUARTER)
    change(
        path,
        "UPDATE attempts SET target = 'api', model = 'gpt', kind = 'rented' WHERE entry_id = (SELECT min(id) FROM entries)",
    )
    said = run(capsys, "--ledger", str(path), *QUARTER)
    assert said.code == 1
    assert said.out.startswith(
        "1 of 4 requests went where their data must not go between 2026-07-01 and 2026-10-01: 1 above the cl"
    )
    assert "Violation: restricted data at api, cleared for internal, policy p1: 1 request" in said.out
    after = told(capsys, "--ledger", str(path), *QUARTER)
    assert after["seal"]["sha256"] != before["seal"]["sha256"]
    assert {doubt["kind"] for doubt in after["not_provable"]} - {doubt["kind"] for doubt in before["not_provable"]} == {
        "incomplete"
    }


def test_the_printed_command_makes_the_same_report(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = told(capsys, "--ledger", str(path), "--class", "restricted")
    words = first["command"].split()
    assert words[:3] == ["freehold", "report", "residency"]
    again = told(capsys, *words[3:])
    assert again | {"made_at": 0, "not_provable": 0} == first | {"made_at": 0, "not_provable": 0}


def test_what_is_configured_now_changes_nothing(path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The configuration only says where the ledger is: its targets may be gone, or cleared for less."""
    config = tmp_path / "freehold.yaml"
    text = (
        "version: 1\nstore: sqlite:///ledger.db\nkeys: [{{name: app, sha256: {0}}}]\nworkloads: {{w: {{targets: [{1}]}}}}\n"
        "targets: {{{1}: {{engine: vllm, url: 'http://127.0.0.1:9', model: m, clearance: {2}}}}}\n"
    )
    found = []
    for name, clearance in (("box", "public"), ("other", "restricted")):
        config.write_text(text.format("a" * 64, name, clearance), encoding="utf-8")
        found.append(told(capsys, "-c", str(config), *QUARTER) | {"made_at": 0})
    assert found[0] == found[1]
    assert found[0] == told(capsys, "--ledger", str(path), *QUARTER) | {"made_at": 0}


def test_the_document_is_as_its_schema_says(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(path, "UPDATE attempts SET model = 'x' WHERE n = 1")
    found = told(capsys, "--ledger", str(path), *QUARTER)
    read = msgspec.convert(found, Residency)
    assert msgspec.json.decode(msgspec.json.encode(read)) == found, "every field is one of the document's"
    assert found["format"] == "freehold.residency/1"
    assert sorted(found) == sorted(
        "format made_at ledger asked first_at answer requests attempts violating unproven rented classes destinations violations "
        "refusals ruled_out policies rules not_provable beyond seal command".split()
    ), "programs read these names: a change of them needs another format"


def test_the_page_is_written_whole(path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "review.html"
    said = run(capsys, "--ledger", str(path), *QUARTER, "--html", str(page))
    assert (said.code, said.err) == (0, f"Written: {page}\n")
    text = page.read_text(encoding="utf-8")
    assert re.search(r'<p class="answer">No data went where it must not go between 2026-07-01', text)
    assert text.rstrip().endswith("</html>")
    assert sorted(p.name for p in tmp_path.iterdir() if "part" in p.name) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "yesterday"], "--since is 'yesterday'; use a day or a time such as 2026-07-01"),
        (["--until", "2026-13-01"], "--until is '2026-13-01'"),
        (["--since", "1960-01-01"], "--since is '1960-01-01'"),
        (["--since", "2026-07-02", "--until", "2026-07-02"], "--since 2026-07-02 is not before --until 2026-07-02"),
        (["--since", "2999-01-01"], "--since 2999-01-01 is not before --until now"),
        (["--class", "secret"], "--class: unknown data class 'secret'; use one of public, internal, confidential, restricted"),
        (["--evidence", "0"], "--evidence is 0; use 1 or more"),
        (["-c", "freehold.yaml"], "--ledger and --config are both given"),
        (["--html", "/dev/null/x.html"], "cannot write /dev/null/x.html"),
    ],
)
def test_bad_input_is_one_line(path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    said = run(capsys, "--ledger", str(path), *arguments)
    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith(f"freehold: {words}")


def test_no_ledger_and_another_database(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    missing = run(capsys, "--ledger", str(tmp_path / "none.db"))
    assert (missing.code, missing.err.startswith("freehold: no ledger at")) == (2, True)
    change(tmp_path / "other.db", "CREATE TABLE t (x)")
    other = run(capsys, "--ledger", str(tmp_path / "other.db"))
    assert (other.code, len(other.err.splitlines())) == (2, 1)
    assert "there is no ledger in it" in other.err
