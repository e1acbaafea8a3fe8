"""Tokens of the images in a request whose usage never came: by the provider's own rule and the image's size, or a floor.

Rules: OpenAI, "Images and vision", tiles of 512 pixels (GPT-4o and GPT-4.1; the small ones have another rule); Anthropic,
"Vision", pixels / 750 up to about 1,600 tokens; Google, "Understand and count tokens", 258 tokens a tile of 768 pixels. All as
known in 2026-11. Bytes say nothing of it: a photograph of 2 MB is no half a million tokens.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

Rule: TypeAlias = Literal["openai", "anthropic", "google"]

FLOOR_TOKENS = 85  # of an image whose size or price is not known: the least that any of these rules asks for a small one
_TILED = re.compile(r"(?:chatgpt-)?gpt-4(?:o|\.1|\.5|-turbo)(?!.*(?:mini|nano))")
_HEAD_CHARACTERS = 256 * 1024  # of base64; a JPEG may have a picture of itself before its size
_OPAQUE_CHARACTERS = 256


class Media(msgspec.Struct, frozen=True):
    """What the media of a request come to: `tokens` at least, the `characters` of JSON that they took instead, and how many of
    them count with no more than a floor."""

    tokens: int = 0
    characters: int = 0
    unknown: int = 0


def media_of(fields: Mapping[str, msgspec.Raw], rule: Rule | None, model: str) -> Media:
    """The images, sounds and files that stand in the request itself or are pointed to. Raises ValueError on what is no JSON."""
    tokens = characters = unknown = 0
    for raw in fields.values():
        for part in _parts(msgspec.json.decode(raw)) if memoryview(raw)[0] in b"[{" else ():
            kind, detail, data = _said(part)
            size = image_size(data) if kind == "image" else None
            counted = None if size is None else _image_tokens(size, detail, rule, model)
            tokens += (FLOOR_TOKENS if kind == "image" else 0) if counted is None else counted
            characters += len(data)
            unknown += counted is None
    return Media(tokens, characters, unknown)


def image_size(data: str) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG, JPEG, GIF or WebP in base64, with or without `data:` before it; None for all else."""
    if data.startswith("data:"):
        data = data.partition(",")[2]
    head = data[:_HEAD_CHARACTERS]
    try:
        found = base64.b64decode(head[: len(head) // 4 * 4])
    except (binascii.Error, ValueError):
        return None
    if found[:8] == b"\x89PNG\r\n\x1a\n" and len(found) >= 24:
        return int.from_bytes(found[16:20], "big"), int.from_bytes(found[20:24], "big")
    if found[:4] == b"GIF8" and len(found) >= 10:
        return int.from_bytes(found[6:8], "little"), int.from_bytes(found[8:10], "little")
    if found[:4] == b"RIFF" and found[8:12] == b"WEBP" and len(found) >= 30:
        return _webp_size(found)
    return _jpeg_size(found) if found[:2] == b"\xff\xd8" else None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _image_tokens(size: tuple[int, int], detail: str, rule: Rule | None, model: str) -> int | None:
    width, height = size
    if min(size) <= 0:
        return None
    match rule:
        case "openai" if _TILED.match(model):
            return 85 if detail == "low" else 85 + 170 * _tiles(*_fitted(width, height), 512)
        case "anthropic":
            return min(1600, -(-width * height // 750))
        case "google":
            return 258 if max(size) <= 384 else 258 * _tiles(width, height, 768)
        case _:
            return None


def _fitted(width: int, height: int) -> tuple[int, int]:
    """Within a square of 2,048 pixels, then with a shorter side of 768 at most."""
    scale = min(1.0, 2048 / max(width, height))
    scale *= min(1.0, 768 / (min(width, height) * scale))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _tiles(width: int, height: int, side: int) -> int:
    return -(-width // side) * -(-height // side)


def _parts(root: Any) -> Iterator[dict[str, Any]]:
    """The parts of content that are media, in any of the dialects; a list of places to look, not recursion."""
    places = [root]
    while places:
        value = places.pop()
        if isinstance(value, list):
            places.extend(value)
        elif isinstance(value, dict):
            kind = value.get("type")
            if isinstance(kind, str) and kind in _KINDS:
                yield value
            else:
                places.extend(value.values())


_KINDS = {
    "image_url": "image", "input_image": "image", "image": "image", "input_audio": "audio", "audio": "audio", "file": "file",
    "input_file": "file", "document": "file", "video_url": "video",
}  # fmt: skip


def _said(part: dict[str, Any]) -> tuple[str, str, str]:
    """(kind, detail, data): the encoded bytes, or the address where they are."""
    kind = _KINDS[part["type"]]
    inner = next((part[name] for name in (part["type"], "image_url", "source", "file") if name in part), part)
    if isinstance(inner, str):
        return kind, str(part.get("detail", "")), inner
    texts = [text for text in inner.values() if isinstance(text, str)] if isinstance(inner, dict) else []
    detail = str(inner.get("detail", "")) if isinstance(inner, dict) else ""
    data = max(texts, key=len, default="")
    # A document may be text, which counts as any text does.
    return kind, detail, data if len(data) <= _OPAQUE_CHARACTERS or " " not in data else ""
