import json
from pathlib import Path

import pytest

from freehold.app.cli import main

CLAIM = """
claim: Ten million tokens a day cost $1,425 a month.
source: a test
date: 2026-11-21
kind: api_bill
month: 30 days
given:
  volume: 10 M tokens/day
  price: {input: $2.50/M tokens, output: $10/M tokens, input_share: 70 %}
asserts: {bill: "$1,425/month"}
"""
CATALOG = """
claim: p4d.24xlarge costs about $32 an hour.
source: a test
date: 2026-11-21
kind: catalog
within: 3 %
given: {instance: aws/p4d.24xlarge, day: 2025-12-01}
asserts: {price: $32/hour}
"""
SERVING = """
claim: One machine serves them.
source: a test
date: 2026-11-21
kind: serving
hardware: {model: Llama-3.1-8B, machine: 1x L40S, precision: fp8, efficiency: 30 %}
asserts: {volume: 50 M tokens/day}
"""


def run(*argv: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in ("claim", *argv)])
    return int(ended.value.code or 0)


@pytest.fixture
def claim_file(tmp_path: Path) -> Path:
    path = tmp_path / "claim.yaml"
    path.write_text(CLAIM, encoding="utf-8")
    return path


def test_a_claim_that_follows(claim_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(claim_file) == 0
    assert capsys.readouterr().out.splitlines()[0] == "Follows: the bill comes to $1,425/month, as claimed."


def test_one_that_does_not_says_what_it_would_take(claim_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim_file.write_text(CLAIM.replace("$1,425/month", "$2,850/month"), encoding="utf-8")
    assert run(claim_file) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("Does not follow: the bill comes to $1,425/month, not $2,850/month; off by 2 times.")
    assert "$9.50/M tokens" in printed
    assert "20 M tokens/day" in printed


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--example", "001-serving-500m", "--json") == 1
    made = json.loads(capsys.readouterr().out)
    assert made["verdict"] == "infeasible"
    assert made["checks"][0]["claimed"] == {
        "text": "500 M tokens/day",
        "unit": "tokens/day",
        "low": "500000000",
        "high": "500000000",
    }
    assert made["other_reading"]["as_if"]["text"] == "500 M tokens/month"
    assert made["other_reading"]["follows"] is True


def test_the_list_has_every_example_with_its_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--list", "--json") == 0
    listed = {row["name"]: row["verdict"] for row in json.loads(capsys.readouterr().out)}
    assert listed["003-crossover"] == "does not follow"
    assert run("--list") == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in listed)


def test_hardware_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "serving.yaml"
    path.write_text(SERVING, encoding="utf-8")
    assert run(path) == 0
    assert "1x L40S tops out at" in capsys.readouterr().out


def test_an_old_price_was_true_on_an_old_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "price.yaml"
    path.write_text(CATALOG, encoding="utf-8")
    assert run(path) == 0
    assert "$32.77/hour, list price of 2025-03-07" in capsys.readouterr().out


@pytest.mark.parametrize(
    "case",
    [
        (CLAIM, "10 M tokens/day", "10_000_000", "given.volume is 10000000; give a number with its unit"),
        (CLAIM, "10 M tokens/day", "10 M", "given.volume is '10 M', without its unit"),
        (CLAIM, "10 M tokens/day", "$10/day", "given.volume is '$10/day', in $/day; write it such as 50 M tokens/day"),
        (CLAIM, "month: 30 days", "", "month is missing"),
        (CLAIM, "month: 30 days", "month: 30", "month is 30; give its length with a unit"),
        (CLAIM, "input_share: 70 %", "", "given.price.input_share is missing"),
        (CLAIM, "volume: 10", "volumes: 10", "given has the unknown field 'volumes'; known: price, volume"),
        (CLAIM, "kind: api_bill", "kind: hunch", "Invalid enum value 'hunch'"),
        (CLAIM, "asserts:", "claims:", "unknown field"),
        (CLAIM, "kind: api_bill", "kind: api_bill\nwithin: 90 %", "within is '90 %'; give at most 10 %"),
        (CLAIM, "kind: api_bill", "kind: crossover", "given has the unknown field 'volume'; known: hosting, price"),
        (CLAIM, "source: a test", "source: [", "not YAML"),
        (CLAIM, "2026-11-21", "2026-13-45", "not YAML: month must be in 1..12"),
        (CLAIM, "input_share: 70 %", "input_share: 70 %, 7: x", "given.price has the unknown field 7"),
        (CLAIM, "10 M tokens/day", "[10, 20]", "given.volume is [10, 20]; give a number with its unit"),
        (CLAIM, CLAIM, "", "Expected `object`, got `null`"),
        (CATALOG, "aws/p4d.24xlarge", "aws/p9.huge", "in no price list here"),
        (CATALOG, "aws/p4d.24xlarge", "p4d.24xlarge", "write provider/instance"),
        (CATALOG, "2025-12-01", "2020-01-01", "the first known price of p4d.24xlarge is of 2025-03-07"),
        (CATALOG, "2025-12-01", "lately", "give the day, such as 2026-07-20"),
        (CATALOG, "{price: $32/hour}", "{price: $32}", "asserts.price is '$32', without its unit"),
        (CATALOG, "{price: $32/hour}", "{}", "asserts is empty"),
        (CATALOG, "{price: $32/hour}", "{gpu: B9000}", "unknown GPU 'B9000'"),
        (SERVING, "1x L40S", "L40S", "hardware.machine is 'L40S'; give one machine's GPUs, such as 4x A10G"),
        (SERVING, "30 %", "0 %", "hardware.efficiency is 0"),
        (SERVING, "30 %", "0.3", "hardware.efficiency is 0.3; give a number with its unit, such as 45 %"),
        (SERVING, "Llama-3.1-8B", "GPT-7", "unknown model"),
        (SERVING, "1x L40S, precision: fp8", "4x A10G, precision: fp8", "hardware.precision is fp8, which A10G does not compute"),
        (SERVING, "50 M tokens/day", "0 tokens/day", "asserts.volume is 0"),
        (SERVING, "50 M tokens/day", "50 M tokens/month", "month is missing"),
        (SERVING, "kind: serving", "kind: serving\nmonths: 3", "unknown field `months`"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    case: tuple[str, str, str, str], claim_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, old, new, words = case
    assert old in text
    claim_file.write_text(text.replace(old, new), encoding="utf-8")
    assert run(claim_file) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert words in printed.err


@pytest.mark.parametrize("argv", [(), ("--list", "--example", "003-crossover"), ("--example", "nothing"), ("nowhere.yaml",)])
def test_what_to_audit_is_named_once(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*argv) == 2
    assert capsys.readouterr().err.count("\n") == 1
