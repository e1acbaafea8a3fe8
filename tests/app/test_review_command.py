"""`freehold review`: blind, in random order, resumable, from the content store alone, each look on record."""

import io
import json
import re
import time
from contextlib import closing
from pathlib import Path

import pytest

from freehold.app.cli.grade import app as grade
from freehold.app.cli.review import app
from freehold.core.errors import BadSettings
from freehold.move.evaluate.review_file import read_reviews
from freehold.serve.access.keys import digest
from freehold.serve.stores.content import ContentStore

CONFIG = f"""\
version: 1
keys: [{{name: app, sha256: {"a" * 64}}}]
targets: {{box: {{engine: vllm, url: "http://127.0.0.1:9", model: m, clearance: restricted}}}}
workloads: {{triage: {{targets: [box]}}}}
content:
  key: env:MASTER_KEY
  readers:
    - {{name: ada, sha256: {digest("fh_ada")}, up_to: confidential}}
    - {{name: eve, sha256: {digest("fh_eve")}, up_to: public}}
"""
SUITE = "version: 1\nworkload: triage\ngraders: [{name: m, kind: match}]\n"
PAIRS = 40


def run(*argv: object) -> int:
    code = app([str(a) for a in argv], exit_on_error=False, print_error=False, result_action="return_value")
    assert isinstance(code, int)
    return code


@pytest.fixture
def scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Forty graded pairs, kept as confidential; the owned answer is right in three of four."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MASTER_KEY", "bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW0=")
    monkeypatch.setenv("FREEHOLD_READER_KEY", "fh_ada")
    Path("freehold.yaml").write_text(CONFIG, encoding="utf-8")
    Path("suite.yaml").write_text(SUITE, encoding="utf-8")
    lines = [
        {
            "request": f"question {at}",
            "owned": f"O{at} yes" if at % 4 else "no",
            "rented": f"R{at}\x1b[2J",
            "reference": f"o{at} YES",
        }
        for at in range(PAIRS)
    ]
    Path("p.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    flags = ["suite.yaml", "--pairs", "p.jsonl", "--keep-days", "1", "--data", "confidential; label=pii"]
    assert grade(flags, exit_on_error=False, result_action="return_value") == 0
    assert grade(flags, exit_on_error=False, result_action="return_value") == 0
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["40", "0"]
    return tmp_path / "p.scores.jsonl"


def typed(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(words))


def test_it_is_blind_resumable_and_written_word_by_word(
    scores: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("a\nnonsense\nb\nt\nq\n", monkeypatch)
    assert run(scores, "--size", "40") == 0
    shown = capsys.readouterr().out
    assert "'nonsense' is no answer here" in shown
    assert "owned" not in shown
    assert "rented" not in shown
    assert "\x1b" not in shown
    plan, words = read_reviews(scores.with_suffix(".reviews.jsonl"))
    assert (plan.size, [review.reviewer for review in words]) == (40, ["ada"] * 3)
    assert words[0].said == words[0].left
    assert words[1].said != words[1].left
    assert words[2].said == "tie"
    assert all(0 < review.probability <= 1 for review in words)
    typed("s\n" * PAIRS, monkeypatch)
    assert run(scores, "--size", "40") == 0
    rest = read_reviews(scores.with_suffix(".reviews.jsonl"))[1]
    assert len({review.id for review in rest}) == len(rest) > 20
    assert {review.said for review in rest[3:]} == {"skip"}
    assert "0 left of" in capsys.readouterr().out
    body = scores.with_suffix(".reviews.jsonl").read_text(encoding="utf-8")
    assert not re.search("question|yes", body)


def test_every_look_is_on_record_and_the_store_holds_no_plain_text(scores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed("a\nq\n", monkeypatch)
    run(scores, "--reason", "weekly review")
    with closing(ContentStore(Path("content.db"), b"m" * 32)) as store:
        looks = store.accesses(10)
    assert [(look.who, look.reason, look.allowed) for look in looks] == [("ada", "weekly review", True)] * 2
    assert all(look.what.startswith("pair:") for look in looks)
    assert b"question" not in Path("content.db").read_bytes()


def test_who_may_not_read_that_class_sees_nothing(
    scores: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FREEHOLD_READER_KEY", "fh_eve")
    typed("", monkeypatch)
    assert run(scores) == 0
    seen = capsys.readouterr()
    assert "question" not in seen.out
    assert "confidential data; eve may read up to public" in seen.err
    monkeypatch.setenv("FREEHOLD_READER_KEY", "fh_mallory")
    with pytest.raises(BadSettings, match="this key is no reader's"):
        run(scores)


def test_what_was_erased_or_has_expired_is_passed_over(
    scores: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(ContentStore(Path("content.db"), b"m" * 32)) as store:
        store.reap(time.time() + 2 * 86_400)
    typed("", monkeypatch)
    assert run(scores) == 0
    assert "is passed over: it is not in the content store, or has expired" in capsys.readouterr().err


def test_without_a_content_store_it_says_so(scores: Path) -> None:
    config = Path("freehold.yaml")
    config.write_text(config.read_text(encoding="utf-8").split("content:")[0], encoding="utf-8")
    with pytest.raises(BadSettings, match="pairs are reviewed only from the content store"):
        run(scores)
    with pytest.raises(BadSettings, match="leave --keep-days out"):
        grade(["suite.yaml", "--pairs", "p.jsonl", "--keep-days", "1"], exit_on_error=False, result_action="return_value")


def test_the_report_warns_of_graders_that_people_do_not_agree_with(
    scores: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("a\nb\n" * PAIRS, monkeypatch)
    run(scores, "--size", "40")
    capsys.readouterr()
    assert run("report", scores, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["pairs"], told["graded_win_rate"], told["reviewed"]) == (40, 0.875, told["chosen"])
    assert told["kappas"][0]["kappa"] < 0.6
    rate = told["win_rate"]
    assert rate["low"] < rate["mean"] < rate["high"]
    assert run("report", scores) == 1
    assert "Under 0.6 one is no stand-in" in capsys.readouterr().out
    scores.write_text(scores.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(BadSettings, match="a review of other scores"):
        run("report", scores)


def test_scores_without_reviews_are_told(scores: Path) -> None:
    with pytest.raises(BadSettings, match="'freehold review' makes it"):
        run("report", scores)
