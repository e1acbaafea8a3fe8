"""`freehold size` end to end: a trace file in, a table, a document and a picture out, and what it refuses."""

import gzip
import json
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from ledger_entries import entry

from freehold.app.cli import main
from freehold.serve.stores.sqlite import SqliteStore

needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="the extra simulate is not installed")
pytestmark = needs_numba


def run(*argv: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in ("size", *argv)])
    return int(ended.value.code or 0)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Three requests a second for four minutes, with prefix blocks shared by every fourth."""
    rows = [
        {"timestamp": 333 * n, "input_length": 1100 + 7 * (n % 90), "output_length": 60 + n % 40, "hash_ids": [n % 4, 10 + n]}
        for n in range(720)
    ]
    path = tmp_path / "trace.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return path


def test_one_document_with_what_is_promised_and_what_it_costs(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--model", "Llama-3.1-8B", "--gpu", "L40S", "--trace", trace, "--ttft", "0.5s", "--tpot", "50", "--json"]
    assert run(*asked, "--what-if", "traffic=x8") == 0
    made = json.loads(capsys.readouterr().out)
    best = made["cheapest"]
    assert best == made["configurations"][0]
    assert best["trial"]["ttft_s"] <= 0.5
    assert best["gpus"] == best["replicas"] * best["gpus_per_replica"]
    assert best["nanousd_month"] == best["prices"][0]["nanousd_month"] > 0
    assert made["asked"]["promise"] == {"ttft_s": 0.5, "tpot_s": 0.05, "level": 0.95}
    (case,) = made["what_if"]
    assert case["more_nanousd_month"] == case["cheapest"]["nanousd_month"] - best["nanousd_month"] > 0


def test_a_table_for_people_and_a_picture(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "size.svg"
    asked = ["--model", "Llama-3.1-8B", "--gpu", "L40S", "--precision", "fp8", "--trace", trace]
    assert run(*asked, "--picture", picture, "--what-if", "zones=-1") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Llama-3.1-8B: 1x L40S TP1 at fp8 at ")
    assert "next step" in printed
    assert "zones=-1" in printed
    assert picture.read_text(encoding="utf-8").startswith("<svg")


def test_no_answer_is_exit_code_1(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--model", "Llama-3.1-8B", "--gpu", "L40S", "--trace", trace, "--ttft", "1", "--what-if", "fp8") == 1
    printed = capsys.readouterr().out
    assert "nothing with a price keeps" in printed
    assert "No layout keeps the promise on L40S" in printed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--ttft", "soon"], "--ttft is 'soon'; give milliseconds"),
        (["--ttft", "0"], "--ttft is '0'; give milliseconds above 0"),
        (["--tpot", "-3"], "--tpot is '-3'; give milliseconds above 0"),
        (["--percentile", "100"], "the percentile is 100"),
        (["--gpu", "H999"], "unknown GPU"),
        (["--precision", "fp9"], "unknown precision"),
        (["--engine", "none"], "unknown engine"),
        (["--replicas-max", "0"], "replicas-max is 0"),
        (["--price-provider", "nobody"], "unknown GPU provider"),
        (["--hire-plan", "free"], "hire-plan"),
        (["--zones", "0"], "zones is 0"),
        (["--what-if", "faster"], "is no change"),
        (["--workload", "chat"], "--workload chooses from a ledger"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    trace: Path, wrong: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--model", "Llama-3.1-8B", "--trace", trace, *wrong) == 2
    told = capsys.readouterr().err
    assert words in told
    assert len([line for line in told.splitlines() if line.startswith("freehold:")]) == 1


def test_a_trace_or_a_ledger(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--model", "Llama-3.1-8B") == 2
    assert run("--model", "Llama-3.1-8B", "--trace", trace, "--ledger", tmp_path / "none.db") == 2
    assert run("--model", "Nobody-1B", "--trace", trace) == 2
    told = capsys.readouterr().err
    assert told.count("give --trace FILE or --ledger FILE, one of them") == 2
    assert "unknown model" in told


def test_a_ledger_is_sized_by_workload_or_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "freehold.db"
    with closing(SqliteStore(path)) as store:
        store.write([
            entry(f"fh-{n}", workload="chat" if n % 3 else "mail", stands_for=1_795_000_000.0 + n) for n in range(90)
        ])  # fmt: skip
    asked = ["--model", "Llama-3.1-8B", "--gpu", "L40S", "--precision", "fp8", "--ledger", path, "--json"]
    counts = []
    for more in ([], ["--workload", "chat"]):
        assert run(*asked, *more) == 0
        counts.append(json.loads(capsys.readouterr().out)["requests"])
    assert counts == [90, 60]
    assert run(*asked, "--workload", "none") == 2
    assert "no finished request of workload 'none' there; it has chat, mail" in capsys.readouterr().err
