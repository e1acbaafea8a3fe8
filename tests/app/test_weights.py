"""Which file a model reference means; the hub is a small server of our own, or nobody."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.app.weights import model_alias, resolve_model, sha256_of
from freehold.core.errors import BadSettings

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = b"GGUF" + bytes(range(256)) * 40
FILES = {"org/one": ["README.md", "m.gguf"], "org/two": ["a.gguf", "b.gguf"], "org/none": ["model.safetensors"]}
RESOLVE = "import sys; from freehold.app.weights import resolve_model; print(resolve_model(sys.argv[1]))"


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub's API as a download needs."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"] and "/".join(parts[2:4]) in FILES:
            repo = "/".join(parts[2:4])
            siblings = [{"rfilename": name} for name in FILES[repo]]
            self._answer(200, json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings}).encode())
        elif parts[2:3] == ["resolve"] and parts[4] in FILES.get("/".join(parts[:2]), []):
            self._answer(200, WEIGHTS)
        else:
            self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, status: int, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        etag = hashlib.sha256(body).hexdigest()
        for name, value in {
            "Content-Length": str(len(body)),
            "ETag": f'"{etag}"',
            "X-Repo-Commit": COMMIT,
            **(more or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def resolve(ref: str, endpoint: str, home: Path, **env: str) -> tuple[str, str]:
    """(path, error line), in a process of its own since the hub's library reads its settings when imported."""
    pytest.importorskip("huggingface_hub", reason="needs freehold[hub]")
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", **env}
    done = subprocess.run(
        (sys.executable, "-c", RESOLVE, ref),
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.strip(), done.stderr.strip().rpartition("\n")[2]


@pytest.mark.parametrize("ref", ["org/one", "org/one:m.gguf", "org/one@main", f"org/one:m.gguf@{COMMIT}"])
def test_a_hub_id_is_downloaded_at_a_commit(ref: str, hub: str, tmp_path: Path) -> None:
    path, error = resolve(ref, hub, tmp_path)
    assert path, error
    assert Path(path).read_bytes() == WEIGHTS
    assert f"snapshots/{COMMIT}/m.gguf" in path
    assert sha256_of(Path(path)) == hashlib.sha256(WEIGHTS).hexdigest()


def test_what_was_downloaded_is_there_without_a_network(hub: str, tmp_path: Path) -> None:
    ref = f"org/one:m.gguf@{COMMIT}"
    first, _ = resolve(ref, hub, tmp_path)
    again, error = resolve(ref, "http://127.0.0.1:9", tmp_path, HF_HUB_OFFLINE="1")
    assert (first, first != "") == (again, True), error


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("org/two", "has 2 .gguf files; name one as org/two:FILE, of a.gguf, b.gguf"),
        ("org/none", "has no .gguf file"),
        ("org/absent", "cannot be had from the hub"),
        ("org/one:absent.gguf", "cannot be had from the hub"),
    ],
)
def test_what_the_hub_does_not_have_is_one_clear_line(ref: str, says: str, hub: str, tmp_path: Path) -> None:
    path, error = resolve(ref, hub, tmp_path)
    assert path == ""
    assert error.startswith("freehold.core.errors.BadSettings: model ")
    assert says in error


@pytest.mark.parametrize("env", [{}, {"HF_HUB_OFFLINE": "1"}])
@pytest.mark.parametrize("ref", ["org/one", f"org/one:m.gguf@{COMMIT}"])
def test_no_hub_names_the_mend(ref: str, env: dict[str, str], tmp_path: Path) -> None:
    path, error = resolve(ref, "http://127.0.0.1:9", tmp_path, **env)
    assert path == ""
    assert error.startswith("freehold.core.errors.BadSettings: model org/one cannot be had from the hub: ")
    assert error.endswith("give the path of a .gguf file")


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(BadSettings, match=r"install freehold\[hub\]"):
        resolve_model("org/one")


def test_the_bundled_model_is_the_one_its_card_describes() -> None:
    path = resolve_model("tiny-tickets")
    card = (path.parent / "README.md").read_text(encoding="utf-8")
    assert sha256_of(path) in card
    assert f"{path.stat().st_size:,} bytes" in card


def test_a_path_is_taken_before_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "one").write_bytes(WEIGHTS)
    monkeypatch.chdir(tmp_path)
    assert resolve_model("org/one") == tmp_path / "org" / "one"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_model("~/org/one") == tmp_path / "org" / "one"


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("llama", "model 'llama' is unknown; give tiny-tickets, the path of a .gguf file, or org/name:file.gguf@revision"),
        ("models/absent.gguf", "models/absent.gguf does not exist"),
        ("/absent/m.gguf", "/absent/m.gguf does not exist"),
        ("", "model '' is unknown"),
        (".", "is a directory"),
        (__file__, "is not a GGUF file"),
    ],
)
def test_a_wrong_path_is_one_clear_line(ref: str, says: str) -> None:
    with pytest.raises(BadSettings) as error:
        resolve_model(ref)
    assert says in error.value.message
    assert "\n" not in error.value.message


@pytest.mark.parametrize(
    ("ref", "alias"),
    [
        ("tiny-tickets", "tiny-tickets"),
        ("/models/qwen-q4.gguf", "qwen-q4"),
        ("org/name:file-q4.gguf@main", "org/name"),
        ("org/name", "org/name"),
        ("models/qwen.gguf", "qwen"),
    ],
)
def test_alias(ref: str, alias: str) -> None:
    assert model_alias(ref) == alias
