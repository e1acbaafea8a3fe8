import json
import random
from pathlib import Path

import pytest

from freehold.app.cli.gate import app
from freehold.core.errors import BadSettings


def run(*argv: object) -> int:
    code = app([str(a) for a in argv], exit_on_error=False, print_error=False, result_action="return_value")
    assert isinstance(code, int)
    return code


def scores(path: Path, mean: float, count: int = 3000, guardrails: bool = False) -> Path:
    """Pass or fail on 10 % of requests differently, `mean` better in all."""
    draws, lines = random.Random(4), []
    for n in range(count):
        drawn = draws.random()
        owned, rented = (1, 0) if drawn < (0.1 + mean) / 2 else (0, 1) if drawn < 0.1 else (1, 1)
        harms = {"errors": {"owned": int(n % 100 == 0), "rented": int(n % 90 == 0)}, "latency": {"owned": int(n % 50 == 0)}}
        lines.append(
            {"owned": owned, "rented": rented, "slice": "en" if n % 3 else "[b]de"}
            | ({"guardrails": harms} if guardrails else {})
        )
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def test_an_equal_model_is_promoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(scores(tmp_path / "equal.jsonl", 0.0), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["decision"], found["samples"]) == ("promote", found["at_sample"])
    assert 100 <= found["at_sample"] < 1500
    assert found["sequence"][-1]["n"] == found["at_sample"]
    assert all(point["low"] < point["high"] for point in found["sequence"])
    assert [point["low"] for point in found["sequence"]] == sorted(point["low"] for point in found["sequence"])
    assert found["settings"] == {"margin": 0.03, "alpha": 0.05, "min_samples": 100, "guardrails": []}


def test_a_worse_model_is_rolled_back_and_few_pairs_decide_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(scores(tmp_path / "worse.jsonl", -0.08), "--margin", "0.03", "--alpha", "0.05", "--json") == 1
    assert json.loads(capsys.readouterr().out)["decision"] == "rollback"
    assert run(scores(tmp_path / "few.jsonl", 0.0, 50), "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["decision"], found["at_sample"], found["samples"]) == ("continue", None, 50)


def test_people_see_the_bounds_close_on_the_margin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = scores(tmp_path / "equal.jsonl", 0.0, guardrails=True)
    assert run(file, "--worse-by", "errors=0.02", "--at-most", "latency=0.05") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("Promote: after ")
    assert printed[1].endswith("pairs after that were not needed.")
    rows = printed[3:17]
    assert sum("●" in row for row in rows) > 10
    assert {row.index("┃") for row in rows if "┃" in row} == {printed[2].index("-3") + 1}
    assert "◂" in rows[0]
    assert "├" in rows[-1]
    assert rows[-1].index("├") >= printed[2].index("-3") + 1
    for row in ("quality", "errors", "latency", "slice [b]de", "slice en"):
        assert any(f"│ {row} " in line for line in printed)


def test_the_page_is_written_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "gate.html"
    assert run(scores(tmp_path / "equal.jsonl", 0.0), "--html", page, "--json") == 0
    assert page.read_text(encoding="utf-8").endswith("</html>\n")
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
    with pytest.raises(BadSettings, match="give a file in an existing folder"):
        run(tmp_path / "equal.jsonl", "--html", tmp_path / "none" / "gate.html")


def test_a_bad_line_is_named_also_after_the_decision(tmp_path: Path) -> None:
    file = scores(tmp_path / "equal.jsonl", 0.0)
    with file.open("a", encoding="utf-8") as lines:
        lines.write('\n{"owned": 7, "rented": 1}')
    with pytest.raises(BadSettings, match=r"equal\.jsonl line 3001 is no pair of scores"):
        run(file)


def test_a_harm_without_a_limit_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"line 1: guardrail 'latency' has no limit; give one with --worse-by latency=0\.01"):
        run(scores(tmp_path / "s.jsonl", 0.0, guardrails=True), "--worse-by", "errors=0.02")


@pytest.mark.parametrize("given", ["errors", "=0.1", "errors=few", "errors="])
def test_a_guardrail_that_cannot_be_read_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(BadSettings, match="give NAME=LIMIT"):
        run(scores(tmp_path / "s.jsonl", 0.0, 5), "--at-most", given)


def test_a_margin_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="margin is 3; use a difference in score"):
        run(scores(tmp_path / "s.jsonl", 0.0, 5), "--margin", "3")
