import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ledger_entries import entry

from freehold.app.cli import main
from freehold.app.scenario import shipped
from freehold.serve.stores.sqlite import SqliteStore

TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:{i // 60:02}:{i % 60:02}.0000000,{400 + i},{20 + i % 50}\n" for i in range(600)
)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "chat.csv"
    path.write_text(TRACE, encoding="utf-8")
    return path


# The machine asked for alone, against today's model alone: nobody, no platform, no storage, no host of the same model.
BARE = ("--provider", "aws", "--hosted", "none", "--people-fte", "0", "--platform-usd-month", "0", "--storage-usd-gb-month", "0")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ledger lies in the folder a test runs in."""
    monkeypatch.chdir(tmp_path)


def run(*argv: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in ("plan", *argv)])
    return int(ended.value.code or 0)


def test_it_works_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    printed = capsys.readouterr()
    assert "seed-saas: Rent: groq/llama-3.1-8b-instant serves the same model for $17.95 a month" in printed.out
    # One aws L40S: 1.861 x 730 = $1,358.53, $100 for the platform, 2 x 8 GB x $0.08 for storage, $4,166.67 for a quarter of a
    # person.
    assert "$5,626" in printed.out
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
    options = (
        "--model",
        "Qwen2.5-7B",
        "--gpu",
        "H100-SXM",
        "--provider",
        "aws",
        "--rent",
        "groq/llama-3.1-8b-instant",
        "--people-fte",
        "1",
    )
    assert run("--trace", trace, "--json", *options) == 0
    (workload,) = (made := json.loads(capsys.readouterr().out))["workloads"]
    assert (workload["cheapest"], workload["judgement"]["verdict"]) == ("rent", "rent")
    assert workload["owned_model"].startswith("Qwen2.5-7B fp8 on 1x H100-SXM (aws")
    sources = {a["name"]: a["source"] for a in [*workload["assumptions"], *made["assumptions"]]}
    assert (sources["owned model"], sources["rented model"], sources["people"]) == ("user", "user", "user")
    assert sources["highest use"] == "default"


def test_the_answer_comes_with_its_interval_its_odds_and_what_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*BARE, "--growth-per-month", "0.1", "--budget-usd-month", "1500", "--spike", "4") == 0
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        "The cheapest mix costs $1,359 a month (80%: $",
        "of 10,000 draws",
        "GPU price at ×1.06 or beyond turns the answer",
        "The budget of $1,500 a month is passed: as planned not within a year",
        "A day with 4 times the traffic costs",
        "net present value over 24 months",
    ):
        assert words in said


def test_stated_ranges_narrow_the_answer_and_stand_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    sure = [f"--range={name}=1..1" for name in ("api_price", "gpu_price", "volume", "output_length")]
    assert run(*BARE, "--json", "--no-simulate", *sure) == 0
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
    assert run("--scenario", "hospital", "--usd-per-hour", "2.00", "--json") == 0
    (workload,) = json.loads(capsys.readouterr().out)["workloads"]
    price = next(a for a in workload["assumptions"] if a["name"] == "machine price")
    assert (price["value"], price["source"]) == ("2", "user")
    assert workload["curve"][0]["feasible"] is False


def test_another_model_is_not_compared_with_hosts_of_the_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--model", "Qwen2.5-7B", "--json") == 0
    assert json.loads(capsys.readouterr().out)["workloads"][0]["rented"][1:] == []
    assert run("--model", "Llama-3.1-8B", "--json") == 0
    assert [cost["provider"] for cost in json.loads(capsys.readouterr().out)["workloads"][0]["rented"]] == ["openai", "groq"]


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
        (("--scenario", "nowhere"), "no scenario 'nowhere'; shipped are enterprise, growth"),
        (("--trace", "a.csv", "--scenario", "seed-saas"), "choose one"),
        (("--max-utilisation", "0"), "max_utilisation is 0; give a number from 0.01 to 1"),
        (("--max-utilisation", "2"), "max_utilisation is 2"),
        (("--hire-plan", "weekly"), "hire-plan 'weekly' names no plan 'weekly'"),
        (("--hire-plan", "spot=0.4"), "do not add up to 1"),
        (("--hire-plan", "spot=nan"), "not above 0"),
        (("--hire-plan", "spot"), "no spot price is listed for that GPU at that provider; listed at: aws"),
        (("--hire-plan", "spot", "--provider", "verda", "--scenario", "hospital"), "cannot stand on spot machines"),
        (("--dedicated-usd-h", "-1"), "dedicated-usd-h is -1"),
        (("--capex-usd", "-1"), "capex-usd is -1"),
        (("--since", "2026-01-01", "--scenario", "growth"), "--since and --until choose from a ledger"),
        (("--until", "2026-01-01"), "--since and --until choose from a ledger"),
        (("--ledger", "nowhere.db"), "nowhere.db"),
        (("--watch",), "--watch needs a ledger"),
        (("--zones", "0"), "zones is 0; give a number from 1 to 16"),
        (("--spare-machines", "-1"), "spare_machines is -1"),
        (("--platform-usd-month", "nan"), "platform_usd_month is nan"),
        (("--prefill-tok-s", "100"), "needs both prefill-tok-s and decode-tok-s"),
        (("--evidence", "other=held"), "no workload 'other' is planned"),
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


def test_a_scenario_with_a_negative_volume_is_refused_by_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "less.yaml"
    file.write_text("{name: less, tokens_per_day: -5, input_share: 0.7, output_tokens_mean: 300}", encoding="utf-8")
    assert run("--scenario", file) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "less.yaml" in line
    assert "tokens_per_day" in line


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "kept.db"
    with closing(SqliteStore(path)) as store:
        store.write([entry(f"fh-{n}", stands_for=1_700_000_000.0 + 10 * n, workload="triage") for n in range(50)])
    return path


def test_a_ledgers_days_and_workloads_are_chosen_or_refused_in_one_line(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--ledger", ledger, "--since", "2023-11-14", "--workload", "triage", "--json") == 0
    assert [w["name"] for w in json.loads(capsys.readouterr().out)["workloads"]] == ["triage"]
    for argv, words in (
        (("--since", "14.11.2023"), "--since is '14.11.2023'; give a day as YYYY-MM-DD"),
        (("--until", "2023-13-01"), "--until is '2023-13-01'; give a day as YYYY-MM-DD"),
        (("--since", "2024-01-01"), "no traffic to plan for"),
        (("--workload", "ghost"), "no finished request of workload 'ghost' there; it has triage"),
    ):
        assert run("--ledger", ledger, *argv) == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("freehold: ")]
        assert len(lines) == 1
        assert words in lines[0]


def test_the_ledger_of_the_folder_is_planned_unless_something_else_is_given(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.rename("freehold.db")
    assert run("--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["workloads"][0]["name"] == "triage"
    assert "Traffic from freehold.db in this folder" in printed.err
    assert run("--scenario", "internal-tool", "--json") == 0
    assert json.loads(capsys.readouterr().out)["workloads"][0]["name"] == "internal-tool"


def test_the_shipped_scenarios_are_listed_with_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--scenario", "list", "--json") == 0
    assert list(json.loads(capsys.readouterr().out)) == shipped()
    assert run("--scenario", "list") == 0
    assert all(f"{name}: " in capsys_line for name, capsys_line in zip(shipped(), lines_of(capsys), strict=True))


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_the_document_is_as_its_schema_says(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--schema") == 0
    schema = json.loads(capsys.readouterr().out)
    for argv in (("--budget-usd-month", "100"), ("--scenario", "hospital"), ("--ledger", ledger)):
        assert run("--json", *argv) == 0
        made = json.loads(capsys.readouterr().out)
        assert list(faults(made, schema, schema["$defs"], "plan")) == []
    made["totals"]["tokens_per_day"] = "many"
    del made["workloads"][0]["judgement"]["headline"]
    made["workloads"][0]["surprise"] = 1
    assert sorted(faults(made, schema, schema["$defs"], "plan")) == [
        "plan.totals.tokens_per_day: not number", "plan.workloads[0].judgement: lacks headline",
        "plan.workloads[0]: surprise unknown",
    ]  # fmt: skip


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "integer": (int,), "number": (int, float),
    "null": (type(None),),
}  # fmt: skip


def faults(value: Any, schema: dict[str, Any], defs: dict[str, Any], at: str) -> Iterator[str]:
    """Where a document is not as the schema says: the words that occur in ours, and unknown fields."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    assert schema.keys() <= _READ, f"{at}: the schema says something this does not read: {schema.keys() - _READ}"
    if "anyOf" in schema and all(any(True for _ in faults(value, one, defs, at)) for one in schema["anyOf"]):
        yield f"{at}: none of the forms"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value} is none of {schema['enum']}"
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{at}: not {kind}"
        return
    if kind == "object":
        yield from (f"{at}: lacks {name}" for name in schema.get("required", ()) if name not in value)
        for name, inside in value.items():
            if name not in schema["properties"]:
                yield f"{at}: {name} unknown"
            else:
                yield from faults(inside, schema["properties"][name], defs, f"{at}.{name}")
    if kind == "array":
        each = schema.get("items", {})
        for place, inside in enumerate(value):
            first = schema.get("prefixItems", ())
            yield from faults(inside, first[place] if place < len(first) else each or {}, defs, f"{at}[{place}]")


_READ = {
    "$ref", "$defs", "title", "description", "type", "properties", "required", "items", "prefixItems", "minItems", "maxItems",
    "anyOf", "enum", "default",
}  # fmt: skip
