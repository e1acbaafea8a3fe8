"""The content store: what is kept can be read by its key alone, in its place alone, and not at all once it was erased."""

import hashlib
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.app.receipts import read_receipt, verify, write_receipt
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.serve.stores.content import Access, ContentStore, keys_beside
from freehold.serve.stores.content_cipher import Unreadable, new_key, read_key, seal, unseal
from freehold.serve.stores.content_record import Kept, Sealed
from freehold.serve.stores.place import StoreError

MASTER = b"m" * 32
SAID = b'{"request":{},"answer":"the orchid blooms at night"}'


def kept(ident: str = "r1", **more: Any) -> Kept:
    given: dict[str, Any] = {"tenant": "app", "subject": "ada@example.org", "data_class": DataClass.internal, "labels": ("pii",)}
    given |= {"created": 100.0, "expires": 200.0, "content": SAID, **more}
    return Kept(id=ident, **given)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "content.db"


@pytest.fixture
def store(path: Path) -> Iterator[ContentStore]:
    with closing(ContentStore(path, MASTER)) as store:
        yield store


def row_of(store: ContentStore, ident: str = "r1") -> Sealed:
    row = store.find(ident, 150.0)
    assert row is not None
    return row


def test_what_is_kept_can_be_read_until_it_expires(store: ContentStore, path: Path) -> None:
    store.keep([kept(), kept("r2", subject="bob", tenant="web")])
    row = row_of(store)
    assert (store.content(row), row.data_class, row.labels, row.tenant) == (SAID, "internal", "pii", "app")
    assert store.find("r1", 200.0) is None
    assert store.find("r9", 0.0) is None
    with closing(ContentStore(path, MASTER)) as again:
        assert again.content(row_of(again, "r2")) == SAID


def test_nothing_of_it_is_in_the_files(store: ContentStore, path: Path) -> None:
    store.keep([kept(str(n)) for n in range(50)])
    everything = b"".join(file.read_bytes() for file in path.parent.iterdir())
    for secret in (b"orchid", b"ada@example.org", b"ada@", MASTER):
        assert secret not in everything
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


def test_all_of_a_batch_or_nothing(store: ContentStore) -> None:
    store.keep([kept()])
    with pytest.raises(StoreError) as failed:
        store.keep([kept("r2"), kept("r1")])
    assert failed.value.duplicate
    assert store.find("r2", 150.0) is None


FIELDS = st.sampled_from(Sealed.__struct_fields__)


def test_any_byte_that_changes_makes_it_unreadable(store: ContentStore) -> None:
    store.keep([kept(), kept("r2", subject="bob"), kept("r3", tenant="web")])
    row = row_of(store)

    @settings(max_examples=3 * settings().max_examples)
    @given(st.data())
    def search(data: st.DataObject) -> None:
        field = data.draw(FIELDS)
        value = getattr(row, field)
        if isinstance(value, bytes):
            place = data.draw(st.integers(0, len(value) - 1))
            other: Any = value[:place] + bytes([value[place] ^ data.draw(st.integers(1, 255))]) + value[place + 1 :]
        elif isinstance(value, str):
            other = data.draw(st.text(max_size=10).filter(lambda text: text != value))
        else:
            other = data.draw(st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number != value))
        with pytest.raises(StoreError, match="not what was written"):
            store.content(msgspec.structs.replace(row, **{field: other}))

    search()
    assert store.content(row) == SAID


@pytest.mark.parametrize("other", ["r2", "r3", "r4"])
@pytest.mark.parametrize("moved", [("ciphertext",), ("ciphertext", "key_id"), ("ciphertext", "key_id", "subject"), ("id",)])
def test_a_row_in_anothers_place_does_not_open(store: ContentStore, other: str, moved: tuple[str, ...]) -> None:
    """Another request of the same subject, another subject, another tenant: in the file itself, by someone with all the rows."""
    store.keep([kept(), kept("r2"), kept("r3", subject="bob"), kept("r4", tenant="web")])
    there = row_of(store, other)
    row = msgspec.structs.replace(row_of(store), **{field: getattr(there, field) for field in moved})
    with pytest.raises(StoreError):
        store.content(row)


