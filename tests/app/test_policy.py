"""A policy's version names the file and the facts that were taken for it: with other facts it is another version."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import msgspec
import pytest
from ledger_entries import entry

from freehold.app import config_file, policy
from freehold.app.policy import build_policy
from freehold.app.probes import Finding, Probed, write_probes
from freehold.app.residency.document import Asked
from freehold.app.residency.report import residency
from freehold.core.capability import Capability
from freehold.core.entry import Attempt
from freehold.core.policy_facts import Demanded
from freehold.serve.gateway.policy import Policy
from freehold.serve.gateway.policy_record import facts_digest, put_on_record
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.policies import PolicyRecord

TODAY = date(2026, 11, 21)
TEXT = f"""\
version: 1
keys: [{{name: app, sha256: {"a" * 64}}}]
targets:
  box: {{engine: vllm, url: "http://127.0.0.1:9", model: m, clearance: restricted}}
  api: {{provider: openai_compatible, url: "https://api.example.org/v1", model: m-1, clearance: internal, operator: acme,
        price: {{input: 1, output: 2}}, key: "env:FREEHOLD_TEST_KEY"}}
workloads:
  w: {{targets: [box, api]}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> config_file.ConfigFile:
    monkeypatch.setenv("FREEHOLD_TEST_KEY", "sk-one")
    path = tmp_path / "freehold.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return config_file.load(path)


def pinned_by_table(made: Policy) -> Policy:
    """The same file under a Freehold whose table of models has come to know this one as a version that never changes."""
    targets = dict(made.targets)
    targets["api"] = msgspec.structs.replace(targets["api"], pinned=True)
    version = f"{made.version.partition('-')[0]}-{facts_digest(targets.values())}"
    return msgspec.structs.replace(made, targets=targets, version=version)


def test_the_same_facts_are_the_same_version(file: config_file.ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    made = build_policy(file, TODAY)
    assert made.version == build_policy(file, date(2027, 1, 1)).version
    assert made.version.startswith(f"{file.version}-")
    monkeypatch.setenv("FREEHOLD_TEST_KEY", "sk-two")
    assert made.version == build_policy(file, TODAY).version, "a credential is no fact about a target, and stands in no digest"
    assert facts_digest(made.targets.values()) == facts_digest(reversed([*made.targets.values()]))


def test_other_facts_are_another_version(file: config_file.ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build_policy(file, TODAY)
    table: Mapping[str, Mapping[str, bool]] = {"vllm": {"tools": False}}
    with monkeypatch.context() as upgraded:
        upgraded.setattr(policy, "load_capabilities", lambda: table)
        with_table = build_policy(file, TODAY)
    with monkeypatch.context() as upgraded:
        upgraded.setattr(policy, "is_pinned", lambda model: model == "m-1")
        with_pin = build_policy(file, TODAY)
    findings: dict[Capability, Finding] = {"tools": Finding("ignored", "")}
    asked = Probed(server="vllm", url="http://127.0.0.1:9", model="m", at="2026-11-21", version=None, findings=findings)
    write_probes(file.path, {"box": asked})
    assert len({before.version, with_table.version, with_pin.version, build_policy(file, TODAY).version}) == 4
    assert with_pin.version == pinned_by_table(before).version


def test_both_stand_in_one_ledger_and_each_entry_is_judged_by_its_own(file: config_file.ConfigFile, tmp_path: Path) -> None:
    """What used to be refused at the start: the facts of a file are others after an upgrade."""
    path = tmp_path / "ledger.db"
    old = build_policy(file, TODAY)
    new = pinned_by_table(old)
    store = open_store(path)
    for n, made in enumerate((old, new)):
        put_on_record(made, PolicyRecord(path), 100.0 * n)
        attempt = Attempt(target="api", model="m-1", kind="rented", reason="choice 1", started_s=0.0, outcome="finished")
        store.write([
            entry(f"fh-{n}", policy=made.version, data_class="internal", received_at=100.0 * n + 10, lab=False,
                  demanded=Demanded(pinned=True), regions=None, attempts=[attempt]),
        ])  # fmt: skip
    store.close()
    found = residency(path, Asked(since=None, until=1000.0), 1000.0)
    assert {p.version for p in found.policies} == {old.version, new.version}
    assert [(v.policy, v.rule, v.evidence) for v in found.violations] == [(old.version, "pinned", ("fh-0",))]
