"""What `freehold.yaml` may say: whatever is wrong is refused in one line, with the file, the line and the field."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from freehold.app import config_file
from freehold.app.policy import build_policy
from freehold.core.data import DataClass, Handling
from freehold.core.errors import BadSettings

KEY_VARIABLE = "FREEHOLD_TEST_KEY"
GOOD = f"""\
version: 1
listen: 127.0.0.1:8400
store: sqlite:///ledger.db
admin:
  listen: 127.0.0.1:8401
keys:
  - name: app
    sha256: {"a" * 64}
    workloads: [triage]
    data: internal
    regions: [EU, home]
targets:
  api:
    provider: openai
    model: gpt-4o-2024-11-20
    key: env:{KEY_VARIABLE}
    regions: [US]
    clearance: internal
  box:
    engine: vllm
    url: http://127.0.0.1:9
    model: org/model@abc
    clearance: Restricted
    cost: {{gpu: L40S}}
workloads:
  triage:
    targets: [box, api]
    data: confidential
    spill: true
bounds: {{total_s: 120}}
"""

# name -> (what stands in the good file, what stands there instead, what the line says after the file's name)
MISTAKES: dict[str, tuple[str, str, str]] = {
    "unknown field": ("    spill: true", "    spil: true", ":29: workloads.triage.spil: unknown field"),
    "unknown section": ("bounds:", "borders:", ":30: borders: unknown field"),
    "wrong type": ("targets: [box, api]", "targets: box", ":27: workloads.triage.targets: Input should be a valid list"),
    "wrong number": ("total_s: 120", "total_s: -1", ":30: bounds.total_s: Input should be greater than 0"),
    "wrong version": ("version: 1", "version: 2", ":1: version: Input should be 1"),
    "missing field": ("    clearance: internal\n", "", ":13: targets.api.clearance: is missing"),
    "misspelt section": ("\nworkloads:", "\nwork:", ":25: work: unknown field (and 1 more)"),
    "duplicate key": ("    spill: true", "    data: public", ":29: 'data' stands here a second time"),
    "not YAML": ("targets: [box, api]", "targets: [box, api", ":28: not YAML: "),
    "a tab": ("    spill: true", "\tspill: true", ":29: not YAML: found character '\\t'"),
    "two documents": ("\nworkloads:", "\n---\nworkloads:", ":25: not YAML: "),
    "unknown tag": ("spill: true", "spill: !!python/name:os.system x", ":29: not YAML: could not determine a constructor"),
    "a date that is none": ("model: gpt-4o-2024-11-20", "model: 2024-13-01", ": a value cannot be read: month must be in 1..12"),
    "a list as a name": ("  triage:", "  [triage]:", ":26: a field's name must be plain text"),
    "an alias in itself": ("targets: [box, api]", "targets: &t [box, *t]", ": nested too deeply"),
    "unknown data class": ("data: confidential", "data: secret", ":28: workloads.triage.data: unknown data class 'secret'; use"),
    "unknown provider": ("provider: openai", "provider: opnai", ":14: targets.api.provider: unknown provider 'opnai'; known: "),
    "unknown engine": ("engine: vllm", "engine: mlx", ":20: targets.box.engine: unknown engine 'mlx'; known: lla"),
    "rented and owned": ("engine: vllm", "engine: vllm\n    provider: lab", ":19: targets.box: give either provider: (rented)"),
    "no address": ("    url: http://127.0.0.1:9\n", "", ":19: targets.box: url is missing"),
    "address of no kind": ("http://127.0.0.1:9", "127.0.0.1:9", ":21: targets.box.url: "),
    "unknown target": ("[box, api]", "[box, ap]", ":27: workloads.triage.targets: unknown target 'ap'; there are api, box"),
    "target twice": ("[box, api]", "[box, box]", ":27: workloads.triage.targets: a target stands there twice"),
    "no cleared target": ("[box, api]", "[api]", ":26: workloads.triage: none of its targets may ever serve it (api"),
    "no target there": ("    spill: true", "    regions: [eu]", ":26: workloads.triage: none of its targets may ever serve it ("),
    "one name for two": ("  triage:", "  box:", ":26: workloads.box: a target has the same name"),
    "unknown workload": ("workloads: [triage]", "workloads: [triag]", ":9: keys.0.workloads: unknown workload 'triag'; there"),
    "no digest": ("a" * 64, "fh_secret", ":8: keys.0.sha256: "),
    "missing env key": (f"env:{KEY_VARIABLE}", "env:FREEHOLD_NOT_SET", ":16: targets.api.key: env:FREEHOLD_NOT_SET is not set"),
    "missing key file": (f"env:{KEY_VARIABLE}", "file:/no/such/key", ":16: targets.api.key: cannot read it: "),
    "key in the open": (f"env:{KEY_VARIABLE}", "sk-123", ":16: targets.api.key: "),
    "no key": (f"    key: env:{KEY_VARIABLE}\n", "", ":13: targets.api: key is missing; for example key: env:OPENAI_API_KEY"),
    "no price": ("gpt-4o-2024-11-20", "gpt-17", ":13: targets.api: no price: "),
    "half a price": ("    regions: [US]", "    price: {input: 1}", ":17: targets.api.price: give either like: provider/model"),
    "admin in the open": ("  listen: 127.0.0.1:8401", "  listen: 0.0.0.0:8401", ":5: admin.listen: the admin API and dashboard"),
    "no port": ("listen: 127.0.0.1:8400", "listen: 127.0.0.1", ":2: listen: use host:port, such as 127.0.0.1:8400"),
    "port too high": ("127.0.0.1:8400", "127.0.0.1:70000", ":2: listen: use host:port"),
    "another store": ("sqlite:///ledger.db", "mysql://x", ":3: store: "),
}  # fmt: skip


def policy_of(text: str, folder: Path) -> object:
    path = folder / "freehold.yaml"
    path.write_text(text, encoding="utf-8")
    return build_policy(config_file.load(path), datetime.now(UTC).date())


@pytest.fixture(autouse=True)
def key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "sk-test")
    monkeypatch.delenv("FREEHOLD_NOT_SET", raising=False)


def test_the_good_file_is_good(tmp_path: Path) -> None:
    path = tmp_path / "freehold.yaml"
    path.write_text(GOOD, encoding="utf-8")
    file = config_file.load(path)
    policy = build_policy(file, datetime.now(UTC).date())
    api, box = policy.targets["api"], policy.targets["box"]
    assert (api.kind, api.url, api.clearance) == ("rented", "https://api.openai.com/v1", DataClass.internal)
    assert api.secret is not None
    assert (api.secret.reveal(), repr(api.secret)) == ("sk-test", "Secret(***)")
    assert (box.kind, box.clearance, box.regions) == ("owned", DataClass.restricted, frozenset())
    assert policy.workloads["triage"].handling == Handling(DataClass.confidential, None)
    assert file.settings.keys[0].regions == ["eu", "home"]
    assert policy.bounds.total_s == 120
    assert policy.version.startswith(f"{file.version}-")
    assert file.version != config_file.ConfigFile(path, GOOD + "# other\n").version


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_says_where(mistake: str, tmp_path: Path) -> None:
    old, new, said = MISTAKES[mistake]
    assert GOOD.count(old) == 1
    with pytest.raises(BadSettings) as refused:
        policy_of(GOOD.replace(old, new), tmp_path)
    assert "\n" not in refused.value.message
    assert refused.value.message.startswith(f"{tmp_path / 'freehold.yaml'}{said}")


@pytest.mark.parametrize("text", ["", "just words", "- a\n- list", "null"])
def test_what_is_no_mapping(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="expected a mapping with version, keys, targets and workloads"):
        policy_of(text, tmp_path)


def test_several_mistakes_are_counted(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"\(and 2 more\)$"):
        policy_of(GOOD.replace("spill: true", "spil: true").replace("version: 1", "version: 3") + "colour: red\n", tmp_path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="no configuration at"):
        config_file.load(tmp_path / "none.yaml")
    with pytest.raises(BadSettings, match="cannot read"):
        config_file.load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("version: 1 # é\n".encode("latin-1"))
    with pytest.raises(BadSettings, match="cannot read"):
        config_file.load(tmp_path / "latin.yaml")


def test_anchors_may_be_used(tmp_path: Path) -> None:
    text = GOOD.replace("clearance: internal", "clearance: &c internal").replace("data: internal", "data: public")
    assert policy_of(text.replace("data: confidential", "data: *c"), tmp_path)
