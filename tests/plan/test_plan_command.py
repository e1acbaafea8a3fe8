import json
from pathlib import Path

import pytest

from freehold.app.cli import main

TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:{i // 60:02}:{i % 60:02}.0000000,{400 + i},{20 + i % 50}\n" for i in range(600)
)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "chat.csv"
    path.write_text(TRACE, encoding="utf-8")
    return path


def run(*argv: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in ("plan", *argv)])
    return int(ended.value.code or 0)


def test_it_works_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    printed = capsys.readouterr()
    assert "support-tickets: Own 1 replica: $1,359 a month" in printed.out
    assert "shipped example" in printed.err


def test_a_trace_as_json_and_as_a_page(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "plan.html"
    assert run("--trace", trace, "--json", "--html", page) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["workloads"][0]["name"] == "chat"
    assert made["workloads"][0]["traffic"]["requests"] == 600
    assert any("observed 10.0 minutes" in w for w in made["workloads"][0]["warnings"])
    assert "<svg" in page.read_text(encoding="utf-8")


def test_options_change_the_answer_and_are_marked_as_the_users(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--model", "Qwen2.5-7B", "--gpu", "H100-SXM", "--rent", "groq/llama-3.1-8b-instant", "--people-fte", "1")
    assert run("--trace", trace, "--json", *options) == 0
    (workload,) = (made := json.loads(capsys.readouterr().out))["workloads"]
    assert workload["answer"] == "rent"
    assert workload["owned_model"].startswith("Qwen2.5-7B fp8 on 1x H100-SXM (aws")
    sources = {a["name"]: a["source"] for a in [*workload["assumptions"], *made["assumptions"]]}
    assert (sources["owned model"], sources["rented model"], sources["people"]) == ("user", "user", "user")
    assert sources["highest use"] == "default"


def test_the_answer_comes_with_its_interval_its_odds_and_what_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--growth-per-month", "0.1", "--budget-usd-month", "1500", "--spike", "4") == 0
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        "Own 1 replica: $1,359 a month (80%: $",
        "of 10,000 draws",
        "The answer turns with GPU price",
        "The budget of $1,500 a month is passed: as planned not within a year",
        "A day with 4 times the traffic costs",
        "net present value over 24 months",
    ):
        assert words in said


def test_stated_ranges_narrow_the_answer_and_stand_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    sure = [f"--range={name}=1..1" for name in ("api_price", "gpu_price", "volume", "output_length")]
    assert run("--json", *sure) == 0
    made = json.loads(capsys.readouterr().out)
    (workload,) = made["workloads"]
    drawn = workload["uncertainty"]
    assert drawn["p_owning_wins"] == 1.0
    assert drawn["rented_nanousd_month"]["p10"] == drawn["rented_nanousd_month"]["p90"]
    rows = {a["name"]: a for a in [*workload["assumptions"], *made["assumptions"]]}
    assert (rows["GPU price, range"]["range"], rows["GPU price, range"]["source"]) == ("1 to 1", "user")
    assert rows["decode speed, range"]["range"] == "0.55 to 1.25"
    assert {"growth", "spike", "budget", "cost of the move", "dual running", "discount rate", "horizon"} <= rows.keys()


def test_the_command_line_overrides_the_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--scenario", "regulated-documents", "--usd-per-hour", "2.00", "--json") == 0
    (workload,) = json.loads(capsys.readouterr().out)["workloads"]
    price = next(a for a in workload["assumptions"] if a["name"] == "machine price")
    assert (price["value"], price["source"]) == ("2", "user")
    assert workload["curve"][0]["feasible"] is False


def test_another_model_is_not_compared_with_hosts_of_the_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--model", "Qwen2.5-7B", "--json") == 0
    assert json.loads(capsys.readouterr().out)["workloads"][0]["hosted"] == []
    assert run("--model", "Llama-3.1-8B", "--json") == 0
    assert [h["provider"] for h in json.loads(capsys.readouterr().out)["workloads"][0]["hosted"]] == ["groq"]


def test_the_configuration_names_the_targets(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "freehold.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    assert run("--trace", trace, "--workload", "triage", "-c", config, "--json") == 0
    (workload,) = json.loads(capsys.readouterr().out)["workloads"]
    assert workload["rented_model"] == "openai/gpt-4o-mini"
    assert workload["owned_model"].startswith("Qwen2.5-7B fp8 on 1x L40S")
    price = next(a for a in workload["assumptions"] if a["name"].endswith("gpt-4o-mini, output"))
    assert (price["value"], price["origin"]) == ("8", "freehold.yaml")
    assert run("--trace", trace, "-c", config) == 2
    assert "has no workload 'chat'; name one of triage" in capsys.readouterr().err


CONFIG = """
version: 1
keys: [{name: k, sha256: "0000000000000000000000000000000000000000000000000000000000000000"}]
targets:
  api: {provider: openai, model: gpt-4o-mini, key: env:NOWHERE, clearance: internal, price: {input: 2, output: 8}}
  own: {engine: vllm, url: "http://127.0.0.1:1", model: Qwen/Qwen2.5-7B-Instruct, clearance: restricted, cost: {gpu: L40S}}
workloads: {triage: {targets: [own, api], data: internal, spill: true}}
"""


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--gpu", "B9000"), "unknown GPU"),
        (("--model", "GPT-7"), "unknown model"),
        (("--rent", "nobody/nothing"), "no price for nobody/nothing"),
        (("--trace", "nowhere.csv"), "cannot read the trace"),
        (("--scenario", "nowhere.yaml"), "cannot read the scenario"),
        (("--scenario", "nowhere"), "cannot read the scenario nowhere"),
        (("--trace", "a.csv", "--scenario", "support-tickets"), "choose one"),
        (("--max-utilisation", "3"), "max_utilisation is 3"),
        (("--gpu-count", "-2"), "gpu-count is -2"),
        (("--usd-per-hour", "-1"), "usd-per-hour is -1"),
        (("--model", "Llama-3.1-405B"), "needs 406 GB for its weights"),
        (("--html", "/nowhere/at/all.html"), "cannot write"),
        (("--range", "gpu_price=2..3"), "leaves out its point 1"),
        (("--range", "gpu=1..2"), "names no input"),
        (("--growth-per-month", "2"), "growth_per_month is 2"),
        (("--spike", "0.5"), "spike is 0.5"),
        (("--budget-usd-month", "0"), "budget_usd_month is 0"),
        (("--horizon-months", "0"), "horizon_months is 0"),
        (("--discount-rate", "-1"), "discount_rate is -1"),
    ],
)
def test_bad_input_ends_in_one_line_and_code_2(argv: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*argv) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("freehold: ")]
    assert len(lines) == 1
    assert words in lines[0]


def test_an_empty_trace_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    assert run("--trace", tmp_path / "empty.csv") == 2
    assert "empty" in capsys.readouterr().err
