"""Weights that a file states are compared with those on this machine, where they are on this machine."""

from datetime import date
from pathlib import Path

import pytest

from freehold.app import config_file
from freehold.app.cli import app
from freehold.app.policy import build_policy
from freehold.app.weights import check_weights, resolve_model, weights_of
from freehold.core.errors import BadSettings
from freehold.serve.gateway.policy_record import releases_of

TINY = weights_of(resolve_model("tiny-tickets"))
OTHER = f"sha256:{'0' * 64}"


def written(folder: Path, weights: str, *, url: str = "http://127.0.0.1:9", more: str = "", model: str = "tiny-tickets") -> Path:
    path = folder / "freehold.yaml"
    path.write_text(
        f"version: 1\nkeys: [{{name: app, sha256: {'a' * 64}}}]\ntargets:\n"
        f"  box: {{engine: llamacpp, url: {url!r}, model: {model}, clearance: restricted, weights: {weights}{more}}}\n"
        "workloads: {w: {targets: [box]}}\n",
        encoding="utf-8",
    )
    return path


def test_bundled_weights_are_compared_by_their_name(tmp_path: Path) -> None:
    assert check_weights(config_file.load(written(tmp_path, TINY))) == ["box"]
    with pytest.raises(BadSettings, match=rf"targets.box.weights: .* holds other weights; they are {TINY}"):
        app(["check", "-c", str(written(tmp_path, OTHER))], exit_on_error=False, print_error=False)


def test_what_another_machine_serves_is_not_compared(tmp_path: Path) -> None:
    assert check_weights(config_file.load(written(tmp_path, OTHER, url="http://10.0.0.5:8000"))) == []
    assert check_weights(config_file.load(written(tmp_path, OTHER, model="some-other-model"))) == []


def test_a_file_that_is_named_is_compared(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF and more")
    good = weights_of(tmp_path / "m.gguf")
    more = ", weights_file: m.gguf"
    assert check_weights(config_file.load(written(tmp_path, good, more=more, model="m"))) == ["box"]
    with pytest.raises(BadSettings, match="holds other weights"):
        check_weights(config_file.load(written(tmp_path, OTHER, more=more, model="m")))
    with pytest.raises(BadSettings, match=r"weights_file: cannot read .*nix.gguf: No such file"):
        check_weights(config_file.load(written(tmp_path, good, more=", weights_file: nix.gguf", model="m")))


def test_they_pin_the_model_and_stand_in_its_release(tmp_path: Path) -> None:
    file = config_file.load(written(tmp_path, TINY))
    made = build_policy(file, date(2026, 11, 21))
    assert made.targets["box"].pinned
    (release,) = releases_of(made)
    assert (release.target, release.weights, release.prompt) == ("box", TINY, None)
