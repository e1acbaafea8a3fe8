"""Rules of a valid file that can never work are refused by name; what merely nobody uses is warned of."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from freehold.app import config_file
from freehold.app.dead_rules import dead_rules
from freehold.app.policy import build_policy
from freehold.core.data import Demands, LabelRule
from freehold.core.errors import BadSettings

GOOD = f"""\
version: 1
listen: 127.0.0.1:8400
store: sqlite:///ledger.db
admin: {{listen: "127.0.0.1:8401"}}
labels:
  phi: {{needs: [owned], data: confidential}}
  research: {{needs: [listed]}}
keys:
  - name: app
    sha256: {"a" * 64}
    workloads: [triage]
    data: internal
  - {{name: other, sha256: {"b" * 64}}}
targets:
  api:
    provider: openai_compatible
    operator: Acme
    url: https://api.example.org/v1
    model: m-2026-01-31
    clearance: confidential
    price: {{input: 1, output: 2}}
  box:
    engine: vllm
    url: http://127.0.0.1:9
    model: org/model
    clearance: restricted
    labels: [PHI, research]
    capabilities: {{tools: false}}
    context_tokens: 4096
workloads:
  triage:
    targets: [box, api]
    data: internal
    spill: true
    demands: {{providers: {{allow: [acme, openai]}}}}
