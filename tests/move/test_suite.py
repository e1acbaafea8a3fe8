"""Suites from files, mistakes with their lines, and what a suite makes of a pair."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from freehold.core.conversation import Text
from freehold.core.errors import BadSettings
from freehold.core.said import Choice, Whole
from freehold.move.evaluate.judge import Opinion
from freehold.move.evaluate.kinds import KINDS
from freehold.move.evaluate.sample import Reply, Sample, Score
from freehold.move.evaluate.suite import Suite
from freehold.move.evaluate.suite_file import read_suite
from freehold.move.migration.pair import Harm
from freehold.wire.openai_chat.request import read

SUITE = """\
version: 1
workload: triage
samples: known.jsonl
graders:
  - {name: label, kind: json, fields: {label: 1}, weight: 3}
  - name: short
    kind: length
    at_most: 40
  - {name: format, kind: schema, schema: {type: object}, guardrail: true}
"""
JUDGE = """\
judge:
  target: judge
  model: claude-sonnet-4-5
  arms: {owned: qwen2.5-7b, rented: gpt-4o}
  rubric: Be right.
  weight: 4
"""
REQUEST = {"model": "triage", "messages": [{"role": "user", "content": "It broke"}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    line = {"request": REQUEST, "reference": '{"label": "bug"}'}
    (tmp_path / "known.jsonl").write_text(json.dumps(line) + "\n\n", encoding="utf-8")
    return tmp_path


def suite(folder: Path, text: str = SUITE) -> Suite:
    (folder / "suite.yaml").write_text(text, encoding="utf-8")
    return read_suite(folder / "suite.yaml")


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def test_scores_are_weighted_and_guardrails_apart(folder: Path) -> None:
    read_ = suite(folder)
    sample = read_.known(raw(REQUEST), None, None)
    marks = read_.marks(sample, Reply('{"label": "bug"}'), Reply("x" * 50))
    assert read_.totals(marks, None) == (1.0, 0.0)
    assert read_.totals(read_.marks(sample, Reply('{"label": "bug"}' + " " * 50), Reply('{"label": "ui"}')), None) == (0.75, 0.25)
    assert read_.harms(marks) == {"format": Harm(0.0, 1.0)}
    none = read_.marks(sample, None, None)
    assert read_.totals(none, None) == (0.0, 0.0)
    assert none["label"].owned.evidence == "no answer"


def test_a_judge_counts_by_its_weight(folder: Path) -> None:
    read_ = suite(folder, SUITE + JUDGE)
    marks = read_.marks(read_.known(raw(REQUEST), None, None), Reply('{"label": "bug"}'), Reply('{"label": "bug"}'))
    assert read_.totals(marks, Opinion(Score(0.0, ""), Score(1.0, ""))) == (0.5, 1.0)


def test_what_counts_as_right(folder: Path) -> None:
    read_ = suite(folder)
    spaced = msgspec.Raw(json.dumps(dict(reversed(REQUEST.items())), indent=1).encode())
    assert read_.known(spaced, None, Reply("i")).reference == Reply('{"label": "bug"}')
    assert read_.known(spaced, Reply("stated"), Reply("i")).reference == Reply("stated")
    assert read_.known(raw({}), None, Reply("i")).reference is None
    with pytest.raises(ValueError, match="grader 'label' needs a reference"):
        read_.marks(Sample(request=raw({})), Reply(""), Reply(""))
    incumbent = suite(folder, SUITE + "reference: incumbent\n")
    assert incumbent.known(spaced, Reply("stated"), Reply("i")).reference == Reply("i")


def test_the_digest_names_what_decides_and_nothing_else(folder: Path) -> None:
    plain = suite(folder).digest
    assert suite(folder, "# a word\n" + SUITE.replace("at_most: 40", "at_most:   40")).digest == plain
    assert suite(folder, SUITE.replace("40", "41")).digest != plain
    assert suite(folder, SUITE + JUDGE).digest not in (plain, suite(folder, SUITE + JUDGE.replace("right", "brief")).digest)
    (folder / "known.jsonl").write_text(json.dumps({"request": {}, "reference": "x"}), encoding="utf-8")
    assert suite(folder).digest != plain


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 1", "version: 2", "suite.yaml:1: version: is not 1"),
        ("workload: triage", "", "suite.yaml:1: workload: is missing"),
        ("workload: triage", "workload: 3", "suite.yaml:2: workload: Expected `str`"),
        ("workload:", "workloads:", "2: workloads: unknown"),
        ("kind: json", "kind: jsn", "suite.yaml:5: graders[0].kind: no kind 'jsn'; known are answered"),
        ("at_most: 40", "at_most: many", "suite.yaml:8: graders[1].at_most: Expected `int | null`, got `str`"),
        ("at_most: 40", "atmost: 40", "suite.yaml:8: graders[1].atmost: unknown field"),
        ("at_most: 40", "at_least: 0", "suite.yaml:6: graders[1]: at_least and at_most are missing"),
        ("weight: 3", "weight: -3", "suite.yaml:5: graders[0].weight: is -3; give a weight above 0"),
        ("weight: 3", "weight: .nan", "graders[0].weight: is nan"),
        ("name: short", "name: label", "6: graders[1].name: 'label' is taken"),
        ("name: short", "name: judge", "'judge' is taken"),
        ("{type: object}", "{tpe: object}", "9: graders[2]: schema.tpe: this keyword"),
        ("known.jsonl", "none.jsonl", "suite.yaml:3: samples: cannot read"),
        ("version: 1", "version: 1\nversion: 1", "2: 'version' stands"),
        ("workload: triage", "workload: [", "not YAML"), (SUITE, "[]", "expected a mapping"),
        ("samples: known.jsonl", "reference: best", "suite.yaml:3: reference: Invalid enum value 'best'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(folder: Path, old: str, new: str, said: str) -> None:
    assert old in SUITE
    with pytest.raises(BadSettings) as refused:
        suite(folder, SUITE.replace(old, new, 1))
    assert said in refused.value.message
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("claude-sonnet-4-5", "gpt-5", "suite.yaml:10: judge: the judge 'gpt-5' is of the family openai"),
        ("weight: 4", "wait: 4", "suite.yaml:15: judge.wait: unknown field"),
        ("owned: qwen2.5-7b, ", "", "suite.yaml:13: judge.arms: Object missing required field `owned`"),
    ],
)
def test_a_mistake_about_the_judge_is_told_with_its_line(folder: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(BadSettings) as refused:
        suite(folder, SUITE + JUDGE.replace(old, new))
    assert said in refused.value.message


def test_guardrails_alone_are_no_suite(folder: Path) -> None:
    text = SUITE.replace("weight: 3", "guardrail: true").replace("at_most: 40", "at_most: 40\n    guardrail: true")
    with pytest.raises(BadSettings, match="nothing gives a score"):
        suite(folder, text)


@pytest.mark.parametrize("line", ['{"request": {}}', '{"request": {}, "reference": 1}', '{"request": {}, "reference": "a"', "[]"])
def test_a_sample_that_is_none_is_told_with_its_line(folder: Path, line: str) -> None:
    with (folder / "known.jsonl").open("a", encoding="utf-8") as file:
        file.write(line)
    with pytest.raises(BadSettings, match=r"known\.jsonl:3: .*; use a line like"):
        suite(folder)


def test_a_sample_stated_twice_is_refused(folder: Path) -> None:
    with (folder / "known.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"reference": "other", "request": REQUEST}))
    with pytest.raises(BadSettings, match=r"known\.jsonl:3: this request stands here a second time"):
        suite(folder)


def whole(text: str) -> Whole:
    return Whole(id="", model="m", choices=(Choice(parts=(Text(text),), stop="end"),))


@pytest.mark.parametrize(
    ("text", "incumbent", "right"),
    [
        (SUITE, "no JSON", '{"label": "bug"}'),
        (SUITE.replace("samples: known.jsonl", "reference: incumbent"), "no JSON", "no JSON"),
    ],
)
def test_what_counts_as_right_for_a_live_request(folder: Path, text: str, incumbent: str, right: str) -> None:
    """A sample says only what matters: what else a caller sends is not looked at."""
    live = read(msgspec.json.encode(REQUEST | {"temperature": 0.5, "user": "ann"}))
    sample = suite(folder, text).sample(live, Reply(incumbent))
    assert sample.reference is not None
    assert sample.reference.text == right


def test_another_request_has_no_expected_answer(folder: Path) -> None:
    other = read(msgspec.json.encode({"model": "w", "messages": [{"role": "user", "content": "something else"}]}))
    assert suite(folder).sample(other, Reply("x")).reference is None
    (folder / "known.jsonl").write_text('{"request": {}, "reference": "anything"}', encoding="utf-8")
    assert suite(folder).sample(other, Reply("x")).reference is None, "a sample that states nothing is not every request"


def test_of_two_samples_the_one_that_states_more_counts(folder: Path) -> None:
    lines = [{"request": {"model": "w"}, "reference": "any"}, {"request": {"model": "w", "n": 1}, "reference": "one"}]
    (folder / "known.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    read_ = suite(folder)
    for more, right in (({"n": 1}, "one"), ({"n": 2}, "any"), ({}, "any")):
        live = read(msgspec.json.encode({"model": "w", "messages": [{"role": "user", "content": "x"}]} | more))
        reference = read_.sample(live, Reply("x")).reference
        assert reference is not None
        assert reference.text == right


def test_the_suite_in_the_guide_is_one(folder: Path) -> None:
    guide = Path(__file__).parents[2] / "docs" / "guides" / "grading.md"
    blocks = re.findall(r"```yaml\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    read_ = suite(folder, "".join(blocks))
    assert [one.name for one in read_.graders] == ["label", "format"]
    assert read_.judge is not None
    listed = re.findall(r"^\| `(\w+)` \|", guide.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(KINDS) <= set(listed)
