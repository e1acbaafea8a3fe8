"""A judge behind a real gateway: asked like anybody, bound by the constraints, in the ledger."""

import json
from pathlib import Path
from typing import Any

import pytest
from judge_model import fair, serving

from e2e.house import KEY, House, owned
from freehold.app.cli.grade import app
from freehold.app.cli.ledger import app as ledger
from freehold.core.errors import BadSettings

SUITE = """\
version: 1
workload: triage
judge:
  target: judge
  model: claude-sonnet-4-5
  arms: {owned: qwen2.5-7b, rented: gpt-4o}
  rubric: As many good as can be.
"""


def grade(*argv: object) -> int:
    code = app([str(a) for a in argv], exit_on_error=False, print_error=False, result_action="return_value")
    assert isinstance(code, int)
    return code


def test_constraints_bind_the_judge(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FREEHOLD_KEY", KEY)
    (tmp_path / "suite.yaml").write_text(SUITE, encoding="utf-8")
    pairs = [{"request": {"n": at}, "owned": "good " * (at % 3 + 1), "rented": "good " * ((at + 1) % 3 + 1)} for at in range(9)]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, pairs)), encoding="utf-8")
    received: list[dict[str, Any]] = []
    with serving(fair, received) as url:
        gateway = house.gateway(
            "grading",
            {"targets": {"judge": owned(url, clearance="confidential")}, "workloads": {"judging": {"targets": ["judge"]}}},
        )
        asked = (tmp_path / "suite.yaml", "--pairs", tmp_path / "p.jsonl", "--gateway", gateway.url, "--json")
        with pytest.raises(BadSettings, match="the judge 'judge' gave no verdict: 403: "):
            grade(*asked)
        assert received == []
        assert not (tmp_path / "p.scores.jsonl").exists()
        assert grade(*asked, "--data", "confidential") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["pairs"], told["owned"], told["rented"], len(received)) == (9, 1 / 3, 2 / 3, 2 * (6 + 9))
    gateway.ask_to_end()
    assert gateway.wait_for_end() == 0
    flags = ["entries", "--ledger", str(house.folder / "grading.db"), "--limit", "100", "--json"]
    assert ledger(flags, exit_on_error=False, result_action="return_value") == 0
    entries = json.loads(capsys.readouterr().out)
    answered = [entry for entry in entries if entry["outcome"] == "finished"]
    assert (len(answered), len(entries)) == (len(received), len(received) + 1)
    assert {(entry["target"], entry["data_class"]) for entry in answered} == {("judge", "confidential")}
