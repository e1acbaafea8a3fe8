"""`freehold content`: who may look, what an erasure leaves behind to check, and a new master key."""

import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from freehold.app.cli import main
from freehold.core.data import DataClass
from freehold.serve.access.keys import digest
from freehold.serve.stores.content import ContentStore
from freehold.serve.stores.content_record import Kept

MASTER = b"m" * 32
OLD, NEW = "bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW0=", "bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4="
CONFIG = f"""\
version: 1
keys: [{{name: app, sha256: {"a" * 64}}}]
targets: {{box: {{engine: vllm, url: "http://127.0.0.1:9", model: m, clearance: restricted}}}}
workloads: {{w: {{targets: [box], keep_content: {{ttl_days: 1}}}}}}
content:
  key: env:MASTER_KEY
  readers:
    - {{name: ada, sha256: {digest("fh_ada")}, up_to: internal}}
    - {{name: eve, sha256: {digest("fh_eve")}, up_to: public}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MASTER_KEY", OLD)
    monkeypatch.setenv("NEW_KEY", NEW)
    monkeypatch.setenv("FREEHOLD_READER_KEY", "fh_ada")
    Path("freehold.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


@pytest.fixture
def kept() -> None:
    now = time.time()
    with closing(ContentStore(Path("content.db"), MASTER)) as store:
        store.keep(
            [
                Kept(id=ident, tenant="app", subject=subject, data_class=DataClass.internal, labels=(), created=now,
                     expires=now + lasts, content=f'{{"answer":"{ident}"}}'.encode())
                for ident, subject, lasts in (("r1", "bob", 60), ("r2", "bob", 60), ("r3", "carol", 60), ("old", "bob", -1))
            ]
        )  # fmt: skip


def freehold(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["content", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def looks(capfd: pytest.CaptureFixture[str]) -> list[tuple[str, str, str, bool]]:
    capfd.readouterr()
    assert freehold("log", "--json") == 0
    return [(look["who"], look["action"], look["what"], look["allowed"]) for look in msgspec.json.decode(capfd.readouterr().out)]


@pytest.mark.usefixtures("kept")
def test_a_reader_is_shown_what_it_may_read_and_every_look_is_on_record(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert freehold("show", "r1", "--reason", "complaint 7") == 0
    assert msgspec.json.decode(capfd.readouterr().out) == {"answer": "r1"}
    assert freehold("show", "old", "--reason", "late") == 1
    assert "nothing is kept of old" in capfd.readouterr().err
    monkeypatch.setenv("FREEHOLD_READER_KEY", "fh_eve")
    assert freehold("show", "r1", "--reason", "curious") == 1
    refused = capfd.readouterr()
    assert (refused.out, "r1 is internal data; eve may read up to public" in refused.err) == ("", True)
    monkeypatch.setenv("FREEHOLD_READER_KEY", "fh_mallory")
    assert freehold("show", "r1", "--reason", "curious") == 2
    assert capfd.readouterr().out == ""
    assert looks(capfd) == [
        ("unknown", "show", "r1", False), ("eve", "show", "r1", False), ("ada", "show", "old", True), ("ada", "show", "r1", True)
    ]  # fmt: skip


@pytest.mark.usefixtures("kept")
def test_an_erasure_and_its_receipt(capfd: pytest.CaptureFixture[str]) -> None:
    assert freehold("erase", "--subject", "bob", "--receipt", "bob.json", "--reason", "asked on Monday") == 0
    assert "erased: 1 keys, 3 records" in capfd.readouterr().err
    assert freehold("verify", "bob.json") == 0
    assert "Now there: 0 keys, 0 records, 0 of them readable." in capfd.readouterr().out
    assert freehold("show", "r1", "--reason", "gone?") == 1
    assert freehold("show", "r3", "--reason", "still here?") == 0
    receipt = Path("bob.json").read_text(encoding="utf-8")
    assert "bob" not in receipt
    assert freehold("erase", "--subject", "carol", "--receipt", "bob.json") == 2, "no receipt is written over another"
    assert freehold("show", "r3", "--reason", "still here?") == 0
    Path("bob.json").write_text(receipt.replace('"r2"', '"r9"'), encoding="utf-8")
    capfd.readouterr()
    assert freehold("verify", "bob.json", "--json") == 1
    assert not msgspec.json.decode(capfd.readouterr().out)["finding"]["genuine"]
    assert [look[1] for look in looks(capfd)].count("erase") == 1


@pytest.mark.usefixtures("kept")
def test_a_new_master_key(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert freehold("rotate", "--new-key", "env:NEW_KEY") == 0
    assert freehold("show", "r1", "--reason", "x") == 2
    assert "this key does not open the content store" in capfd.readouterr().err
    monkeypatch.setenv("MASTER_KEY", NEW)
    assert freehold("show", "r1", "--reason", "x") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "r1", "--reason", "x"), "no content store at content.db; 'freehold serve' makes one"),
        (("erase", "--subject", "bob"), "no content store at content.db"),
        (("verify", "none.json"), "cannot read none.json: No such file or directory"),
        (("rotate", "--new-key", "env:FREEHOLD_NOT_SET"), "--new-key: env:FREEHOLD_NOT_SET is not set or empty"),
        (("log", "--limit", "0"), "limit is 0; use 1 or more"),
        (("show", "r1"), "reason"),
    ],
)
def test_bad_input(words: tuple[str, ...], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert freehold(*words) == 2
    assert said in capfd.readouterr().err
    assert not Path("content.db").exists()


def test_without_the_section(capfd: pytest.CaptureFixture[str]) -> None:
    Path("freehold.yaml").write_text(
        CONFIG.partition("\ncontent:")[0].replace(", keep_content: {ttl_days: 1}", ""), encoding="utf-8"
    )
    assert freehold("log") == 2
    assert "freehold.yaml: there is no content: section, so no content is kept" in capfd.readouterr().err