def test_a_tenants_wrapped_key_is_of_no_use_to_another(store: ContentStore, path: Path) -> None:
    store.keep([kept(), kept("r4", tenant="web")])
    with closing(sqlite3.connect(keys_beside(path))) as keys:
        keys.execute("UPDATE tenants SET wrapped = (SELECT wrapped FROM tenants WHERE tenant = 'app') WHERE tenant = 'web'")
        keys.commit()
    with pytest.raises(StoreError):
        store.content(row_of(store, "r4"))
    assert store.content(row_of(store)) == SAID


def test_what_expires_is_deleted_and_its_keys_with_the_last_of_it(store: ContentStore, path: Path) -> None:
    store.keep([kept(), kept("r2", expires=300.0), kept("r3", subject="bob")])
    assert store.reap(200.0) == 2
    assert (store.find("r1", 0.0), store.find("r3", 0.0)) == (None, None)
    assert store.content(row_of(store, "r2")) == SAID
    with closing(sqlite3.connect(keys_beside(path))) as keys:
        assert keys.execute("SELECT count(*) FROM subjects").fetchone() == (1,)
    assert store.reap(200.0) == 0
    assert store.reap(300.0) == 1


def test_erasure_proves_itself(store: ContentStore) -> None:
    store.keep([kept(), kept("r2", tenant="web"), kept("r3", subject="bob")])
    before = {ident: row_of(store, ident) for ident in ("r1", "r2")}
    erased = store.erase("ada@example.org", 150.0)
    assert [ident for ident, _ in erased.records] == ["r1", "r2"]
    assert dict(erased.records) == {i: hashlib.sha256(row.ciphertext).hexdigest() for i, row in before.items()}
    assert len(erased.keys) == 2
    assert "example" not in str(erased)
    for row in before.values():
        with pytest.raises(StoreError, match="its key is gone"):
            store.content(row)
    assert store.content(row_of(store, "r3")) == SAID
    receipt = write_receipt(store, erased, 1_800_000_000.0)
    assert receipt.erased_at == "2027-01-15T08:00:00+00:00"
    finding = verify(store, read_receipt(msgspec.json.encode(receipt)))
    assert (finding.holds, finding.there) == (True, ())
    again = store.erase("ada@example.org", 150.0)
    assert (again.keys, again.records) == ((), ())


def test_nothing_erased_is_left_in_any_file(store: ContentStore, path: Path) -> None:
    store.keep([kept(str(n)) for n in range(20)])
    with closing(sqlite3.connect(keys_beside(path))) as keys:
        (key_id, wrapped) = keys.execute("SELECT key_id, wrapped FROM subjects").fetchone()
    ciphertext = row_of(store, "7").ciphertext
    store.erase("ada@example.org", 150.0)
    for file in path.parent.iterdir():
        held = file.read_bytes()
        assert key_id not in held
        assert wrapped not in held
        assert ciphertext not in held


def test_a_backup_of_the_content_cannot_be_read_after_erasure(path: Path) -> None:
    with closing(ContentStore(path, MASTER)) as store:
        store.keep([kept(), kept("r2", subject="bob")])
    backup, keys_backup = path.with_name("backup"), path.with_name("backup-keys")
    shutil.copy(path, backup)
    shutil.copy(keys_beside(path), keys_backup)
    with closing(ContentStore(path, MASTER)) as store:
        receipt = write_receipt(store, store.erase("ada@example.org", 150.0), 0.0)
    shutil.copy(backup, path)
    with closing(ContentStore(path, MASTER)) as store:
        with pytest.raises(StoreError, match="its key is gone"):
            store.content(row_of(store))
        assert store.content(row_of(store, "r2")) == SAID
        finding = verify(store, receipt)
        assert (finding.holds, finding.there, finding.readable) == (True, ("r1",), ())
    shutil.copy(keys_backup, keys_beside(path))
    with closing(ContentStore(path, MASTER)) as store:
        finding = verify(store, receipt)
        assert (finding.holds, finding.readable) == (False, ("r1",)), "whoever keeps old keys has not erased, and it is seen"


