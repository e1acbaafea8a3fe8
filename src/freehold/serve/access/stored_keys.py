"""The keys that are in the ledger's database, as a running gateway has them: in memory, and new within a second of a change."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.serve.access.keys import ROLES, Key, Keyring
from freehold.serve.stores.key_records import KeyRecord

EVERY_S = 1.0
_STALE_S = 30.0  # a key may have been revoked in the meantime
_log = structlog.get_logger("freehold.keys")


class KeyStore(Protocol):
    """Where they are. Both raise BadSettings where it cannot be read."""

    def version(self) -> int:
        """Moves on with every change."""
        ...

    def all(self) -> list[KeyRecord]:
        """Every key."""
        ...


class StoredKeys(Keyring):
    """No request waits for the database. Where that cannot be read for half a minute, these keys open nothing."""

    def __init__(self, store: KeyStore, monotonic: Callable[[], float]) -> None:
        super().__init__(())
        self._store = store
        self._monotonic = monotonic
        self._version: int | None = None
        self._read_at = monotonic()

    def find(self, seen: str) -> Key | None:
        """The key with this digest. Raises LedgerUnavailable where it may have been revoked without a word."""
        key = super().find(seen)
        if key is not None and self._monotonic() - self._read_at > _STALE_S:
            raise LedgerUnavailable("the keys in the ledger cannot be read, so that none of them is taken", retry_after_s=1)
        return key

    async def refresh(self) -> None:
        """Read the version, and the keys where it has moved on."""
        try:
            version = await asyncio.to_thread(self._store.version)
            if version != self._version:
                records = await asyncio.to_thread(self._store.all)
                self._by_digest = {record.sha256: _key(record) for record in records}
                self._version = version
        except BadSettings as error:
            _log.warning("keys not read", problem=error.message)
            return
        self._read_at = self._monotonic()


def _key(record: KeyRecord) -> Key:
    """A role or class that this version does not know opens nothing, rather than everything."""
    grants = record.grants
    try:
        up_to = None if grants.classes is None else DataClass.parse(grants.classes)
        role = None if record.role is None else next(role for role in ROLES if role == record.role)
    except (ValueError, StopIteration):
        return Key(record.name, record.sha256, revoked=True)
    return Key(
        record.name, record.sha256, _set(grants.workloads), targets=_set(grants.targets), models=_set(grants.models),
        up_to=up_to, team=grants.team, user=grants.user, role=role, expires_at=record.expires_at,
        revoked=record.revoked_at is not None, replays=grants.replays,
    )  # fmt: skip


def _set(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)
