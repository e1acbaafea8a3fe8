"""`freehold import`: once however often, on after a kill, nothing silent, in little memory, and `freehold plan` works at once."""

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from freehold.app.cli import main

TRACES = Path(__file__).parents[2].parent / "shared" / "data" / "traces"
MANY = 200_000

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:{i // 60:02}:{i % 60:02}.0000000,{400 + i},{20 + i % 50}\n" for i in range(600)
)
LITELLM = "".join(
    json.dumps(
        {"startTime": 1759622400 + i, "prompt_tokens": 100, "completion_tokens": 10, "model": "m", "metadata": {"team": team}}
    )
    + "\n"
    for i, team in enumerate(["web", "web", None, "ops"] * 5)
)
OPENAI = json.dumps(
    {
        "data": [
            {
                "start_time": 1759622400 + 86_400 * day,
                "end_time": 1759708800 + 86_400 * day,
                "results": [{"input_tokens": 900_000, "output_tokens": 90_000, "num_model_requests": 450, "model": "gpt-4o"}],
            }
            for day in range(7)
        ]
    }
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*argv: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in argv])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def reported(capsys: pytest.CaptureFixture[str], *argv: object, code: int = 0) -> list[Any]:
    assert run("import", *argv, "--json") == code
    reports = json.loads(capsys.readouterr().out)
    assert isinstance(reports, list)
    return reports


def refused(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """The one line of an import that is refused."""
    assert run("import", *argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    return said.err


def rows(sql: str = "SELECT * FROM imported ORDER BY line, part") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect("freehold.db")) as db:
        return db.execute(sql).fetchall()


def test_import_then_plan(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "chat.csv").write_text(AZURE, encoding="utf-8")
    assert run("import", "chat.csv") == 0
    said = capsys.readouterr()
    assert "chat.csv" in said.out
    assert "600" in said.out
    assert said.err == "Next: freehold plan --ledger freehold.db\n"
    assert run("plan", "--json") == 0
    said = capsys.readouterr()
    (workload,) = json.loads(said.out)["workloads"]
    assert (workload["name"], workload["traffic"]["requests"]) == ("chat", 600)
    assert "Traffic from freehold.db in this folder" in said.err


def test_what_is_planned_is_what_the_trace_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "chat.csv").write_text(AZURE, encoding="utf-8")
    assert run("plan", "--trace", "chat.csv", "--json") == 0
    from_trace = json.loads(capsys.readouterr().out)
    assert run("import", "chat.csv") == 0
    capsys.readouterr()
    assert run("plan", "--ledger", "freehold.db", "--json") == 0
    assert json.loads(capsys.readouterr().out) == from_trace


def test_the_same_file_twice_adds_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "chat.csv").write_text(AZURE, encoding="utf-8")
    (folder / "copy.csv.gz").write_bytes(gzip.compress(AZURE.encode()))
    (first,) = reported(capsys, "chat.csv", "--workload", "chat")
    before = rows()
    again, copy = reported(capsys, "chat.csv", "copy.csv.gz", "--workload", "chat")
    assert (first["added"], again["added"], copy["added"]) == (600, 0, 0)
    assert (again["rows"], copy["rows"]) == (600, 600)
    assert rows() == before
    assert run("import", "chat.csv", "--workload", "chat") == 0
    assert "already imported, nothing added" in capsys.readouterr().err


def test_other_settings_need_a_replacement(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "chat.csv").write_text(AZURE, encoding="utf-8")
    assert run("import", "chat.csv") == 0
    capsys.readouterr()
    said = refused(capsys, "chat.csv", "--workload", "triage", "--data", "restricted")
    assert "already imported, as format azure, workload chat, data internal; add --replace" in said
    (replaced,) = reported(capsys, "chat.csv", "--workload", "triage", "--data", "restricted", "--replace")
    assert replaced["added"] == 600
    assert rows("SELECT DISTINCT workload, data_class FROM imported") == [("triage", "restricted")]


def test_a_wrong_format_leaves_nothing_that_binds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "chat.csv").write_text(AZURE, encoding="utf-8")
    (wrong,) = reported(capsys, "chat.csv", "--format", "openai", code=1)
    assert (wrong["rows"], wrong["bad"]) == (0, 600)
    assert wrong["bad_lines"][0] == {"line": 2, "reason": "there is no field 'start_time'"}
    (right,) = reported(capsys, "chat.csv")
    assert right["added"] == 600


