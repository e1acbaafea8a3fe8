"""Switching a prompt variant: one value in the file changes, in place, or the file stays as it was."""

from pathlib import Path
from typing import Any

import pytest

from freehold.app import config_file
from freehold.app.prompts import configured_prompts
from freehold.app.release_switch import switch_prompt
from freehold.core.errors import BadSettings

TEXT = f"""\
version: 1   # of the format
keys: [{{name: app, sha256: {"a" * 64}}}]
targets:
  box: {{engine: vllm, url: "http://127.0.0.1:9", model: m, clearance: restricted}}
  api: {{provider: lab, url: "http://127.0.0.1:8", model: m-1, clearance: internal, price: {{input: 1, output: 2}}}}
workloads:
  triage:
    targets: [box, api]
    prompts:
      v1: {{system: "Be brief.", template: "Ticket: {{content}}", parameters: {{temperature: 0}}}}
      v2: {{system: "file:prompts/v2.txt"}}
      'on': {{template: "{{content}}?"}}
    prompt: v2          # since the test of November
  other:
    targets: [box]
"""
ONE = "    prompt: v2          # since"


def written(folder: Path, text: str) -> Path:
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / "v2.txt").write_bytes(b"Think, then answer.\r\nBriefly.\r\n")
    path = folder / "freehold.yaml"
    path.write_bytes(text.encode())
    return path


def test_a_variant_is_what_stands_in_the_file_and_in_the_files_it_names(tmp_path: Path) -> None:
    made = configured_prompts(config_file.load(written(tmp_path, TEXT)))
    assert made["other"] == {}
    assert set(made["triage"]) == {"box", "api"}
    v2 = made["triage"]["api"]
    assert (v2.name, v2.system, v2.template, v2.parameters) == ("v2", "Think, then answer.\nBriefly.", None, {})
    (tmp_path / "prompts" / "v2.txt").write_text("Other words.", encoding="utf-8")
    assert configured_prompts(config_file.load(tmp_path / "freehold.yaml"))["triage"]["api"].release != v2.release


def test_only_the_value_changes(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT)
    path.chmod(0o640)
    switched = switch_prompt(path, "triage", "v1")
    assert path.read_text(encoding="utf-8") == TEXT.replace(ONE, ONE.replace("v2 ", "v1 "))
    assert path.stat().st_mode & 0o777 == 0o640
    assert switched.changed
    assert (switched.before[:3], switched.after[:3], switched.targets) == ("v2@", "v1@", ("box", "api"))
    assert switch_prompt(path, "triage", "v2").changed
    assert path.read_text(encoding="utf-8") == TEXT
    assert not switch_prompt(path, "triage", "v2").changed
    assert sorted(one.name for one in tmp_path.iterdir()) == ["freehold.yaml", "prompts"]


