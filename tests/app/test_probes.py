"""What targets were found to honour: kept whole or not at all, and counted only for the target it was found at."""

from datetime import date
from pathlib import Path

import pytest

from freehold.app import config_file
from freehold.app.dead_rules import dead_rules
from freehold.app.policy import build_policy
from freehold.app.probes import FILE_NAME, Finding, Probed, read_probes, write_probes
from freehold.core.errors import BadSettings

CONFIG = f"""\
version: 1
keys: [{{name: app, sha256: {"a" * 64}}}]
targets:
  box: {{engine: vllm, url: "http://127.0.0.1:9", model: m, clearance: public}}
  lab: {{engine: vllm, url: "http://127.0.0.1:8", model: m, clearance: public, lab: true}}
workloads:
  w: {{targets: [box, lab]}}
"""
BOX = Probed(
    server="vllm", url="http://127.0.0.1:9", model="m", at="2026-11-21T10:00:00+00:00", version="0.32",
    findings={
        "json_schema": Finding("ignored", "200, and no"), "logprobs": Finding("honoured", "they came"),
        "vision": Finding("refused", "400"), "tools": Finding("unclear", "503"),
    },
)  # fmt: skip
TODAY = date(2026, 11, 21)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "freehold.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def test_findings_go_before_the_table_and_the_file_before_findings(config: Path) -> None:
    before = build_policy(config_file.load(config), TODAY)
    assert before.targets["box"].capabilities == {"json_schema": True}
    assert before.targets["lab"].capabilities["json_schema"] is False, "a stand-in is what it is, whatever it stands in for"
    write_probes(config, {"box": BOX})
    after = build_policy(config_file.load(config), TODAY)
    assert after.targets["box"].capabilities == {"json_schema": False, "logprobs": True, "vision": False}
    assert after.version != before.version, "an entry must tell under which findings it was decided"
    config.write_text(CONFIG.replace("clearance: public}", "clearance: public, capabilities: {json_schema: true}}", 1))
    file = config_file.load(config)
    stated = build_policy(file, TODAY)
    assert stated.targets["box"].capabilities["json_schema"] is True
    (warning,) = dead_rules(file, stated).unused
    assert warning.endswith("targets.box.capabilities: json_schema is stated against the probe of 2026-11-21: ignored")


@pytest.mark.parametrize(
    "change", [("model: m,", "model: n,"), ("127.0.0.1:9", "127.0.0.1:7"), ("engine: vllm", "engine: llamacpp")]
)
def test_findings_of_another_target_do_not_count(change: tuple[str, str], config: Path) -> None:
    write_probes(config, {"box": BOX, "gone": BOX})
    config.write_text(CONFIG.replace(*change, 1))
    file = config_file.load(config)
    policy = build_policy(file, TODAY)
    assert "vision" not in policy.targets["box"].capabilities
    unused = dead_rules(file, policy).unused
    assert [line.rpartition(": ")[2] for line in unused] == [
        "the probe of box on 2026-11-21 was of another target; ask again with check --probe",
        "the probe of gone on 2026-11-21 was of another target; ask again with check --probe",
    ]


def test_what_is_written_is_read(config: Path) -> None:
    assert read_probes(config).targets == {}
    path = write_probes(config, {"box": BOX})
    assert path.name == FILE_NAME
    record = read_probes(config)
    assert record.targets == {"box": BOX}
    assert [file.name for file in config.parent.iterdir() if file.name.startswith(".")] == [], "nothing half-written is left"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"version":2,"targets":{}}', b'{"version":1,"targets":{"box":{}}}'])
def test_a_file_that_is_none_is_refused(body: bytes, config: Path) -> None:
    (config.parent / FILE_NAME).write_bytes(body)
    with pytest.raises(BadSettings, match=r"freehold\.probes\.json: .*; remove it, or have it written anew"):
        build_policy(config_file.load(config), TODAY)


def test_a_place_that_cannot_be_written_is_one_line(config: Path) -> None:
    with pytest.raises(BadSettings, match="cannot write"):
        write_probes(config.parent / "nowhere" / "freehold.yaml", {"box": BOX})
    (config.parent / FILE_NAME).mkdir()
    with pytest.raises(BadSettings, match="cannot read"):
        read_probes(config)
