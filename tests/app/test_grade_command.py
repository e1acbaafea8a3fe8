"""`freehold grade`: pairs in, scores out that the gate reads; the judge through an address, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from judge_model import Mind, fair, first_always, gullible, serving

from freehold.app.cli.gate import app as gate
from freehold.app.cli.grade import app
from freehold.core.errors import BadSettings
from freehold.move.evaluate.pair_file import read_scored

PLAIN = """\
version: 1
workload: triage
graders:
  - {name: label, kind: json, fields: {label: 3, urgent: 1}}
  - {name: format, kind: schema, schema: {required: [label]}, guardrail: true}
"""
JUDGED = """\
version: 1
workload: triage
judge:
  target: judge
  model: claude-sonnet-4-5
  arms: {owned: qwen2.5-7b, rented: gpt-4o}
  rubric: As many good as can be.
"""


def run(*argv: object) -> int:
    code = app([str(a) for a in argv], exit_on_error=False, print_error=False, result_action="return_value")
    assert isinstance(code, int)
    return code


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FREEHOLD_KEY", "fh_key")
    Path("plain.yaml").write_text(PLAIN, encoding="utf-8")
    Path("judged.yaml").write_text(JUDGED, encoding="utf-8")
    return tmp_path


def write(path: Path, pairs: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps({"request": {"n": at}} | pair) for at, pair in enumerate(pairs)), encoding="utf-8")
    return path


def tickets(path: Path, wrong: int) -> Path:
    """600 pairs; the owned model has `wrong` of every hundred labels wrong and never breaks the format."""
    right = '{"label": "bug", "urgent": true}'
    other = '{"label": "ui", "urgent": true}'
    lines = [{"owned": other if at % 100 < wrong else right, "rented": right, "reference": right} for at in range(600)]
    return write(path, lines)


def test_scores_go_straight_to_the_gate(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plain.yaml", "--pairs", tickets(folder / "good.jsonl", 0), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["pairs"], told["owned"], told["rented"], told["left_out"]) == (600, 1.0, 1.0, {})
    assert gate([told["scores"], "--worse-by", "format=0.02"], exit_on_error=False, result_action="return_value") == 0
    assert run("plain.yaml", "--pairs", tickets(folder / "bad.jsonl", 20), "--out", "bad.scores", "--json") == 0
    capsys.readouterr()
    found = dict(read_scored(Path("bad.scores")))
    assert (found[1].owned, found[1].rented, found[1].graders["label"].owned.evidence) == (0.25, 1.0, "differ: label")
    assert gate(["bad.scores", "--worse-by", "format=0.02", "--json"], exit_on_error=False, result_action="return_value") == 1
    assert json.loads(capsys.readouterr().out)["decision"] == "rollback"


def test_people_see_a_row_for_each_grader(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plain.yaml", "--pairs", tickets(folder / "p.jsonl", 20)) == 0
    printed = capsys.readouterr().out
    assert any("label" in line and "0.8500" in line and "-0.1500" in line for line in printed.splitlines())
    assert any("format" in line and "guardrail" in line for line in printed.splitlines())
    assert "Now: freehold gate" in printed


def test_no_content_is_in_the_scores(folder: Path) -> None:
    secret = "heliotrope"
    pairs = [
        {"owned": secret, "rented": json.dumps({"label": secret}), "reference": json.dumps({"label": secret}), "slice": "en"}
    ]
    assert run("plain.yaml", "--pairs", write(folder / "p.jsonl", pairs)) == 0
    assert secret not in (folder / "p.scores.jsonl").read_text(encoding="utf-8")


def test_harms_and_ids_go_through(folder: Path) -> None:
    harms = {"latency": {"owned": 1, "rented": None}}
    pairs = [{"id": "x", "owned": None, "rented": '{"label": 1}', "reference": "{}", "guardrails": harms, "slice": "de"}]
    assert run("plain.yaml", "--pairs", write(folder / "p.jsonl", pairs)) == 0
    ((_, line),) = read_scored(folder / "p.scores.jsonl")
    assert (line.id, line.slice, line.owned, line.guardrails["latency"].owned) == ("x", "de", 0.0, 1.0)
    assert (line.guardrails["format"].owned, line.guardrails["format"].rented) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([{"owned": "", "rented": ""}], r"p\.jsonl:1: grader 'label' needs a reference"),
        ([{"owned": "", "rented": "", "reference": "words"}], r"p\.jsonl:1: grader 'label': the reference is not JSON"),
        ([{"owned": "", "rentd": ""}], r"p\.jsonl:1: Object"), ([{"owned": 3, "rented": ""}], r"p\.jsonl:1: Expected"),
        ([{"owned": "", "rented": "", "reference": "{}", "guardrails": {"format": {"owned": 1}}}], "graded by the suite"),
        ([{"id": "a", "owned": "", "rented": ""}] * 2, "line 2: the id 'a' is that of line 1 too"), ([], "has no pairs"),
    ],
)  # fmt: skip
def test_a_pair_that_cannot_be_graded_is_told_with_its_line(folder: Path, pairs: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        run("plain.yaml", "--pairs", write(folder / "p.jsonl", pairs))
    assert not (folder / "p.scores.jsonl").exists()


QUALITY = [{"owned": "good " * (at % 3), "rented": "good " * ((at + 1) % 3), "reference": "good " * 3} for at in range(12)]


def judged(mind: Mind, folder: Path, *flags: object, received: list[dict[str, Any]] | None = None) -> int:
    with serving(mind, received) as url:
        return run("judged.yaml", "--pairs", write(folder / "p.jsonl", QUALITY), "--gateway", url, *flags)


def test_a_judge_is_asked_through_the_gateway(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    received: list[dict[str, Any]] = []
    assert judged(fair, folder, "--data", "confidential; region=eu", "--json", received=received) == 0
    told = json.loads(capsys.readouterr().out)
    judge = told["judge"]
    assert (judge["canaries"], judge["won"], judge["tied"], judge["turned"], judge["longer_preferred"]) == (6, 0, 0, 0, 1.0)
    assert (told["pairs"], told["owned"], told["rented"]) == (12, pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert told["judge_cost_nanousd"] == 2000 * len(received) == 2000 * 2 * (6 + 12)
    assert {one["headers"]["x-freehold-data"] for one in received} == {"confidential; region=eu"}
    assert {one["headers"]["authorization"] for one in received} == {"Bearer fh_key"}
    assert {one["body"]["model"] for one in received} == {"judge"}
    lines = [line for _, line in read_scored(folder / "p.scores.jsonl")]
    assert {line.judge.digest for line in lines if line.judge} == {told["judge"]["digest"]}
    assert [line.id for line in lines] == [f"line-{at}" for at in range(1, 13)]


@pytest.mark.parametrize("mind", [first_always, gullible])
def test_a_judge_that_a_null_answer_wins_over_writes_nothing(
    mind: Mind, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged(mind, folder) == 1
    assert "no scores were written" in capsys.readouterr().out
    assert not (folder / "p.scores.jsonl").exists()


def test_pairs_without_a_verdict_are_left_out_and_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def moody(seen: dict[str, str]) -> object:
        return "hm" if '"n":5' in seen["request, as JSON"].replace(" ", "") else fair(seen)

    Path("judged.yaml").write_text(f"{JUDGED}  canaries: 2\n", encoding="utf-8")
    assert judged(moody, folder, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["pairs"], told["left_out"]) == (11, {"the judge gave no verdict": 1})


def test_nobody_at_the_gateway_is_told_at_once(folder: Path) -> None:
    with serving(fair) as gone:
        pass
    with pytest.raises(BadSettings, match="the judge 'judge' gave no verdict: the gateway could not be asked"):
        run("judged.yaml", "--pairs", write(folder / "p.jsonl", QUALITY), "--gateway", gone)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--gateway", "http://gateway.example.org"), "use https, or http to this machine"),
        (("--gateway", "8400"), "--gateway is"),
        (("--data", "secretive"), "--data: unknown data class"), (("--at-once", "0"), "--at-once is 0"),
        (("--key", "env:NOT_SET"), "--key: env:NOT_SET is not set"), (("--keep-days", "0"), "--keep-days is 0"),
    ],
)  # fmt: skip
def test_flags_that_cannot_be_are_refused(folder: Path, flags: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        run("judged.yaml", "--pairs", write(folder / "p.jsonl", QUALITY), *flags)


def test_where_scores_cannot_be_written_nothing_is(folder: Path) -> None:
    with pytest.raises(BadSettings, match="give a file in an existing folder"):
        run("plain.yaml", "--pairs", tickets(folder / "p.jsonl", 0), "--out", folder / "none" / "s.jsonl")


def test_a_suite_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(BadSettings, match=r"cannot read none\.yaml: No such file"):
        run("none.yaml", "--pairs", "none.jsonl")


def test_an_incumbent_that_counts_as_right_is_not_shown_to_the_judge_as_such(folder: Path) -> None:
    """It would have won before it was read; nor do references of the pairs count then."""
    received: list[dict[str, Any]] = []
    Path("judged.yaml").write_text(f"{JUDGED}reference: incumbent\n", encoding="utf-8")
    pairs = [{"owned": "good " * (at + 2), "rented": "good"} for at in range(6)]
    with serving(fair, received) as url:
        assert run("judged.yaml", "--pairs", write(folder / "p.jsonl", pairs), "--gateway", url) == 0
    assert len(received) == 2 * (6 + 6)
    assert "known to be right" not in json.dumps(received)
    assert [line.owned for _, line in read_scored(folder / "p.scores.jsonl")] == [1.0] * 6
