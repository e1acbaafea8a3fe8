"""Images whose usage never came: their size from their own bytes, their tokens by the provider's rule, never by their bytes."""

import base64
import json
import struct
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.wire.media_tokens import FLOOR_TOKENS, Media, Rule, image_size, media_of


def png(width: int, height: int) -> str:
    head = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunk + b"\0" * 1000).decode()


def jpeg(width: int, height: int) -> str:
    thumbnail = b"\xff\xe1" + struct.pack(">H", 3002) + b"\0" * 3000
    size = b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + b"\0" * 10
    return base64.b64encode(b"\xff\xd8" + thumbnail + size).decode()


def webp(kind: bytes, body: bytes) -> str:
    return base64.b64encode(b"RIFF\0\0\0\0WEBP" + kind + b"\0\0\0\0" + body + b"\0" * 20).decode()


@pytest.mark.parametrize(
    "data",
    [
        png(640, 480),
        "data:image/png;base64," + png(640, 480),
        jpeg(640, 480),
        base64.b64encode(b"GIF89a" + struct.pack("<HH", 640, 480) + b"\0" * 9).decode(),
        webp(b"VP8X", b"\0\0\0\0" + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")),
        webp(b"VP8L", b"\x2f" + (639 | 479 << 14).to_bytes(4, "little")),
        webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480)),
    ],
    ids=["png", "data url", "jpeg", "gif", "webp", "webp lossless", "webp lossy"],
)
def test_the_size_stands_in_the_image(data: str) -> None:
    assert image_size(data) == (640, 480)


@pytest.mark.parametrize("data", ["", "https://example.org/cat.png", "data:image/png;base64,", "%%%%", png(640, 480)[:20]])
def test_what_shows_no_size_has_none(data: str) -> None:
    assert image_size(data) is None


def chat(url: str, **more: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def asked(*parts: dict[str, Any]) -> dict[str, msgspec.Raw]:
    content = [{"type": "text", "text": "what is this?"}, *parts]
    return {"messages": msgspec.Raw(json.dumps([{"role": "user", "content": content}]).encode())}


@pytest.mark.parametrize(
    ("rule", "model", "size", "tokens"),
    [
        ("openai", "gpt-4o", (1024, 1024), 765),  # this one and the next are examples of OpenAI's guide
        ("openai", "gpt-4o-2024-11-20", (2048, 4096), 1105),
        ("openai", "gpt-4.1", (128, 64), 255),
        ("google", "gemini-2.5-flash", (384, 384), 258),
        ("google", "gemini-2.5-flash", (1000, 700), 516),
        ("anthropic", "claude-sonnet-4-5", (750, 300), 300),
        ("anthropic", "claude-sonnet-4-5", (4000, 4000), 1600),
    ],
)
def test_an_image_costs_what_the_providers_rule_says(rule: Rule, model: str, size: tuple[int, int], tokens: int) -> None:
    data = png(*size)
    assert media_of(asked(chat(data)), rule, model) == Media(tokens, len(data), 0)
    source = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    assert media_of(asked(source), rule, model) == Media(tokens, len(data), 0)
    responses = {"type": "input_image", "image_url": data}
    assert media_of(asked(responses), rule, model) == Media(tokens, len(data), 0)


def test_low_detail_costs_the_base_alone() -> None:
    assert media_of(asked(chat(png(2000, 2000), detail="low")), "openai", "gpt-4o").tokens == 85


@pytest.mark.parametrize(
    ("rule", "model", "data"),
    [
        ("openai", "gpt-4o-mini", png(9, 9)),  # another rule
        ("openai", "gpt-4o", "https://example.org/cat.png"),
        (None, "llava", png(9, 9)),
    ],
)
def test_without_a_size_or_a_rule_there_is_a_floor_and_it_is_said(rule: Rule | None, model: str, data: str) -> None:
    assert media_of(asked(chat(data), chat(data)), rule, model) == Media(2 * FLOOR_TOKENS, 2 * len(data), 2)


def test_sound_and_files_are_known_to_be_there_and_nothing_more() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA" * 500, "format": "wav"}}
    paper = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE" * 500}}
    assert media_of(asked(sound, paper), "anthropic", "m") == Media(0, 4000, 2)


def test_text_is_no_media() -> None:
    assert media_of(asked(), "openai", "gpt-4o") == Media()
    prose = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "many words " * 50}}
    assert media_of(asked(prose), "anthropic", "m").characters == 0


names = st.sampled_from(["type", "image_url", "url", "source", "data", "detail", "input_audio", "image", "file", "text"])
values = st.recursive(
    st.none() | st.integers() | names | st.just("data:image/png;base64,iVBORw0KGgo=") | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_no_shape_of_a_body_costs_the_entry(content: Any) -> None:
    """It is read while an entry is settled: whatever a caller sent, a count comes out."""
    media = media_of({"messages": msgspec.Raw(json.dumps([content]).encode())}, "openai", "gpt-4o")
    assert min(media.tokens, media.characters, media.unknown) >= 0


@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xd8", b"RIFF\0\0\0\0WEBPVP8X", b"GIF89a", b"\x89PNG\r\n\x1a\n"]))
def test_no_bytes_of_an_image_do_either(rest: bytes, start: bytes) -> None:
    size = image_size(base64.b64encode(start + rest).decode())
    assert size is None or min(size) >= 0
