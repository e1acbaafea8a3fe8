"""Static keys: who is calling, which workloads they may use, and the class their data has at least."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping

import msgspec

from freehold.core.data import Handling
from freehold.core.errors import Unauthenticated


class Key(msgspec.Struct, frozen=True):
    """`workloads` None: all of them. Only the SHA-256 is ever kept: 256 random bits need no slow hash."""

    name: str
    sha256: str
    workloads: frozenset[str] | None = None
    handling: Handling = Handling()


def new_key() -> str:
    """A fresh key; shown once, never stored."""
    return f"fh_{secrets.token_urlsafe(32)}"


def digest(key: str) -> str:
    """What the configuration holds in place of the key."""
    return hashlib.sha256(key.encode()).hexdigest()


class Keyring:
    """All keys of one configuration."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._by_digest = {key.sha256: key for key in keys}

    def admit(self, headers: Mapping[str, str]) -> Key:
        """The key behind `Authorization: Bearer` (or `x-api-key`). Raises Unauthenticated."""
        given = credential(headers)
        if given is None:
            raise Unauthenticated("no API key: send 'Authorization: Bearer <key>'")
        seen = digest(given)
        key = self._by_digest.get(seen)
        if key is None or not hmac.compare_digest(key.sha256, seen):
            raise Unauthenticated("unknown API key")
        return key


def credential(headers: Mapping[str, str]) -> str | None:
    """The caller's credential, in either of the two headers SDKs use."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or None
