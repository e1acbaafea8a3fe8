"""What is kept of one request: its content, and what is said of it outside the encryption."""

import msgspec

from freehold.core.data import DataClass


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """`content` in the clear, on its way into the store. Times in Unix seconds. The subject is stored as a keyed hash."""

    id: str
    tenant: str
    subject: str
    data_class: DataClass
    labels: tuple[str, ...]
    created: float
    expires: float
    content: bytes


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the store. Everything but the ciphertext is authenticated with it."""

    id: str
    tenant: str
    subject: bytes
    key_id: bytes
    data_class: str
    labels: str
    created: float
    expires: float
    ciphertext: bytes

    def bound(self) -> bytes:
        """What the ciphertext is bound to: a row whose metadata changed, or that took another's place, does not open."""
        parts = (self.id, self.tenant, self.subject.hex(), self.key_id.hex(), self.data_class, self.labels)
        return msgspec.json.encode(["freehold content 1", *parts, float(self.created), float(self.expires)])