bounds: {{total_s: 120}}
"""

# what stands in the good file, what stands there instead, what the line says after the file's name
DEAD: dict[str, tuple[str, str, str]] = {
    "same port": ("127.0.0.1:8401", "127.0.0.1:8400", ":4: admin.listen: port 8400 is the data port too"),
    "same port everywhere": ("listen: 127.0.0.1:8400", "listen: 0.0.0.0:8401", ":4: admin.listen: port 8401 is the data port"),
    "a folder": ("sqlite:///ledger.db", "sqlite:///.", ":3: store: {folder} is a folder; name a file in it"),
    "no folder for content": (
        "bounds:", "content: {path: nowhere/it.db, key: 'env:X'}\nbounds:", ":36: content.path: the folder {folder}/nowhere is",
    ),
    "no folder": ("sqlite:///ledger.db", "sqlite:///nowhere/ledger.db", ":3: store: the folder "),
    "shadowed": ("    data: internal\n    spill: true", "    data: restricted", ":32: workloads.triage.targets: api may"),
    "shadowed by a label": ("    spill: true", "    labels: [phi]", ":32: workloads.triage.targets: api may never serve it ("),
    "shadowed by a demand": ("{providers: {allow: [acme, openai]}}", "{pinned: true}", ":32: workloads.triage.targets: box may"),
    "nothing to spill to": ("[box, api]", "[box]", ":34: workloads.triage.spill: no rented target may serve it"),
    "nothing to spill from": ("[box, api]", "[api]", ":34: workloads.triage.spill: it has no owned target"),
    "key shut out": (
        "    data: internal\n  - {", "    regions: [eu]\n  - {",
        ":9: keys.0: no target may serve what it sends: triage: box (runs in an undeclared region, allowed is eu), api (",
    ),
}  # fmt: skip
UNUSED: dict[str, tuple[str, str, str]] = {
    "target": ("workloads:\n", "  spare: {engine: vllm, url: \"http://127.0.0.1:8\", model: m, clearance: public}\nworkloads:\n",
               ":30: targets.spare: no workload uses it"),
    "label": ("labels: [PHI, research]", "labels: [PHI]", ":7: labels.research: no target may hold data with this label"),
}  # fmt: skip
MISTAKES: dict[str, tuple[str, str, str]] = {
    "unknown label": ("labels: [PHI, research]", "labels: [phy]", ":27: targets.box.labels: unknown label 'phy'; known: pci"),
    "unknown provider": ("[acme, openai]", "[acme, opnai]", ":35: workloads.triage.demands.providers.allow: unknown provider"),
    "unknown need": ("needs: [listed]", "needs: [nice]", ":7: labels.research.needs.0: Input should be 'owned', 'baa' or"),
    "unknown capability": ("tools: false", "tool: false", ":28: targets.box.capabilities.tool"),
    "credentials in a URL": ("http://127.0.0.1:9", "http://me:pw@127.0.0.1:9", ":24: targets.box.url: put no credentials into"),
    "a query": ("http://127.0.0.1:9", "http://127.0.0.1:9/v1?key=x", ":24: targets.box.url: the API's paths are put behind"),
    "a fragment": ("http://127.0.0.1:9", "http://127.0.0.1:9/#x", ":24: targets.box.url: the API's paths are put behind"),
    "no port": ("http://127.0.0.1:9", "http://127.0.0.1:99999", ":24: targets.box.url: use a URL such as"),
    "port 0": ("http://127.0.0.1:9", "http://box:0", ":24: targets.box.url: 'box:0' can be no machine's address; use a URL"),
    "no address": ("http://127.0.0.1:9", "http://999.1.1.1", ":24: targets.box.url: '999.1.1.1' can be no machine's address"),
    "no host": ("http://127.0.0.1:9", "http:///v1", ":24: targets.box.url: use a URL such as"),
    "an odd host": ("http://127.0.0.1:9", "http://a..b", ":24: targets.box.url: 'a..b' can be no machine's address; use a URL"),
    "a space": ("http://127.0.0.1:9", "http://a b", ":24: targets.box.url: use a URL such as"),
    "another scheme": ("http://127.0.0.1:9", "ftp://box", ":24: targets.box.url: use a URL such as"),
    "a label of odd signs": ("[PHI, research]", "[9phi]", ":27: targets.box.labels.0: a label is a letter, and after it"),
    "a word for a hash": ("b" * 64, "fh_x", ":13: keys.1.sha256: use the SHA-256 of the key, 64 signs"),
    "unknown GPU": (
        "context_tokens: 4096", "cost: {gpu: X9}", ":29: targets.box.cost.gpu: unknown GPU 'X9'; known: A10, ",
    ),
    "unknown seller": (
        "context_tokens: 4096", "cost: {gpu: L40S, provider: me}", ":29: targets.box.cost.provider: unknown GPU provider 'me'; ",
    ),
    "negative": ("total_s: 120", "attempts: -1", ":36: bounds.attempts: Input should be greater than or equal to 1, and it is"),
    "for ever": ("total_s: 120", "total_s: 1.0e+300", ":36: bounds.total_s: Input should be less than or equal to 86400"),
    "a price beyond money": ("{input: 1,", "{input: 1.0e+300,", ": targets.api.price.input: Input should be less than or eq"),
    "two keys of a name": ("name: other", "name: app", ":13: keys.1.name: another key above is called 'app'"),
    "endless": ("total_s: 120", "total_s: .inf", ":36: bounds.total_s: Input should be a finite"),
    "no time": ("total_s: 120", "idle_s: 0", ":36: bounds.idle_s: Input should be greater than 0"),
    "no number": ("total_s: 120", "idle_s: .nan", ":36: bounds.idle_s: Input should be"),
}  # fmt: skip


def load(text: str, folder: Path) -> config_file.ConfigFile:
    path = folder / "freehold.yaml"
    path.write_text(text, encoding="utf-8")
    return config_file.load(path)


def changed(change: tuple[str, str, str]) -> str:
    old, new, _ = change
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def test_the_good_file_says_what_it_says(tmp_path: Path) -> None:
    file = load(GOOD, tmp_path)
    policy = build_policy(file, datetime.now(UTC).date())
    found = dead_rules(file, policy)
    assert (found.dead, found.unused) == ((), ())
    found.refuse()
    api, box = policy.targets["api"], policy.targets["box"]
    assert (api.provider, api.pinned, api.labels, api.context_tokens) == ("acme", True, None, None)
    assert (box.provider, box.pinned, box.context_tokens) == (None, False, 4096)
    assert box.labels == frozenset({"phi", "research"})
    assert box.capabilities == {"json_schema": True, "tools": False}, "the table of known servers, and the file's own word"
    assert policy.workloads["triage"].handling.demands == Demands(providers=frozenset({"acme", "openai"}))
    assert policy.labels["phi"].data_class.name == "confidential"
    assert policy.labels["pii"] == LabelRule()


@pytest.mark.parametrize("case", DEAD)
def test_dead(case: str, tmp_path: Path) -> None:
    file = load(changed(DEAD[case]), tmp_path)
    found = dead_rules(file, build_policy(file, datetime.now(UTC).date()))
    with pytest.raises(BadSettings) as refused:
        found.refuse()
    assert refused.value.message.startswith(f"{tmp_path / 'freehold.yaml'}{DEAD[case][2].replace('{folder}', str(tmp_path))}")
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("case", UNUSED)
def test_unused(case: str, tmp_path: Path) -> None:
    file = load(changed(UNUSED[case]), tmp_path)
    found = dead_rules(file, build_policy(file, datetime.now(UTC).date()))
    assert found.dead == ()
    (line,) = found.unused
    assert line.startswith(f"{tmp_path / 'freehold.yaml'}{UNUSED[case][2]}")


def test_a_workload_that_no_key_may_use(tmp_path: Path) -> None:
    idle = "  idle: {targets: [box]}\n"
    with_idle = GOOD.replace("bounds:", f"{idle}bounds:")
    everyone = load(with_idle, tmp_path)
    assert dead_rules(everyone, build_policy(everyone, datetime.now(UTC).date())).unused == ()
    file = load(with_idle.replace(f"  - {{name: other, sha256: {'b' * 64}}}\n", ""), tmp_path)
    (line,) = dead_rules(file, build_policy(file, datetime.now(UTC).date())).unused
    assert line.endswith("workloads.idle: no key of this file may use it")


def test_several_dead_rules_are_counted(tmp_path: Path) -> None:
    file = load(changed(DEAD["same port"]).replace("ledger.db", "nowhere/ledger.db"), tmp_path)
    with pytest.raises(BadSettings, match=r"\(and 1 more\)$"):
        dead_rules(file, build_policy(file, datetime.now(UTC).date())).refuse()


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_refused_with_their_line(case: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as refused:
        build_policy(load(changed(MISTAKES[case]), tmp_path), datetime.now(UTC).date())
    assert MISTAKES[case][2] in refused.value.message


BUDGET = "budgets: [{name: b, scope: %s, usd: 5}]\nbounds:"


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("key", True), ("team, match: red", True), ("user, mode: warn", False),
        ("workload", True), ("workload, match: triage", True), ("workload, match: idle", False),
    ],
)  # fmt: skip
def test_a_target_whose_bill_nothing_bounds_behind_a_hard_budget(scope: str, told: bool, tmp_path: Path) -> None:
    text = GOOD.replace("bounds:", f"  idle: {{targets: [box]}}\n{BUDGET % scope}")
    file = load(text, tmp_path)
    lines = dead_rules(file, build_policy(file, datetime.now(UTC).date())).unbounded
    assert len(lines) == told
    for line in lines:
        assert line.startswith(
            f"{tmp_path / 'freehold.yaml'}:15: targets.api: in workload triage behind the hard budget 'b', and "
        )
        assert "nothing bounds its answers: requests without max_completion_tokens may be refused; give max_output_tokens" in line


def test_what_bounds_a_bill(tmp_path: Path) -> None:
    for bound, words in (
        ("context_tokens: 9000", ""),
        ("max_output_tokens: 90", "with images or sound may be refused; give con"),
    ):
        file = load(GOOD.replace("bounds:", BUDGET % "key").replace("    price:", f"    {bound}\n    price:"), tmp_path)
        lines = dead_rules(file, build_policy(file, datetime.now(UTC).date())).unbounded
        assert [words in line for line in lines] == ([True] if words else [])
