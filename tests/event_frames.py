"""Frames of `application/vnd.amazon.eventstream` as AWS writes them, for the tests of those who read them."""

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

_KINDS = {0: "", 1: "", 2: ">b", 3: ">h", 4: ">i", 5: ">q", 8: ">q"}


def frame(headers: Mapping[str, tuple[int, Any]], payload: bytes) -> bytes:
    """One frame. Headers by name, each its kind and its value."""
    written = b"".join(_header(name, kind, value) for name, (kind, value) in headers.items())
    lengths = struct.pack(">II", 16 + len(written) + len(payload), len(written))
    whole = lengths + struct.pack(">I", zlib.crc32(lengths)) + written + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


def event(kind: str, payload: Any) -> bytes:
    """An event of that kind, its payload as JSON."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return frame({name: (7, value) for name, value in headers.items()}, json.dumps(payload).encode())


def exception(name: str, message: str = "the prompt itself") -> bytes:
    """An error inside a stream."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame({name: (7, value) for name, value in headers.items()}, json.dumps({"message": message}).encode())


def _header(name: str, kind: int, value: Any) -> bytes:
    head = bytes([len(name.encode())]) + name.encode() + bytes([kind])
    if kind in _KINDS:
        return head + (struct.pack(_KINDS[kind], value) if _KINDS[kind] else b"")
    data: bytes = value.encode() if kind == 7 else value
    return head + (data if kind == 9 else struct.pack(">H", len(data)) + data)
