"""Two ticket models beside the bundled one: a worse one, trained on fewer phrases, and one that is as good and slow.

The slow one is any model with layers of zeros behind its own: it says the very same, with many times the work. So a machine of
any size has a candidate whose one slot cannot serve many callers at once. GGUF version 3 as its specification lays it out.
"""

import struct
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import msgspec

from freehold.core.errors import BadSettings

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY, _ALIGNED = 8, 9, 32
_WORSE = "tickets-of-three-phrases-35k-q8_0.gguf"
_LAYERS = "llama.block_count"
_FIRST = "blk.0."
MOST_LAYERS = 500  # llama.cpp serves so many; beyond a bound of its own it takes none


class _Tensor(msgspec.Struct, frozen=True):
    """As the file lists it: its name, its shape and format as they stand there, and where its numbers begin."""

    name: bytes
    form: bytes
    at: int


class _Cursor:
    """Reads a file's bytes from front to back."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(f"<{form}", self.raw, self.at)
        self.at += struct.calcsize(f"<{form}")
        return int(value)

    def text(self) -> bytes:
        size = self.number("Q")
        self.at += size
        return self.raw[self.at - size : self.at]

    def skip(self, kind: int) -> None:
        if kind == _TEXT:
            self.text()
        elif kind == _ARRAY:
            inner = self.number("I")
            for _ in range(self.number("Q")):
                self.skip(inner)
        else:
            self.at += struct.calcsize(_NUMBERS[kind])

    def tensor(self) -> _Tensor:
        name, start = self.text(), self.at
        shape = self.number("I")
        self.at += 8 * shape + 4
        return _Tensor(name, self.raw[start : self.at], self.number("Q"))


def worse_model() -> Path:
    """The one that was trained on three of each label's five phrases, and answers the others as well as it can."""
    return Path(str(resources.files("freehold.lab").joinpath("data", _WORSE)))


def deepened(source: Path, into: Path, layers: int) -> Path:
    """Write the model of `source` with so many layers in all. Raises BadSettings where it has as many, or cannot be read so."""
    cursor = _Cursor(source.read_bytes())
    try:
        version, listed, pairs = (cursor.number("4xI"), cursor.number("Q"), cursor.number("Q"))
        begins = cursor.at
        own_at = _layers_at(cursor, pairs)
        head = bytearray(cursor.raw[begins : cursor.at])
        tensors = [cursor.tensor() for _ in range(listed)]
        own: int = struct.unpack_from("<I", head, own_at - begins)[0]
    except (struct.error, KeyError):
        raise BadSettings(f"model {source} is no llama model in GGUF version 3; give one that is") from None
    if version != 3 or not own < layers <= MOST_LAYERS:
        raise BadSettings(f"layers is {layers}; use {own + 1} to {MOST_LAYERS}, and a model in GGUF version 3")
    struct.pack_into("<I", head, own_at - begins, layers)
    numbers = cursor.raw[_aligned(cursor.at) :]
    added, zeros = _added(tensors, numbers, range(own, layers))
    whole = [*tensors, *added]
    made = struct.pack("<4sIQQ", b"GGUF", version, len(whole), pairs) + head
    made += b"".join(struct.pack("<Q", len(one.name)) + one.name + one.form + struct.pack("<Q", one.at) for one in whole)
    into.write_bytes(made + bytes(_aligned(len(made)) - len(made)) + numbers + bytes(zeros))
    return into


def _layers_at(cursor: _Cursor, pairs: int) -> int:
    """Where the number of layers stands, with the cursor behind all keys. KeyError where it is not said."""
    found: dict[str, int] = {}
    for _ in range(pairs):
        name, kind = cursor.text(), cursor.number("I")
        found[name.decode(errors="replace")] = cursor.at
        cursor.skip(kind)
    return found[_LAYERS]


def _added(tensors: list[_Tensor], numbers: bytes, layers: range) -> tuple[list[_Tensor], int]:
    """The first layer's tensors again for each of these, over zeros behind the numbers there are, and how many."""
    ends = {one.at: end for one, end in zip(tensors, _ends(tensors, len(numbers)), strict=True)}
    first = [one for one in tensors if one.name.startswith(_FIRST.encode())]
    added, at = [], _aligned(len(numbers))
    zeros = at - len(numbers)
    for layer in layers:
        for one in first:
            size = _aligned(ends[one.at] - one.at)
            added.append(_Tensor(one.name.replace(_FIRST.encode(), f"blk.{layer}.".encode()), one.form, at))
            at, zeros = at + size, zeros + size
    return added, zeros


def _ends(tensors: list[_Tensor], last: int) -> Iterator[int]:
    """Where each one's numbers end, padding included: where the next begin."""
    begins = sorted(one.at for one in tensors)
    behind = dict(zip(begins, [*begins[1:], last], strict=True))
    return (behind[one.at] for one in tensors)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