def test_what_came_in_before_an_erasure_is_not_written_after_it(store: ContentStore) -> None:
    store.erase("ada@example.org", 150.0)
    store.keep([kept(), kept("r2", created=150.0), kept("r3", created=151.0), kept("r4", subject="bob")])
    assert [ident for ident in ("r1", "r2", "r3", "r4") if store.find(ident, 0.0)] == ["r3", "r4"]


def test_a_receipt_that_was_changed_or_is_anothers_does_not_hold(store: ContentStore, tmp_path: Path) -> None:
    store.keep([kept(), kept("r2")])
    receipt = write_receipt(store, store.erase("ada@example.org", 150.0), 0.0)
    for change in ({"records": receipt.records[:1]}, {"erased_at": "2020-01-01"}, {"keys": ()}, {"signature": "é"}):
        assert not verify(store, msgspec.structs.replace(receipt, **change)).genuine
    with closing(ContentStore(tmp_path / "other.db", MASTER)) as other:
        assert not verify(other, receipt).holds
    for text in (b"", b"{}", b"[]", msgspec.json.encode(receipt).replace(b'"keys":["', b'"keys":["zz')):
        with pytest.raises(BadSettings, match="that is no receipt of an erasure"):
            read_receipt(text)


def test_another_master_key_opens_nothing_and_rotation_makes_one_the_right_one(path: Path) -> None:
    other = new_key()
    with closing(ContentStore(path, MASTER)) as store:
        store.keep([kept()])
        receipt = write_receipt(store, store.erase("nobody", 150.0), 0.0)
    with pytest.raises(BadSettings, match="this key does not open the content store"):
        ContentStore(path, other)
    with closing(ContentStore(path, MASTER)) as running, closing(ContentStore(path, MASTER)) as store:
        assert store.rotate(other) == 1
        with pytest.raises(StoreError, match="master key was changed"):
            running.keep([kept("r2", tenant="new")])
        with pytest.raises(StoreError, match="master key was changed"):
            running.content(row_of(running))
    with pytest.raises(BadSettings, match="this key does not open the content store"):
        ContentStore(path, MASTER)
    with closing(ContentStore(path, other)) as store:
        assert store.content(row_of(store)) == SAID
        assert verify(store, receipt).genuine, "receipts outlive the master key"
        store.keep([kept("r2"), kept("r3", tenant="new")])


def test_old_keys_are_of_no_use_without_the_old_master_key(path: Path) -> None:
    """A backup of the keys file, which should not be, is made useless by rotation."""
    with closing(ContentStore(path, MASTER)) as store:
        store.keep([kept()])
    shutil.copy(keys_beside(path), path.with_name("old"))
    other = new_key()
    with closing(ContentStore(path, MASTER)) as store:
        store.rotate(other)
    shutil.copy(path.with_name("old"), keys_beside(path))
    with pytest.raises(BadSettings, match="does not open"):
        ContentStore(path, other)


def test_files_that_are_no_store(path: Path) -> None:
    path.write_text("just a text file, long enough to be looked at as a database header", encoding="utf-8")
    with pytest.raises(BadSettings, match="its keys are not at"):
        ContentStore(path, MASTER)
    keys_beside(path).touch()
    with pytest.raises(BadSettings, match="file is not a database"):
        ContentStore(path, MASTER)
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
    with pytest.raises(BadSettings, match="another program's database"):
        ContentStore(path, MASTER)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"content store .*content\.db: No such file or directory"):
        ContentStore(tmp_path / "none" / "content.db", MASTER)


