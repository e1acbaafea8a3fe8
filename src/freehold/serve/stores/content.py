"""The content store: what a workload chose to keep of its prompts and answers, each sealed with its subject's key.

Two files: the content, which may be backed up, and beside it `<name>.keys.db`, which must not be backed up with it. Erasure
destroys the subject's key first, then the rows. Who looked at what is on record in the same place.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from freehold.core.errors import BadSettings
from freehold.serve.stores.content_cipher import Unreadable, seal, unseal
from freehold.serve.stores.content_keys import SCHEMA, ContentKeys
from freehold.serve.stores.content_record import Kept, Sealed
from freehold.serve.stores.place import StoreError

APPLICATION_ID = 0x4652434F  # "FRCO": tells our file from any other SQLite file
Action: TypeAlias = Literal["show", "erase", "rotate"]

_VERSION = 1
_CONTENT = """
    CREATE TABLE records (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, subject BLOB NOT NULL, key_id BLOB NOT NULL,
        data_class TEXT NOT NULL, labels TEXT NOT NULL, created REAL NOT NULL, expires REAL NOT NULL,
        ciphertext BLOB NOT NULL) STRICT;
    CREATE INDEX records_by_subject ON records (subject);
    CREATE INDEX records_by_key ON records (key_id);
    CREATE INDEX records_by_end ON records (expires);
    CREATE TABLE accesses (n INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
        what TEXT NOT NULL, reason TEXT NOT NULL, allowed INTEGER NOT NULL) STRICT;
