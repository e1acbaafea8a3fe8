"""The settings of a target's health and limits, as the board reads them."""

from pathlib import Path

import pytest

from freehold.app import config_file
from freehold.app.health import configured_health
from freehold.core.errors import BadSettings
from freehold.rules.breaker import Breaking
from freehold.rules.health import Care
from freehold.rules.quota import Rates
from freehold.rules.ramp import Ramp

CONFIG = """\
version: 1
keys: [{name: app, sha256: "%s"}]
targets:
  api: {provider: openai_compatible, url: "https://api.example", model: m, clearance: internal%s}
  box: {engine: vllm, url: "http://127.0.0.1:9", model: m, clearance: restricted%s}
workloads:
  w: {targets: [box, api]}
"""


def cares(tmp_path: Path, api: str = "", box: str = "") -> dict[str, Care]:
    path = tmp_path / "freehold.yaml"
    path.write_text(CONFIG % ("a" * 64, api, box), encoding="utf-8")
    return dict(configured_health(config_file.load(path)))


def test_without_a_word_they_are_looked_after_as_usual(tmp_path: Path) -> None:
    assert cares(tmp_path) == {"api": Care(), "box": Care()}


def test_every_word_reaches_the_rules(tmp_path: Path) -> None:
    stated = cares(
        tmp_path,
        ", limits: {requests_per_minute: 500, tokens_per_minute: 30000}"
        ", health: {failures: 2, open_s: 1, longest_open_s: 9, ramp_s: 0, ramp_from: 0.5, paid_probes: true}",
    )
    assert stated["api"] == Care(
        breaking=Breaking(2, 1, 9), ramp=Ramp(0.5, 0), rates=Rates(500, 30_000), paid_probes=True
    )  # fmt: skip


@pytest.mark.parametrize(
    ("api", "box", "words"),
    [
        (", limits: {requests_per_minute: 0}", "", "requests_per_minute"),
        (", limits: {rpm: 5}", "", "rpm"),
        (", health: {failures: 0}", "", "failures"),
        (", health: {open_s: 90}", "", "longest_open_s is 60; give at least open_s, which is 90"),
        (", health: {ramp_from: 0}", "", "ramp_from"),
        ("", ", health: {paid_probes: true}", "an engine of your own is checked for free"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(tmp_path: Path, api: str, box: str, words: str) -> None:
    with pytest.raises(BadSettings) as refused:
        cares(tmp_path, api, box)
    assert words in refused.value.message
    assert "\n" not in refused.value.message
