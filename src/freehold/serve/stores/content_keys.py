"""The keys of the content store: a master key, held elsewhere, wraps one key a tenant, which wraps one key a subject.

They are in a file of their own, so that a backup of the content holds none of them: with a subject's key destroyed, its content
is unreadable there too. Every statement runs in the transaction that the store has begun.
"""

import sqlite3
from collections.abc import Sequence

from freehold.core.errors import BadSettings
from freehold.serve.stores.content_cipher import Unreadable, new_key, seal, tag, unseal

SCHEMA = """
    CREATE TABLE keys.meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
    CREATE TABLE keys.tenants (tenant TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT;
    CREATE TABLE keys.subjects (key_id BLOB PRIMARY KEY, tenant TEXT NOT NULL, subject BLOB NOT NULL, wrapped BLOB NOT NULL,
        UNIQUE (tenant, subject)) STRICT;
    CREATE TABLE keys.erasures (subject BLOB PRIMARY KEY, at REAL NOT NULL) STRICT;
"""
_KEY_ID_BYTES = 16
_ROOT = b"freehold content root"


class ContentKeys:
    """Unwraps and makes keys. What has been unwrapped is not remembered: a key that was destroyed must be gone at once."""

    def __init__(self, db: sqlite3.Connection, master: bytes) -> None:
        """Raises BadSettings when the master key does not open this store; makes the root of a new one."""
        self._db = db
        self._master = master
        held = self._meta("root")
        if held is None:
            held = seal(master, new_key(), _ROOT)
            db.execute("INSERT INTO keys.meta VALUES ('root', ?), ('master', ?)", (held, _name(master)))
        try:
            self._root = unseal(master, held, _ROOT)
        except Unreadable:
            raise BadSettings("this key does not open the content store") from None

    def subject(self, text: str) -> bytes:
        """What stands for a subject in the store: without the keys nobody can tell who it is by trying names."""
        return tag(self._root, "subject", text.encode())

    def sign(self, text: bytes) -> bytes:
        """What shows that a receipt is this store's."""
        return tag(self._root, "receipt", text)

    def writing(self, tenant: str, subject: bytes) -> tuple[bytes, bytes]:
        """The id and key of a subject, made where there is none. Raises Unreadable where the master key was changed."""
        found = self._db.execute(
            "SELECT key_id FROM keys.subjects WHERE tenant = ? AND subject = ?", (tenant, subject)
        ).fetchone()
        if found is not None:
            return found[0], self.reading(tenant, found[0])
        key_id, key = new_key()[:_KEY_ID_BYTES], new_key()
        wrapped = seal(self._tenant(tenant, make=True), key, _subject_place(tenant, key_id))
        self._db.execute("INSERT INTO keys.subjects VALUES (?, ?, ?, ?)", (key_id, tenant, subject, wrapped))
        return key_id, key

    def reading(self, tenant: str, key_id: bytes) -> bytes:
        """The key of that id. Raises Unreadable where it was destroyed, or is another tenant's."""
        row = self._db.execute("SELECT wrapped FROM keys.subjects WHERE key_id = ?", (key_id,)).fetchone()
        if row is None:
            raise Unreadable
        return unseal(self._tenant(tenant), row[0], _subject_place(tenant, key_id))

    def erased(self, subject: bytes, created: float) -> bool:
        """Whether what came in then (Unix seconds) came before an erasure of its subject."""
        found = "SELECT 1 FROM keys.erasures WHERE subject = ? AND at >= ?"
        return self._db.execute(found, (subject, created)).fetchone() is not None

    def destroy(self, subject: bytes, now: float) -> list[bytes]:
        """Delete every key of a subject, for content up to now; their ids."""
        self._db.execute("INSERT OR REPLACE INTO keys.erasures VALUES (?, ?)", (subject, now))
        rows = self._db.execute("DELETE FROM keys.subjects WHERE subject = ? RETURNING key_id", (subject,))
        return sorted(row[0] for row in rows.fetchall())

    def there(self, key_ids: Sequence[bytes]) -> list[bytes]:
        """Which of them still exist."""
        found = "SELECT 1 FROM keys.subjects WHERE key_id = ?"
        return [key_id for key_id in key_ids if self._db.execute(found, (key_id,)).fetchone()]

    def rewrap(self, master: bytes) -> int:
        """Wrap root and tenant keys with another master key; how many tenants. The old one opens nothing here afterwards."""
        tenants = [row[0] for row in self._db.execute("SELECT tenant FROM keys.tenants").fetchall()]
        for tenant in tenants:
            wrapped = seal(master, self._tenant(tenant), _tenant_place(tenant))
            self._db.execute("UPDATE keys.tenants SET wrapped = ? WHERE tenant = ?", (wrapped, tenant))
        self._db.execute("UPDATE keys.meta SET value = ? WHERE name = 'root'", (seal(master, self._root, _ROOT),))
        self._db.execute("UPDATE keys.meta SET value = ? WHERE name = 'master'", (_name(master),))
        return len(tenants)

    def _tenant(self, tenant: str, *, make: bool = False) -> bytes:
        row = self._db.execute("SELECT wrapped FROM keys.tenants WHERE tenant = ?", (tenant,)).fetchone()
        if row is not None:
            return unseal(self._master, row[0], _tenant_place(tenant))
        if not make or self._meta("master") != _name(self._master):  # wrapped with an old key it would be lost
            raise Unreadable
        key = new_key()
        self._db.execute("INSERT INTO keys.tenants VALUES (?, ?)", (tenant, seal(self._master, key, _tenant_place(tenant))))
        return key

    def _meta(self, name: str) -> bytes | None:
        row = self._db.execute("SELECT value FROM keys.meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]


def _name(master: bytes) -> bytes:
    return tag(master, "name of the master key")


def _tenant_place(tenant: str) -> bytes:
    return tag(b"", "tenant key", tenant.encode())


def _subject_place(tenant: str, key_id: bytes) -> bytes:
    return tag(b"", "subject key", tenant.encode(), key_id)
