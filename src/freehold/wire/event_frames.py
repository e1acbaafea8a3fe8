"""`application/vnd.amazon.eventstream`: cut a byte stream into whole frames, and read one. Smithy's event stream specification.

A frame is its length, the length of its headers, a CRC-32 of those two, headers, payload, and a CRC-32 of all before it.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

Value: TypeAlias = bool | int | bytes | str

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_SIZE = struct.Struct(">H")
_LEAST_BYTES = _PRELUDE.size + _CRC.size
_MOST_HEADER_BYTES = 128 * 1024
_NUMBERS = {kind: struct.Struct(form) for kind, form in {2: ">b", 3: ">h", 4: ">i", 5: ">q", 8: ">q"}.items()}
_TRUE, _FALSE, _BYTES, _TEXT, _UUID, _UUID_BYTES = 0, 1, 6, 7, 9, 16


class Frame(msgspec.Struct, frozen=True):
    """One frame: its headers by name, and its payload as it came. A time is in milliseconds, a UUID its 16 bytes."""

    headers: Mapping[str, Value]
    payload: bytes


class FrameSplitter:
    """The Splitter port: feed chunks cut anywhere; take whole frames, whose concatenation is the input."""

    content_type = "application/vnd.amazon.eventstream"

    def __init__(self, max_frame_bytes: int = 4 * 1024 * 1024) -> None:
        self._buffer = bytearray()
        self._max = max_frame_bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        """The frames that this chunk completes. Raises ValueError on bytes that begin none, but never in place of frames: then
        at the next call."""
        self._buffer += chunk
        frames: list[bytes] = []
        start = 0
        try:
            while (length := self._length(start)) is not None and start + length <= len(self._buffer):
                frames.append(bytes(self._buffer[start : start + length]))
                start += length
        except ValueError:
            if not frames:
                raise
        del self._buffer[:start]
        return frames

    def require_short(self) -> None:
        """Raises ValueError where what is under way is no frame, or one past the limit."""
        self._length(0)

    def rest(self) -> bytes:
        """What came after the last whole frame."""
        return bytes(self._buffer)

    def _length(self, start: int) -> int | None:
        """Of the frame that begins there; None while too little of it has come. Raises ValueError where none can begin there."""
        if len(self._buffer) - start < _PRELUDE.size:
            return None
        length, headers, crc = _PRELUDE.unpack_from(self._buffer, start)
        if zlib.crc32(memoryview(self._buffer)[start : start + 8]) != crc:
            raise ValueError("what came is no event stream: the checksum of a frame's lengths is wrong")
        if not _LEAST_BYTES + headers <= length <= self._max or headers > _MOST_HEADER_BYTES:
            raise ValueError(f"a frame's lengths cannot be, or it exceeds {self._max} bytes")
        return int(length)


def read_frame(frame: bytes) -> Frame:
    """One whole frame. Raises ValueError on lengths, checksums or headers that are wrong."""
    if len(frame) < _LEAST_BYTES:
        raise ValueError("a frame is cut off")
    length, size, crc = _PRELUDE.unpack_from(frame)
    if length != len(frame) or _LEAST_BYTES + size > length or zlib.crc32(frame[:8]) != crc:
        raise ValueError("a frame's lengths or their checksum are wrong")
    if zlib.crc32(frame[: -_CRC.size]) != _CRC.unpack_from(frame, length - _CRC.size)[0]:
        raise ValueError("a frame's checksum is wrong")
    end = _PRELUDE.size + size
    return Frame(_headers(frame[_PRELUDE.size : end]), frame[end : -_CRC.size])


def _headers(data: bytes) -> dict[str, Value]:
    found: dict[str, Value] = {}
    at = 0
    try:
        while at < len(data):
            name, at = _taken(data, at + 1, data[at])
            value, at = _value(data, at + 1, data[at])
            if (known := name.decode()) in found:
                raise ValueError("a frame has two headers of one name")
            found[known] = value
    except (IndexError, struct.error):
        raise ValueError("a frame's headers are cut off") from None
    return found


def _value(data: bytes, at: int, kind: int) -> tuple[Value, int]:
    """(the value, where the next header begins)."""
    if kind in {_TRUE, _FALSE}:
        return kind == _TRUE, at
    if kind in _NUMBERS:
        number: int = _NUMBERS[kind].unpack_from(data, at)[0]
        return number, at + _NUMBERS[kind].size
    if kind == _UUID:
        return _taken(data, at, _UUID_BYTES)
    if kind not in {_BYTES, _TEXT}:
        raise ValueError("a frame's header is of a kind that there is not")
    value, after = _taken(data, at + _SIZE.size, _SIZE.unpack_from(data, at)[0])
    return (value.decode() if kind == _TEXT else value), after


def _taken(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise IndexError
    return data[at : at + size], at + size
