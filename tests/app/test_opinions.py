"""What the configuration may say about second opinions, and what is refused by name: above all one that is not owned."""

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import pytest

from freehold.app import config_file
from freehold.app.cli import main
from freehold.app.policy import build_policy
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.rules.sensitivity.opinion import Mandate

CONFIG = f"""\
version: 1
keys:
  - {{name: app, sha256: {"a" * 64}}}
targets:
  house: {{engine: vllm, url: "http://127.0.0.1:8000", model: m, clearance: restricted, regions: [eu], lab: true}}
  weak: {{engine: vllm, url: "http://127.0.0.1:8000", model: m, clearance: internal, lab: true}}
  far: {{engine: vllm, url: "http://box:8000", model: m, clearance: restricted, labels: [], lab: true}}
  api:
    {{provider: lab, url: "http://127.0.0.1:8001", model: m, clearance: restricted, regions: [us],
    price: {{input: 1, output: 1, source: t}}}}
workloads:
  w: {{targets: [house, weak, api], labels: [pii]%s}}
sensitivity:
  %s
"""


def mandates(folder: Path, sensitivity: str, workload: str = "") -> list[Mandate]:
    path = folder / "freehold.yaml"
    path.write_text(CONFIG % (workload, sensitivity), encoding="utf-8")
    inspector = build_policy(config_file.load(path), datetime.now(UTC).date()).inspector
    assert inspector is not None
    return [opinion.mandate for opinion in inspector.opinions]


def test_a_classifier_is_an_owned_target_and_closed_unless_it_says_otherwise(tmp_path: Path) -> None:
    (mandate,) = mandates(tmp_path, "opinions: {judge: {by: classifier, target: house}}")
    assert (mandate.name, mandate.on_failure, mandate.deadline_s) == ("judge", "raise", 5.0)
    assert mandate.labels == {
        "pii": DataClass.confidential, "phi": DataClass.restricted, "pci": DataClass.restricted, "secret": DataClass.restricted,
    }  # fmt: skip
    assert mandate.seen_by is not None
    assert (mandate.seen_by.name, mandate.seen_by.kind) == ("house", "owned")


def test_what_it_may_say_and_how_long_it_takes_are_settings(tmp_path: Path) -> None:
    stated = "labels: {phi: confidential}, on_failure: block, deadline_s: 2, longest: 900, part: 400"
    (mandate,) = mandates(tmp_path, f"opinions: {{j: {{by: classifier, target: house, {stated}}}}}", ", regions: [eu]")
    assert mandate.labels == {"phi": DataClass.confidential}
    assert (mandate.on_failure, mandate.deadline_s, mandate.longest) == ("block", 2.0, 900)


@pytest.mark.parametrize(
    ("opinion", "words"),
    [
        ("{by: classifier, target: api}", "j.target: api is rented, and a text to be judged must not leave the house"),
        ("{by: classifier, target: nope}", "j.target: unknown target 'nope'; there are house, weak, far, api"),
        ("{by: classifier, target: weak}", "weak is cleared for internal, and a text to be judged may hold restricted data"),
        ("{by: classifier, target: far}", "plain http to box, and every text goes there; use https or loopback"),
        ("{by: classifier}", "target is missing: which owned target is to be asked?"),
        ("{by: classifier, target: house, model: x}", "model is for by: presidio, and this is by: classifier"),
        ("{by: presidio, target: house}", "target is for by: classifier, and this is by: presidio"),
        ("{by: presidio, labels: {secret: restricted}}", "Presidio knows no secrets"),
        ("{by: classifier, target: house, labels: {pie: restricted}}", "labels.pie"),
        ("{by: classifier, target: house, labels: {pii: high}}", "unknown data class 'high'"),
        ("{by: classifier, target: house, on_failure: pass}", "on_failure: Input should be 'block', 'raise' or 'ignore'"),
        ("{by: classifier, target: house, deadline_s: 0}", "deadline_s: Input should be greater than 0"),
        ("{by: presidio, python: no/such/python}", "j.python: no/such/python is no program"),
        ("{by: oracle}", "by: Input should be 'classifier' or 'presidio'"),
    ],
)  # fmt: skip
def test_bad_ones_are_refused_in_one_line(tmp_path: Path, opinion: str, words: str) -> None:
    with pytest.raises(BadSettings) as refusal:
        mandates(tmp_path, f"opinions: {{j: {opinion}}}")
    assert words in refusal.value.message
    assert refusal.value.message.count("\n") == 0
    assert ":14: sensitivity.opinions.j" in refusal.value.message


def test_a_region_that_it_does_not_run_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadSettings, match="workload 'w' wants its data in us, and house runs in eu; name a target that runs there"
    ):
        mandates(tmp_path, "opinions: {j: {by: classifier, target: house}}", ", regions: [us]")


def test_where_nothing_is_scanned_nobody_is_asked(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"sensitivity.opinions: nothing is scanned, so this would do nothing"):
        mandates(tmp_path, "{scan: false, opinions: {j: {by: classifier, target: house}}}")


@pytest.mark.skipif(importlib.util.find_spec("presidio_analyzer") is not None, reason="it is here")
def test_presidio_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"opinions.j: Presidio is not there: install freehold\[presidio\]"):
        mandates(tmp_path, "opinions: {j: {by: presidio}}")


def test_check_refuses_one_that_is_not_owned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "freehold.yaml"
    path.write_text(CONFIG % ("", "opinions: {j: {by: classifier, target: api}}"), encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        main(["check", "-c", str(path)])
    assert "api is rented" in capsys.readouterr().err