"""
_INSERT = f"INSERT INTO records VALUES ({', '.join('?' * len(Sealed.__struct_fields__))})"  # noqa: S608 (fixed text)
_BUSY_S = 10.0


class Access(msgspec.Struct, frozen=True):
    """Who did, or tried, what to whose content. `at`: Unix seconds; `what`: a request id, or a subject as its keyed hash."""

    at: float
    who: str
    action: Action
    what: str
    reason: str
    allowed: bool


class Erased(msgspec.Struct, frozen=True):
    """What an erasure destroyed: keys by id, rows by request id with the SHA-256 of their ciphertext. Bytes in hex."""

    subject: str
    keys: tuple[str, ...]
    records: tuple[tuple[str, str], ...]


class ContentStore:
    """Used by one thread at a time, whichever it is. Other processes may have the same files open."""

    def __init__(self, path: Path, master: bytes) -> None:
        """Open or create. Raises BadSettings with one line when the files are no store of ours, or the key is not theirs."""
        self._path = path
        self._keys_path = keys_beside(path)
        self._db = self._connected()
        try:
            self._prepare(master)
        except (sqlite3.Error, BadSettings) as error:
            self._db.close()
            raise BadSettings(f"content store {path}: {error}") from None

    def _connected(self) -> sqlite3.Connection:
        if self._path.exists() and self._path.stat().st_size and not self._keys_path.exists():
            raise BadSettings(f"content store {self._path}: its keys are not at {self._keys_path}, and nothing opens without")
        try:
            for file in (self._path, self._keys_path):
                os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))  # nobody else's to read, nor the WAL, which takes its mode
            return sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)
        except (OSError, sqlite3.Error) as error:
            problem = error.strerror if isinstance(error, OSError) else error
            raise BadSettings(f"content store {self._path}: {problem}") from None

    def _prepare(self, master: bytes) -> None:
        self._db.execute("ATTACH ? AS keys", (str(self._keys_path),))
        for schema in ("main", "keys"):
            _refuse_strange(self._db, schema)
            self._db.execute(f"PRAGMA {schema}.journal_mode = WAL")
            self._db.execute(f"PRAGMA {schema}.synchronous = FULL")
            self._db.execute(f"PRAGMA {schema}.secure_delete = ON")  # what is deleted is overwritten
        with self._transaction():
            for schema, script in (("keys", SCHEMA), ("main", _CONTENT)):
                if self._db.execute(f"PRAGMA {schema}.user_version").fetchone()[0] == 0:
                    for statement in script.split(";")[:-1]:
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA {schema}.application_id = {APPLICATION_ID}")
                    self._db.execute(f"PRAGMA {schema}.user_version = {_VERSION}")
            self._keys = ContentKeys(self._db, master)

    def keep(self, kept: Sequence[Kept]) -> None:
        """All of them in one committed transaction, or none; but nothing from before its subject's erasure. Raises StoreError."""
        with self._told(), self._transaction():
            for one in kept:
                subject = self._keys.subject(one.subject)
                if self._keys.erased(subject, one.created):
                    continue
                key_id, key = self._keys.writing(one.tenant, subject)
                row = Sealed(
                    id=one.id, tenant=one.tenant, subject=subject, key_id=key_id, data_class=one.data_class.name,
                    labels=",".join(one.labels), created=one.created, expires=one.expires, ciphertext=b"",
                )  # fmt: skip
                row = msgspec.structs.replace(row, ciphertext=seal(key, one.content, row.bound()))
                self._db.execute(_INSERT, msgspec.structs.astuple(row))

    def reap(self, now: float) -> int:
        """Delete what has expired by now, and the keys that then open nothing; how many rows. Raises StoreError."""
        with self._told():
            if not self._db.execute("SELECT 1 FROM records WHERE expires <= ? LIMIT 1", (now,)).fetchone():
                return 0
            with self._transaction():
                gone = self._db.execute("DELETE FROM records WHERE expires <= ? RETURNING key_id", (now,)).fetchall()
                for (key_id,) in set(gone):
                    unused = "DELETE FROM keys.subjects WHERE key_id = ? AND key_id NOT IN (SELECT key_id FROM records)"
                    self._db.execute(unused, (key_id,))
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # best done, not needed: the next one that works does it
            return len(gone)

    def find(self, ident: str, now: float) -> Sealed | None:
        """The row of a request, if it has not expired. Raises StoreError."""
        with self._told():
            row = self._db.execute("SELECT * FROM records WHERE id = ? AND expires > ?", (ident, now)).fetchone()
        return None if row is None else Sealed(**dict(zip(Sealed.__struct_fields__, row, strict=True)))

    def content(self, row: Sealed) -> bytes:
        """What a row holds. Raises StoreError where its key is destroyed, or a byte of it changed."""
        with self._told():
            return unseal(self._keys.reading(row.tenant, row.key_id), row.ciphertext, row.bound())

    def erase(self, subject: str, now: float) -> Erased:
        """Destroy every key of a subject and delete all its rows, of all tenants. What came in until now (Unix seconds) and is
        still to be written will not be. Raises StoreError; then do it again."""
        sought = self._keys.subject(subject)
        with self._told():
            with self._transaction():
                key_ids = self._keys.destroy(sought, now)
                rows = self._db.execute("SELECT id, ciphertext FROM records WHERE subject = ? ORDER BY id", (sought,)).fetchall()
                self._db.execute("DELETE FROM records WHERE subject = ?", (sought,))
            self._fold("keys")
            self._fold("main")
        records = tuple((ident, hashlib.sha256(ciphertext).hexdigest()) for ident, ciphertext in rows)
        return Erased(sought.hex(), tuple(key_id.hex() for key_id in key_ids), records)

    def keys_there(self, key_ids: Sequence[bytes]) -> list[bytes]:
        """Which of these subjects' keys exist. Raises StoreError."""
        with self._told():
            return self._keys.there(key_ids)

    def sign(self, text: bytes) -> bytes:
        """What shows that a text is this store's: nobody makes it without the master key."""
        return self._keys.sign(text)

    def rotate(self, master: bytes) -> int:
        """Wrap everything with another master key, or nothing; how many tenants. Raises StoreError."""
        with self._told():
            with self._transaction():
                tenants = self._keys.rewrap(master)
            self._fold("keys")
        return tenants

    def note(self, access: Access) -> None:
        """Put it on record. Raises StoreError, and then nothing may be shown."""
        with self._told():
            row = msgspec.structs.astuple(access)
            self._db.execute("INSERT INTO accesses (at, who, action, what, reason, allowed) VALUES (?, ?, ?, ?, ?, ?)", row)

    def accesses(self, limit: int) -> list[Access]:
        """The newest first. Raises StoreError."""
        query = "SELECT at, who, action, what, reason, allowed FROM accesses ORDER BY n DESC LIMIT ?"
        with self._told():
            rows = self._db.execute(query, (limit,)).fetchall()
        return [msgspec.convert(dict(zip(Access.__struct_fields__, row, strict=True)), Access, strict=False) for row in rows]

    def close(self) -> None:
        """The last connection folds the WAL back into the files."""
        self._db.close()

    def _fold(self, schema: str) -> None:
        """Write the log back and empty it: it holds pages as they were before a deletion. Raises sqlite3.OperationalError."""
        busy, _, _ = self._db.execute(f"PRAGMA {schema}.wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("another program reads it, so its log still holds what was deleted; do this again")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One at a time over both files, among all processes."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:  # a transaction left open would take the next one with it
            if self._db.in_transaction:
                self._db.rollback()
            raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except Unreadable:
            raise StoreError("its key is gone, its master key was changed, or it is not what was written") from None
        except (sqlite3.Error, OverflowError) as error:
            raise StoreError(f"content store: {error}", duplicate=isinstance(error, sqlite3.IntegrityError)) from None


def keys_beside(path: Path) -> Path:
    """Where the keys of a store are."""
    return path.with_name(f"{path.stem}.keys{path.suffix}")


def _refuse_strange(db: sqlite3.Connection, schema: str) -> None:
    tables = db.execute(f"SELECT count(*) FROM {schema}.sqlite_master").fetchone()[0]  # noqa: S608 (fixed names)
    owner = db.execute(f"PRAGMA {schema}.application_id").fetchone()[0]
    version = db.execute(f"PRAGMA {schema}.user_version").fetchone()[0]
    if tables and owner != APPLICATION_ID:
        raise sqlite3.DatabaseError(f"its {schema} file is another program's database")
    if version > _VERSION:
        raise sqlite3.DatabaseError(f"it was written by a newer version (schema {version}, known is {_VERSION})")
