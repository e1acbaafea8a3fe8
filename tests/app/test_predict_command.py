import csv
import json
from pathlib import Path

import pytest

from freehold.app.cli import main
from freehold.catalog.efficiency import load_truth

ANSWERED = ["predicted_tok_s", "low80", "high80", "limit", "layout"]


def run(*argv: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in ("predict", *argv)])
    return int(ended.value.code or 0)


def asked(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_one_prediction_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    given = "--model Llama-3.3-70B --precision fp8 --gpu H100 --count 2 --engine tensorrt-llm --isl 1000 --osl 1000 --json"
    assert run(*given.split()) == 0
    made = json.loads(capsys.readouterr().out)
    assert {"output_tok_s", "low80", "high80", "limit", "layout"} <= made.keys()
    assert made["low80"] < made["output_tok_s"] < made["high80"]
    assert made["layout"] == "TP2"


def test_one_prediction_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--model", "Llama-3.1-8B", "--gpu", "L40S", "--layout", "TP1") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Llama-3.1-8B at fp8 on 1x L40S: about ")
    assert "published curves cover dense fp8 on Ada and dense on vllm" in printed


def test_a_table_comes_back_with_the_answers_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = asked(tmp_path / "asked.csv", load_truth()), tmp_path / "answered.csv"
    assert run("--csv", source, "--out", target) == 0
    with target.open(encoding="utf-8", newline="") as file:
        answered = list(csv.DictReader(file))
    assert [{k: v for k, v in row.items() if k not in ANSWERED} for row in answered] == load_truth()
    assert list(answered[0])[-5:] == ANSWERED
    empty = [row for row in answered if not row["predicted_tok_s"]]
    assert [row["isl"] for row in empty] == [""] * len(empty)
    assert all(
        float(row["low80"]) <= float(row["predicted_tok_s"]) <= float(row["high80"]) for row in answered if row not in empty
    )
    told = capsys.readouterr().err
    assert all(f"({row['id']}): isl is empty; state it" in told for row in empty)
    assert f"{len(answered) - len(empty)} of {len(answered)} rows predicted" in told


def test_a_concurrency_bounds_the_batch_and_a_bad_row_stays_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"model": "Llama-3.1-8B", "precision": "fp8", "gpu": "H100-SXM", "gpu_count": "1", "engine": "vllm", "isl": "500"}
    rows = [row | {"osl": "500", "concurrency": c} for c in ("max", "8", "1")] + [row | {"osl": "x", "concurrency": ""}]
    assert run("--csv", asked(tmp_path / "asked.csv", rows)) == 0
    printed = capsys.readouterr()
    found = list(csv.DictReader(printed.out.splitlines()))
    speeds = [float(one["predicted_tok_s"]) for one in found[:3]]
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[0] > 5 * speeds[1] > 25 * speeds[2] / 2
    assert [found[3][column] for column in ANSWERED] == [""] * 5
    assert "left empty, row 4: osl is 'x'; give a number" in printed.err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--model Llama-3.1-8B", "give --model and --gpu, --target of a configuration, or --csv FILE"),
        ("--model Llama-3.1-8B --gpu H9000", "unknown GPU 'H9000'"),
        ("--model Llama-9 --gpu H100", "unknown model 'Llama-9'"),
        ("--model Llama-3.1-8B --gpu H100 --precision fp7", "unknown precision 'fp7'"),
        ("--model Llama-3.1-8B --gpu H100 --engine tgi", "unknown engine 'tgi'"),
        ("--model Llama-3.1-8B --gpu H100 --isl 0", "isl is 0; give at least 1"),
        ("--model Llama-3.1-8B --gpu H100 --layout TP4", "--layout is 'TP4'"),
        ("--model Llama-3.1-8B --gpu H100 --count two", "count"),
        ("--csv missing.csv", "cannot read the table missing.csv"),
        ("--csv missing.csv --json", "--csv takes every question from its table"),
    ],
)
def test_bad_input_is_one_line(given: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*given.split()) == 2
    told = capsys.readouterr().err
    assert message in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,gpu\na,b\n", "has no column precision, gpu_count, engine, isl, osl"),
        ("model,precision,gpu,gpu_count,engine,isl,osl\na,b\n", "row 1: it has another number of cells than the heading"),
    ],
)
def test_a_table_of_another_shape_is_refused(text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "asked.csv").write_text(text, encoding="utf-8")
    assert run("--csv", tmp_path / "asked.csv") == 2
    assert message in capsys.readouterr().err
