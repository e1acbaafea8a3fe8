"""AES-256-GCM for the content store. All that knows the library, which is an optional extra, is here."""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Any

from freehold.core.errors import BadSettings

KEY_BYTES = 32
_NONCE_BYTES = 12  # random; a key seals far fewer than 2**32 texts, where chance alone would repeat one


class Unreadable(Exception):
    """Another key, another place, or bytes that changed. Which of them it is cannot be told."""


def seal(key: bytes, text: bytes, bound: bytes) -> bytes:
    """Nonce and ciphertext. `bound` is authenticated with it, not stored. Raises BadSettings without the library."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    aead, _ = _library()
    sealed: bytes = nonce + aead(key).encrypt(nonce, text, bound)
    return sealed


def unseal(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    """The text. Raises Unreadable, and BadSettings without the library."""
    aead, invalid = _library()
    try:
        text: bytes = aead(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
    except (invalid, ValueError):
        raise Unreadable from None
    return text


def new_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def read_key(text: str) -> bytes:
    """A master key as people keep it: 32 bytes in base64. Raises ValueError."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a content key is {KEY_BYTES} random bytes in base64, such as from: openssl rand -base64 {KEY_BYTES}")
    return key


def tag(key: bytes, purpose: str, *parts: bytes) -> bytes:
    """HMAC-SHA256 over parts, each with its length, so that no two lists run together; `purpose` keeps uses apart."""
    text = b"".join(len(part).to_bytes(8, "big") + part for part in (purpose.encode(), *parts))
    return hmac.digest(key, text, hashlib.sha256)


def _library() -> tuple[type[Any], type[Exception]]:
    """The cipher, and what it raises on bytes that are not its own."""
    try:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  an optional extra
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
    except ModuleNotFoundError:
        raise BadSettings("keeping content needs the extra: pip install 'freehold[content]'") from None
    return AESGCM, InvalidTag
