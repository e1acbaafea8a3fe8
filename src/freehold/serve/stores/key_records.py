"""The keys in a ledger's database: made, listed, revoked and rotated by commands, read by running gateways.

Every change moves a version on, in the same transaction, so that a gateway learns of it by reading one number.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar

import msgspec

from freehold.core.errors import BadSettings
from freehold.serve.stores.connection import Connection
from freehold.serve.stores.opening import connected
from freehold.serve.stores.place import LedgerPlace, StoreError

_COLUMNS = "id, name, sha256, role, grants, made_at, expires_at, revoked_at"
_ALL = f"SELECT {_COLUMNS} FROM api_keys ORDER BY made_at, id"  # noqa: S608 (fixed names)
_PUT = f"INSERT INTO api_keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 (fixed names)
_ENDED = "UPDATE api_keys SET revoked_at = ? WHERE id = ?"
_ENDS = "UPDATE api_keys SET expires_at = ? WHERE id = ?"
_CHANGED = "UPDATE api_keys_version SET version = version + 1"
_VERSION = "SELECT version FROM api_keys_version"
_T = TypeVar("_T")


class Grants(msgspec.Struct, frozen=True, kw_only=True):
    """Whose key it is and what it reaches; None binds nothing. `classes` is the highest data class it may send; with `replays`
    it may say which time a request stands for."""

    team: str | None = None
    user: str | None = None
    workloads: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    classes: str | None = None
    replays: bool = False


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One key as it stands there, never the key itself. Times in Unix seconds."""

    id: str
    name: str
    sha256: str
    role: str | None
    grants: Grants
    made_at: float
    expires_at: float | None = None
    revoked_at: float | None = None

    def state(self, now: float) -> str:
        """`good`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "good"


class KeyRecords:
    """Each call is a short transaction of its own. All raise BadSettings, in one line for people."""

    def __init__(self, place: LedgerPlace) -> None:
        self._place = place

    def make(self, record: KeyRecord) -> None:
        """Put a new key there. Refused where a good one has its name."""
        with self._changing() as db:
            if any(other.name == record.name and other.state(record.made_at) == "good" for other in _records(db)):
                raise BadSettings(f"--name is {record.name!r}, and a key of that name is in use; rotate it, or name another")
            _put(db, record)

    def revoke(self, which: str, now: float) -> list[KeyRecord]:
        """All keys of that name, or the one with that id, from now on. Refused where there is none left to revoke."""
        with self._changing() as db:
            found = _wanted(db, which, now)
            db.run_many(_ENDED, [(now, record.id) for record in found])
            return found

    def rotate(self, which: str, sha256: str, now: float, grace_s: float) -> tuple[KeyRecord, list[KeyRecord]]:
        """A new key with the old one's name, role and reach, and the old ones, which end after the grace at the latest."""
        with self._changing() as db:
            old = _wanted(db, which, now)
            last = old[-1]
            fresh = msgspec.structs.replace(last, id=new_key_id(), sha256=sha256, made_at=now)
            _put(db, fresh)
            ends = [(min(now + grace_s, record.expires_at or now + grace_s), record.id) for record in old]
            db.run_many(_ENDS, ends)
            return fresh, old

    def all(self) -> list[KeyRecord]:
        """Every key, oldest first."""
        return self.read(_all)

    def version(self) -> int:
        """Moves on with every change."""
        return self.read(_version)

    def read(self, view: Callable[[Connection], _T]) -> _T:
        """What that view sees, over a connection of its own."""
        try:
            with closing(connected(self._place, read_only=True)) as db:
                return view(db)
        except StoreError as error:
            raise _unreadable(self._place, error) from None

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        try:
            with closing(connected(self._place, read_only=False)) as db, db.transaction():
                db.run(_CHANGED)  # first: whoever changes keys meanwhile waits here
                yield db
        except StoreError as error:
            raise BadSettings(f"the keys in {self._place} cannot be changed: {error}") from None


class FollowedKeys:
    """The same keys as a gateway asks for them, every second: over one connection to a server, opened again once it turns out
    to be lost; a file is opened each time. Any thread may ask, one at a time. Both views raise BadSettings."""

    def __init__(self, place: LedgerPlace) -> None:
        self._place = place
        self._db: Connection | None = None
        self._turn = Lock()

    def version(self) -> int:
        """Moves on with every change."""
        return self._read(_version)

    def all(self) -> list[KeyRecord]:
        """Every key, oldest first."""
        return self._read(_all)

    def close(self) -> None:
        """Let go of the database."""
        with self._turn:
            self._drop()

    def _read(self, view: Callable[[Connection], _T]) -> _T:
        if isinstance(self._place, Path):
            return KeyRecords(self._place).read(view)
        with self._turn:
            for first in (self._db is not None, False):
                try:
                    if self._db is None:
                        self._db = connected(self._place, read_only=True)
                    with self._db.transaction():  # ended each time, so that the next one sees what was written since
                        return view(self._db)
                except StoreError as error:
                    self._drop()
                    if not first:
                        raise _unreadable(self._place, error) from None
        raise AssertionError("the second try answers or raises")

    def _drop(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _all(db: Connection) -> list[KeyRecord]:
    return _records(db) if db.has("api_keys") else []


def _version(db: Connection) -> int:
    ((version,),) = db.rows(_VERSION)
    return int(version)


def _unreadable(place: LedgerPlace, error: StoreError) -> BadSettings:
    return BadSettings(f"the keys in {place} cannot be read: {error}")


def _records(db: Connection) -> list[KeyRecord]:
    return [
        KeyRecord(
            id=ident, name=name, sha256=sha256, role=role, grants=msgspec.json.decode(grants, type=Grants), made_at=made_at,
            expires_at=expires_at, revoked_at=revoked_at,
        )
        for ident, name, sha256, role, grants, made_at, expires_at, revoked_at in db.rows(_ALL)
    ]  # fmt: skip


def _wanted(db: Connection, which: str, now: float) -> list[KeyRecord]:
    named = [record for record in _records(db) if which in {record.name, record.id}]
    good = [record for record in named if record.state(now) == "good"]
    if not good:
        why = "has expired" if named and named[-1].state(now) == "expired" else "is revoked already"
        raise BadSettings(f"the key {which!r} {why}" if named else f"no key {which!r}; 'freehold keys list' shows them")
    return good


def _put(db: Connection, record: KeyRecord) -> None:
    grants = msgspec.json.encode(record.grants).decode()
    values = (record.id, record.name, record.sha256, record.role, grants, record.made_at, record.expires_at, record.revoked_at)
    db.run(_PUT, values)


def new_key_id() -> str:
    """What people name one key by, where several have its name."""
    return f"key-{secrets.token_hex(6)}"
