"""A calibration beside a configuration, as `predict`, `size` and `plan` take it; and one of another place, which they do not."""

import datetime as dt
import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from freehold.app.calibration_file import Calibrated, Constant, HeldOut, write_calibration
from freehold.app.cli import main
from freehold.app.measured_targets import measured_target, measured_targets
from freehold.catalog.facts import load_facts
from freehold.core.errors import BadSettings
from freehold.plan.capacity.calibration.law import CONSTANTS

needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="the extra simulate is not installed")
FACTS = load_facts()
CONFIG = """version: 1
store: sqlite:///freehold.db
targets:
  own:
    {{engine: vllm, url: "http://127.0.0.1:8603", model: meta-llama/Llama-3.1-8B-Instruct@main, clearance: restricted,
      concurrency: 64, context_tokens: 8192, cost: {{gpu: l40s, count: 1, provider: aws}}}}
  bare: {{engine: llamacpp, url: "http://127.0.0.1:8604", model: tiny, clearance: restricted, concurrency: 4}}
  moved:
    {{engine: vllm, url: "http://127.0.0.1:8605", model: tiny, clearance: restricted, cost: {{gpu: L4, usd_per_hour: 0.5}}}}
  plain: {{engine: vllm, url: "http://127.0.0.1:8606", model: tiny, clearance: restricted}}
  far:
    {{provider: openai_compatible, url: "https://example.org/v1", model: m, clearance: internal, key: "env:NOT_THERE",
      price: {{input: 2.5, output: 10}}}}
workloads:
  chat: {{targets: [own, far], spill: true}}
keys:
  - {{name: a, sha256: "{digest}"}}
"""


def calibrated(url: str, engine: str, model: str, slots: int) -> Calibrated:
    values = {"fixed_s": 0.012, "prefill_s": 5e-5, "sequence_s": 2e-4, "context_s": 2e-8, "overhead_s": 0.004}
    return Calibrated(
        source="freehold calibrate, 512 requests", date=dt.date(2026, 11, 21), machine="1x L40S", engine=engine,
        engine_version=None, url=url, model=model, slots=slots, step_tokens=2048,
        constants={name: Constant(values.get(name, 0.0), 0.0, 1.0) for name in CONSTANTS},
        held_out=HeldOut(requests=100, ttft=0.15, tpot=0.06, total=0.05),
    )  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "freehold.yaml"
    path.write_text(CONFIG.format(digest="0" * 64), encoding="utf-8")
    write_calibration(path, "own", calibrated("http://127.0.0.1:8603", "vllm", "meta-llama/Llama-3.1-8B-Instruct@main", 64))
    write_calibration(path, "bare", calibrated("http://127.0.0.1:8604", "llamacpp", "tiny", 4))
    write_calibration(path, "moved", calibrated("http://127.0.0.1:9999", "vllm", "tiny", 4))
    return path


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    rows = [
        {"timestamp": 250 * n, "input_length": 600 + 7 * (n % 90), "output_length": 60 + n % 40, "hash_ids": [n]}
        for n in range(480)
    ]
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def run(*argv: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in argv])
    return int(ended.value.code or 0)


def test_a_target_bears_the_names_of_the_catalogue_its_machine_and_its_misses(config: Path) -> None:
    own = measured_target(config, "own", FACTS)
    assert (own.model, own.slots, own.gpus, own.context_tokens) == ("Llama-3.1-8B", 64, 1, 8192)
    assert own.hardware is not None
    assert own.hardware.gpu == "L40S"
    assert tuple(own.missed) == (0.15, 0.06, 0.05)
    bare = measured_target(config, "bare", FACTS)
    assert (bare.model, bare.hardware) == ("tiny", None)


def test_only_calibrations_of_what_stands_there_now_count(config: Path, tmp_path: Path) -> None:
    found, passed_over = measured_targets(config, FACTS)
    assert [one.target for one in found] == ["own"]
    (line,) = passed_over
    assert line.startswith("target moved is no longer what was calibrated on 2026-11-21: vllm with tiny at http://127.0.0.1:9999")
    with pytest.raises(BadSettings, match="target moved is no longer what was calibrated"):
        measured_target(config, "moved", FACTS)
    with pytest.raises(BadSettings, match="target plain has not been calibrated; run 'freehold calibrate --target plain'"):
        measured_target(config, "plain", FACTS)
    for name in ("far", "nobody"):
        with pytest.raises(BadSettings, match=rf"no owned target '{name}' in .*; it has own, bare, moved, plain"):
            measured_target(config, name, FACTS)
    (tmp_path / "freehold.calibration.yaml").unlink()
    assert measured_targets(config, FACTS) == ([], [])