@pytest.mark.parametrize(
    ("had", "has"),
    [
        ("prompt: 'v2'", "prompt: 'v1'"),
        ('prompt: "v2"   # é', 'prompt: "v1"   # é'),
        ("prompt:\n      v2", "prompt:\n      v1"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quotes_places_and_line_ends_stay(tmp_path: Path, had: str, has: str, end: str) -> None:
    lines = TEXT.replace("\n", end)
    path = written(tmp_path, lines.replace("prompt: v2", had.replace("\n", end)))
    switch_prompt(path, "triage", "v1")
    assert path.read_bytes().decode() == lines.replace("prompt: v2", has.replace("\n", end))


def test_one_target_of_several(tmp_path: Path) -> None:
    text = TEXT.replace("prompt: v2", "prompt: {box: v2, api: v1}")
    path = written(tmp_path, text)
    with pytest.raises(BadSettings, match="each target has its own; say --target with one of box, api"):
        switch_prompt(path, "triage", "v1")
    assert switch_prompt(path, "triage", "v1", "box").targets == ("box",)
    assert path.read_text(encoding="utf-8") == text.replace("box: v2", "box: v1")
    with pytest.raises(BadSettings, match="'nix' has none there"):
        switch_prompt(path, "triage", "v1", "nix")


def test_a_name_that_yaml_would_read_as_something_else_is_quoted(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT)
    switch_prompt(path, "triage", "on")
    assert "    prompt: 'on'  " in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("asked", "change", "problem"),
    [
        (("nix", "v1", None), None, "no workload 'nix'"),
        (("other", "v1", None), None, "workloads.other: it has no prompt to switch"),
        (("triage", "v3", None), None, "no variant 'v3' in prompts; there are v1, v2, on"),
        (("triage", "v1", "box"), None, "one variant stands there for all targets; leave --target box out"),
        (("triage", "v1\nx: 1", None), None, "not YAML|no variant"),
        (("triage", "v1", None), ("version: 1", "version: 2"), "version"),
        (("triage", "v1", None), ("prompt: v2", "prompt: &p v2\n    labels: [*p]"), "alias|not YAML"),
        (("triage", "v1", None), ("prompt: v2", "prompt: >\n      v2"), "no variant|plain name"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    tmp_path: Path, asked: tuple[str, str, str | None], change: tuple[str, str] | None, problem: str
) -> None:
    text = TEXT if change is None else TEXT.replace(*change)
    path = written(tmp_path, text)
    with pytest.raises(BadSettings, match=problem):
        switch_prompt(path, *asked)
    assert path.read_text(encoding="utf-8") == text


def test_a_value_shared_through_a_merge_is_not_changed_for_others(tmp_path: Path) -> None:
    text = TEXT.replace("  triage:\n", "  triage: &t\n").replace("  other:\n    targets: [box]\n", "  other:\n    <<: *t\n")
    path = written(tmp_path, text)
    before = path.read_bytes()
    with pytest.raises(BadSettings, match="other fields share its value"):
        switch_prompt(path, "other", "v1")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("prompt: v2", "prompt: v9", "workloads.triage.prompt: no variant 'v9' in prompts; there are v1, v2"),
        ("prompt: v2", "prompt: {nix: v2}", "'nix' is no target of this workload; there are box, api"),
        ("prompt: v2", "prompt: {box: v9}", "workloads.triage.prompt.box: no variant 'v9'"),
        ("prompt: v2", "prompt: [v2]", "write the name of a variant"),
        ("Ticket: {content}", "Ticket:", r"the template has \{content\} 0 times"),
        ("Ticket: {content}", "{content}{content}", r"the template has \{content\} 2 times"),
        ("file:prompts/v2.txt", "file:nix.txt", "No such file"),
        ('v2: {system: "file:prompts/v2.txt"}', "v2: {}", "the variant says nothing"),
        ("temperature: 0", "temperature: 3", "temperature: Input should be less than or equal to 2"),
        ("temperature: 0", "max_tokens: 3", "unknown field"),
        ("model: m-1", "model: text-embedding-3-small", "api serves embeddings .*leave this one out"),
        ("model: m,", "model: m, weights: sha256:12,", "write sha256: and 64 signs"),
        ("model: m,", "model: m, weights_file: m.gguf,", "weights_file is compared with weights"),
        ("model: m-1,", f"model: m-1, weights: sha256:{'0' * 64},", "weights is for an engine of your own"),
    ],
)
def test_a_file_that_says_no_sense_about_prompts(tmp_path: Path, old: str, new: str, problem: str) -> None:
    text = TEXT
    assert old in text
    path = written(tmp_path, text.replace(old, new))
    with pytest.raises(BadSettings, match=problem):
        configured_prompts(config_file.load(path))


def test_an_embeddings_target_may_be_left_out(tmp_path: Path) -> None:
    text = TEXT.replace("m-1", "text-embedding-3-small").replace("prompt: v2", "prompt: {box: v2}")
    made: Any = configured_prompts(config_file.load(written(tmp_path, text)))
    assert set(made["triage"]) == {"box"}
