"""The receipt of an erasure: what was destroyed, when, signed by the store; and whether that still holds."""

import hmac
from datetime import UTC, datetime
from typing import Literal

import msgspec

from freehold.core.errors import BadSettings
from freehold.serve.stores.content import ContentStore, Erased
from freehold.serve.stores.place import StoreError


class Receipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`erased_at` in ISO 8601; the subject as its keyed hash; rows with the SHA-256 of their ciphertext; bytes in hex."""

    freehold_receipt: Literal[1] = 1
    erased_at: str
    subject: str
    keys: tuple[str, ...]
    records: tuple[tuple[str, str], ...]
    signature: str = ""


class Finding(msgspec.Struct, frozen=True):
    """What a store says of a receipt: whether it is the store's own, which keys exist again, which rows are there again, and
    which of them can be read."""

    genuine: bool
    keys: tuple[str, ...]
    there: tuple[str, ...]
    readable: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """The erasure stands. Rows that came back from a backup and cannot be read do not change that."""
        return self.genuine and not self.keys and not self.readable


def write_receipt(store: ContentStore, erased: Erased, at: float) -> Receipt:
    """Signed. `at`: Unix seconds."""
    bare = Receipt(
        erased_at=datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds"), subject=erased.subject, keys=erased.keys,
        records=erased.records,
    )  # fmt: skip
    return msgspec.structs.replace(bare, signature=_signature(store, bare))


def read_receipt(text: bytes) -> Receipt:
    """Raises BadSettings on what is no receipt."""
    try:
        receipt = msgspec.json.decode(text, type=Receipt)
        for key_id in receipt.keys:
            bytes.fromhex(key_id)
    except ValueError as error:
        raise BadSettings(f"that is no receipt of an erasure: {error}") from None
    return receipt


def verify(store: ContentStore, receipt: Receipt) -> Finding:
    """Look for everything the receipt says is gone. Raises StoreError."""
    genuine = hmac.compare_digest(_signature(store, receipt), receipt.signature.encode("ascii", "replace").decode())
    keys = store.keys_there([bytes.fromhex(key_id) for key_id in receipt.keys])
    there, readable = [], []
    for ident, _ in receipt.records:
        row = store.find(ident, float("-inf"))
        if row is not None:
            there.append(ident)
            try:
                store.content(row)
            except StoreError:
                continue
            readable.append(ident)
    return Finding(genuine, tuple(key_id.hex() for key_id in keys), tuple(there), tuple(readable))


def _signature(store: ContentStore, receipt: Receipt) -> str:
    return store.sign(msgspec.json.encode(msgspec.structs.replace(receipt, signature=""))).hex()