def test_predict_by_the_measured_law(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["predict", "--target", "own", "-c", config, "--isl", "1000", "--osl", "200"]
    assert run(*asked, "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["low80"] < made["output_tok_s"] < made["high80"]
    assert made["basis"].startswith("measured on 1x L40S, 2026-11-21")
    assert run(*asked) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("own: about ")
    assert "measured on 1x L40S, 2026-11-21" in " ".join(printed.split())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            ["predict", "--target", "own", "--gpu", "L4", "--count", "2"],
            "--target was measured as it is; leave out --gpu, --count",
        ),
        (["predict", "--target", "moved"], "is no longer what was calibrated"),
        (["predict", "--target", "own", "--osl", "9000"], "own takes 8,192"),
        (["size", "--target", "own", "--gpu", "L4"], "leave out --gpu"),
        (["size", "--target", "own", "--model", "Llama-3.1-8B"], "give --model NAME"),
        (["size"], "give --model NAME"),
        (["size", "--target", "bare", "--picture", "x.svg"], "bare has no cost"),
        (["size", "--target", "own", "--what-if", "gpu=L4"], "own was measured as it is"),
    ],
)
@needs_numba
def test_bad_input_is_one_line(
    wrong: list[str], words: str, config: Path, trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--trace", trace] if wrong[0] == "size" else []
    assert run(*wrong, "-c", config, *more) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("freehold:")]
    assert words in line


@needs_numba
def test_size_by_the_measured_law(config: Path, trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["size", "--target", "own", "-c", config, "--trace", trace]
    assert run(*asked, "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["measured"]["date"] == "2026-11-21"
    assert made["measured"]["missed"] == {"ttft": 0.15, "tpot": 0.06, "total": 0.05}
    low, high = made["measured"]["interval80"]["ttft_s"]
    assert low < made["cheapest"]["trial"]["ttft_s"] < high
    assert made["measured"]["cautious_replicas"] >= made["cheapest"]["replicas"]
    assert made["cheapest"]["nanousd_month"] > 0
    assert run(*asked, "--what-if", "traffic=x4", "--picture", tmp_path / "size.svg") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Llama-3.1-8B as own serves it: 1x L40S as measured at aws, $")
    assert "measured on 1x L40S, 2026-11-21" in printed
    assert "no prefix cache" in printed
    assert (tmp_path / "size.svg").is_file()


@needs_numba
def test_size_of_a_target_without_a_cost(config: Path, trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["size", "--target", "bare", "-c", config, "--trace", trace, "--tpot", "100"]
    assert run(*asked, "--ttft", "5s", "--what-if", "traffic=x4") == 0
    printed = capsys.readouterr().out
    assert "bare as measured; state its cost" in printed
    assert "no price" in printed
    assert run(*asked, "--ttft", "1") == 1
    assert "tiny as bare serves it: it never keeps" in capsys.readouterr().out


@needs_numba
def test_plan_takes_the_calibration_and_says_which_it_does_not(
    config: Path, trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["plan", "--trace", trace, "--workload", "chat", "-c", config, "--json"]
    assert run(*asked) == 0
    made = json.loads(capsys.readouterr().out)
    (said,) = [row for row in made["workloads"][0]["assumptions"] if row["name"] == "capacity of a replica"]
    assert said["source"] == "measured"
    assert said["origin"].startswith("simulated by the law of own, measured on 1x L40S, 2026-11-21")
    assert any(line.startswith("target moved is no longer") for line in made["warnings"])
    assert run(*asked, "--precision", "bf16") == 0
    other = json.loads(capsys.readouterr().out)
    (said,) = [row for row in other["workloads"][0]["assumptions"] if row["name"] == "capacity of a replica"]
    assert said["source"] == "default"
    assert any("no calibration is used" in line for line in other["warnings"])