def test_bad_lines_are_counted_and_the_first_are_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = AZURE.splitlines()
    for number in (3, 10, 11, 12, 13, 14, 15):
        lines[number - 1] = "yesterday,400,20" if number % 2 else "2023-11-16 18:00:00,400"
    (folder / "chat.csv").write_text("\n".join(lines), encoding="utf-8")
    assert run("import", "chat.csv") == 0
    said = capsys.readouterr()
    assert "593" in said.out
    assert said.err.splitlines()[:2] == [
        "chat.csv: line 3: TIMESTAMP is 'yesterday'; expected an ISO 8601 time or Unix seconds",
        "chat.csv: line 10: has 2 fields where the header has 3",
    ]
    assert "chat.csv: 2 more bad lines" in said.err
    assert [row[1] for row in rows()] == [line for line in range(2, 602) if line not in (3, 10, 11, 12, 13, 14, 15)]


def test_a_workload_of_each_record(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "spend.jsonl").write_text(LITELLM, encoding="utf-8")
    reported(capsys, "spend.jsonl", "--workload-column", "metadata.team")
    counted = rows("SELECT workload, count(*) FROM imported GROUP BY 1 ORDER BY 1")
    assert counted == [("ops", 5), ("unassigned", 5), ("web", 10)]


def test_sums_are_planned_with_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "usage.json").write_text(OPENAI, encoding="utf-8")
    assert run("import", "usage.json") == 0
    assert "openai: traffic was imported as sums of 1 day" in capsys.readouterr().err
    assert run("plan", "--json") == 0
    (workload,) = json.loads(capsys.readouterr().out)["workloads"]
    assert workload["traffic"]["requests"] == 7 * 450
    assert workload["traffic"]["tokens_per_day"] == pytest.approx(990_000)
    assert any("hides peaks" in warning for warning in workload["warnings"])