def test_without_the_extra_the_line_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(BadSettings, match=r"keeping content needs the extra: pip install 'freehold\[content\]'"):
        ContentStore(path, MASTER)


def test_a_newer_version_is_left_alone(path: Path) -> None:
    ContentStore(path, MASTER).close()
    with closing(sqlite3.connect(keys_beside(path))) as keys:
        keys.execute("PRAGMA user_version = 99")
    with pytest.raises(BadSettings, match="written by a newer version"):
        ContentStore(path, MASTER)


def test_who_looked_is_on_record(store: ContentStore) -> None:
    looks = [Access(float(n), "ada", "show", f"r{n}", "complaint 7", n % 2 == 0) for n in range(3)]
    for look in looks:
        store.note(look)
    assert store.accesses(2) == looks[:0:-1]


def test_a_full_disk_costs_the_batch_and_nothing_else(store: ContentStore, path: Path) -> None:
    store.keep([kept()])
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(f.stat().st_size for f in path.parent.iterdir()), limit[1]))
    try:
        with pytest.raises(StoreError, match="content store: "):
            store.keep([kept("r2", content=b"x" * 1_000_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert store.find("r2", 0.0) is None
    store.keep([kept("r3")])
    assert store.content(row_of(store, "r1")) == store.content(row_of(store, "r3")) == SAID


WRITER = """
import sys
from pathlib import Path
from serve.test_content_store import MASTER, kept
from freehold.serve.stores.content import ContentStore
store = ContentStore(Path(sys.argv[1]), MASTER)
number = 0
while True:
    store.keep([kept(f"{number}-{n}", subject=f"s{number}", expires=1e9) for n in range(3)])
    print(number, flush=True)
    number += 1
"""


def test_kill_9_loses_nothing_that_was_kept(path: Path) -> None:
    for killed_after in (5, 40):
        shutil.rmtree(path.parent)
        path.parent.mkdir()
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, env={"PYTHONPATH": str(Path(__file__).parents[1])}
        )
        with child:
            assert child.stdout is not None
            told = [int(child.stdout.readline() or -1) for _ in range(killed_after)]
            child.kill()
            told += [int(line) for line in child.stdout.read().split()]
        assert told[0] == 0
        with closing(ContentStore(path, MASTER)) as store:
            for number in told:
                assert all(store.content(row_of(store, f"{number}-{n}")) == SAID for n in range(3))


@given(st.binary(max_size=200), st.binary(max_size=50), st.binary(min_size=32, max_size=32))
def test_sealing_and_unsealing(text: bytes, bound: bytes, key: bytes) -> None:
    sealed = seal(key, text, bound)
    assert unseal(key, sealed, bound) == text
    for other in ((key, sealed, bound + b"x"), (key, sealed[:-1], bound), (key, b"", bound), (b"\1" * 32, sealed, bound)):
        with pytest.raises(Unreadable):
            unseal(*other)


def test_a_master_key_is_32_bytes_in_base64() -> None:
    assert read_key("bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW0=\n") == MASTER
    with pytest.raises(ValueError, match="32 random bytes in base64"):
        read_key("bW1tbQ==")


def test_content_from_before_teams_were_tenants_is_read_and_erased_with_the_new(path: Path) -> None:
    """A row and its keys name their own tenant, so that a store needs no migration."""
    with closing(ContentStore(path, MASTER)) as before:
        before.keep([kept("old", tenant="app", subject="bob"), kept("other", tenant="app")])
    with closing(ContentStore(path, MASTER)) as store:
        store.keep([kept("new", tenant="team:red", subject="bob")])
        assert [store.content(row_of(store, ident)) for ident in ("old", "new", "other")] == [SAID] * 3
        assert row_of(store, "old").key_id != row_of(store, "new").key_id
        erased = store.erase("bob", 160.0)
        assert sorted(ident for ident, _ in erased.records) == ["new", "old"]
        assert len(erased.keys) == 2
        assert store.content(row_of(store, "other")) == SAID
