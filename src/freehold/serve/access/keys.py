"""API keys: who is calling, what that key reaches, and the class its data has at least and at most."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

import msgspec

from freehold.core.data import DataClass, Handling
from freehold.core.errors import Unauthenticated

Role: TypeAlias = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")  # each may do what those before it may


class Key(msgspec.Struct, frozen=True):
    """Scopes that are None bind nothing. Only the SHA-256 is ever kept: 256 random bits need no slow hash.

    `handling` is its data's floor, `up_to` the highest class it may send. With a `role` it opens the admin API and no model.
    With `replays` it may say which time a request stands for, as a replay of a trace does.
    Times are Unix seconds; `revoked` also where a rotation's grace is over.
    """

    name: str
    sha256: str
    workloads: frozenset[str] | None = None
    handling: Handling = Handling()
    targets: frozenset[str] | None = None
    models: frozenset[str] | None = None
    up_to: DataClass | None = None
    team: str | None = None
    user: str | None = None
    role: Role | None = None
    expires_at: float | None = None
    revoked: bool = False
    replays: bool = False


def new_key() -> str:
    """A fresh key; shown once, never stored."""
    return f"fh_{secrets.token_urlsafe(32)}"


def digest(key: str) -> str:
    """What the configuration or the ledger holds in place of the key."""
    return hashlib.sha256(key.encode()).hexdigest()


class Keyring:
    """Keys by their digest."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._by_digest = {key.sha256: key for key in keys}

    def find(self, seen: str) -> Key | None:
        """The key with this digest."""
        key = self._by_digest.get(seen)
        return key if key is not None and hmac.compare_digest(key.sha256, seen) else None


def admit(headers: Mapping[str, str], rings: Iterable[Keyring], now: float) -> Key:
    """The key behind `Authorization: Bearer` (or `x-api-key`), from the first ring that has it. Raises Unauthenticated."""
    given = credential(headers)
    if given is None:
        raise Unauthenticated("no API key: send 'Authorization: Bearer <key>'")
    return known(digest(given), rings, now)


def known(seen: str, rings: Iterable[Keyring], now: float) -> Key:
    """The key with this digest, from the first ring that has it, where it is still good. Raises Unauthenticated."""
    key = next((key for ring in rings if (key := ring.find(seen)) is not None), None)
    if key is None:
        raise Unauthenticated("unknown API key")
    if key.revoked:
        raise Unauthenticated(f"the API key {key.name!r} was revoked")
    if key.expires_at is not None and key.expires_at <= now:
        raise Unauthenticated(f"the API key {key.name!r} has expired")
    return key


def credential(headers: Mapping[str, str]) -> str | None:
    """The caller's credential, in either of the two headers SDKs use."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or None