def test_files_that_share_time_and_workload_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "october.jsonl").write_text(LITELLM, encoding="utf-8")
    (folder / "so-far.jsonl").write_text(LITELLM + LITELLM.splitlines()[0].replace("1759622400", "1759700000"), encoding="utf-8")
    october, so_far = reported(capsys, "october.jsonl", "so-far.jsonl")
    assert (october["overlaps"], so_far["overlaps"]) == ([], ["october.jsonl"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no file is given"),
        (["none.csv"], "none.csv is no file"),
        (["."], ". is no file"),
        (["empty.csv"], "empty.csv is empty"),
        (["broken.gz"], "cannot read broken.gz"),
        (["page.html"], "page.html has no known format"),
        (["chat.csv", "--map", "time=TIMESTAMP"], "does not say which column is input and output"),
        (["chat.csv", "--map", "time=a,input=b,output=c"], "chat.csv has no column 'a' that --map names"),
        (["chat.csv", "--map", "time=a,input=b,output=c", "--format", "focus"], "a map is for --format csv"),
        (["chat.csv", "--workload", " "], "workload is empty"),
        (["chat.csv", "--workload", "a", "--workload-column", "b"], "choose one"),
        (["chat.csv", "--workload-column", "team"], "chat.csv has no column 'team' to take workloads from"),
        (["chat.csv", "none.csv"], "none.csv is no file"),
        (["chat.csv", "--ledger", "chat.csv"], "ledger chat.csv"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_ledger(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    (folder / "chat.csv").write_text(AZURE, encoding="utf-8")
    (folder / "empty.csv").write_text("\n", encoding="utf-8")
    (folder / "page.html").write_text("<html>\n<body>\n", encoding="utf-8")
    (folder / "broken.gz").write_bytes(gzip.compress(AZURE.encode())[:-40])
    assert words in refused(capsys, *arguments)
    assert not (folder / "freehold.db").exists()
    assert (folder / "chat.csv").read_text(encoding="utf-8") == AZURE


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spend log of 200,000 requests, as one line of JSON."""
    path = tmp_path_factory.mktemp("many") / "spend.json"
    record = (
        '{"request_id": "chatcmpl-%d", "call_type": "acompletion", "startTime": %d, "prompt_tokens": %d, "completion_tokens": 30,'
        ' "spend": 0.000225, "model": "gpt-4o", "custom_llm_provider": "openai", "status": "success", "cache_hit": "False",'
        ' "metadata": {"additional_usage_values": {"cache_read_input_tokens": 50}, "note": "a \\"quoted\\" {[ text"}}'
    )
    with path.open("w", encoding="utf-8") as file:
        for i in range(MANY):
            file.write("[" if i == 0 else ", ")
            file.write(record % (i, 1759622400 + i, 100 + i % 900))
        file.write("]")
    return path


# VmHWM, because getrusage's figure starts at that of the process one was forked from.
STATUS = Path("/proc/self/status")
MEASURED = f"""
import sys
from freehold.app.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*(line.split()[1] for line in open("{STATUS}") if line.startswith("VmHWM")), file=sys.stderr)
"""


def peak_kb(*argv: str) -> int:
    """Most memory a whole process held that ran this command."""
    done = subprocess.run([sys.executable, "-c", MEASURED, *argv], capture_output=True, text=True, check=True)
    return int(done.stderr.splitlines()[-1])


@pytest.mark.long
@pytest.mark.skipif(not STATUS.exists(), reason="memory is measured as Linux tells it")
def test_many_rows_in_little_memory(many: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with many.open(encoding="utf-8") as file:
        (folder / "fewer.json").write_text(file.read(many.stat().st_size // 10).rpartition(", {")[0] + "]", encoding="utf-8")
    fewer = peak_kb("import", "fewer.json", "--ledger", "fewer.db", "--json")
    started = time.perf_counter()
    most = peak_kb("import", str(many), "--json")
    rate = MANY / (time.perf_counter() - started)
    size_kb = many.stat().st_size // 1024
    with capsys.disabled():
        sys.stdout.write(
            f"\n{MANY:,} rows of {size_kb >> 10} MiB: {rate:,.0f} rows/s, {most >> 10} MiB; of a tenth of it {fewer >> 10} MiB\n"
        )
    assert most - fewer < size_kb / 7
    assert rows("SELECT count(*), min(line), max(line), sum(input_tokens), sum(cache_read), sum(cost_nanousd) FROM imported") == [
        (MANY, 1, MANY, sum(100 + i % 900 for i in range(MANY)), 50 * MANY, 225_000 * MANY)
    ]


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_it_goes_on_where_it_broke_off(many: Path, how: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "freehold", "import", str(many)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as importing:
        for read in _progress():
            if read:
                os.kill(importing.pid, how)
                break
        _, said = importing.communicate(timeout=30)
    assert importing.returncode == (130 if how == signal.SIGINT else -how)
    assert ("run the same command again to go on" in said) == (how == signal.SIGINT)
    ((part, finished),) = rows("SELECT records, finished_at FROM sources")
    assert 0 < part < MANY
    assert finished is None
    assert rows("SELECT count(*) FROM imported") == [(part,)]
    (report,) = reported(capsys, many)
    assert (report["resumed_after"], report["added"], report["rows"]) == (part, MANY - part, MANY)
    assert rows("SELECT count(*), min(line), max(line), count(DISTINCT time) FROM imported") == [(MANY, 1, MANY, MANY)]
    (again,) = reported(capsys, many)
    assert again["added"] == 0


def _progress() -> Iterator[int]:
    """How many records are imported, again and again, for half a minute."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if Path("freehold.db").exists():
            try:
                yield next(iter(rows("SELECT records FROM sources")), (0,))[0]
            except sqlite3.Error:  # the tables are being made
                yield 0
        time.sleep(0.01)


@pytest.mark.skipif(not TRACES.is_dir(), reason="the shared traces are not here")
@pytest.mark.parametrize(
    ("name", "format", "counted"),
    [
        ("azure_llm_2023_code.csv.gz", "azure", (8_819, 2047.8, 27.9)),
        ("azure_llm_2023_conv.csv.gz", "azure", (19_366, 1154.7, 211.1)),
        ("mooncake_fast25_conversation.jsonl.gz", "mooncake", (12_031, 12035.1, 342.6)),
        ("mooncake_fast25_synthetic.jsonl.gz", "mooncake", (3_993, 15325.5, 149.1)),
    ],
)
def test_the_published_traces(
    capsys: pytest.CaptureFixture[str], name: str, format: str, counted: tuple[int, float, float]
) -> None:
    (report,) = reported(capsys, TRACES / name)
    assert (report["format"], report["bad"], report["left_out"]) == (format, 0, 0)
    assert f"{report['workload']}." in name
    assert rows("SELECT count(*), round(avg(input_tokens), 1), round(avg(output_tokens), 1) FROM imported") == [counted]
