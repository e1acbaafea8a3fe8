"""Where a request's remote media leads: one plain host, or nowhere that could be listed."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.wire.egress import Fields, judge, media_hosts


def judged(messages: list[dict[str, Any]]) -> tuple[frozenset[str], frozenset[str]]:
    fields: Fields = {"messages": msgspec.Raw(msgspec.json.encode(messages))}
    kinds = judge(fields, set())
    return kinds, media_hosts(fields)


def hosts(url: str) -> frozenset[str]:
    return judged([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])[1]


@pytest.mark.parametrize(
    "url",
    ["https://cdn.example.org/a.png", "https://CDN.example.org", "HTTPS://cdn.example.org?x=1#y", "https://cdn.example.org/a@b"],
)
def test_a_plain_url_has_one_host(url: str) -> None:
    assert hosts(url) == {"cdn.example.org"}


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example.org/a.png", "https://cdn.example.org:8443/a.png", "https://cdn.example.org:443/",
        "https://me@cdn.example.org/", "https://evil.example\\@cdn.example.org/", "https://cdn.example.org\\.evil.example/",
        "https:/cdn.example.org/", "https:cdn.example.org", "//cdn.example.org/", " https://cdn.example.org/",
        "https://cdn.example.org/a b", "https://cdn.example.org/\t", "https://cdn.example.org\n.evil.example/", "https://",
        "https://cdn.exämple.org/", "https://[::1]/", "file:///etc/passwd", "ftp://cdn.example.org/", "cdn.example.org/a.png",
        "https://cdn.example.org%2eevil.example/",
    ],
)  # fmt: skip
def test_anything_less_plain_has_none(url: str) -> None:
    assert hosts(url) == {""}


@pytest.mark.parametrize(
    "url", ["https://cdn.example.org.evil.example/", "https://evil.example/cdn.example.org", "https://127.0.0.1/"]
)
def test_a_look_alike_is_another_host(url: str) -> None:
    assert "cdn.example.org" not in hosts(url)


def test_data_urls_and_text_lead_nowhere() -> None:
    assert judged([{"role": "user", "content": "see https://evil.example/"}]) == (frozenset(), frozenset())
    parts = [
        {"type": "text", "text": "https://evil.example/"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
    ]
    assert judged([{"role": "user", "content": parts}]) == (frozenset(), frozenset())


def test_every_place_counts() -> None:
    parts = [{"type": "image_url", "image_url": {"url": f"https://{n}.example/"}} for n in "ab"]
    beside = {"role": "user", "content": parts, "video": {"deep": [{"url": "https://c.example/"}]}}
    assert judged([beside]) == (
        frozenset({"remote_media"}),
        frozenset({"a.example", "b.example", "c.example"}),
    )


texts = st.one_of(
    st.text(max_size=12), st.sampled_from(["https://a.example/x", "//b.example", "http://c", "data:x", "f-1", "ht\ttps://x.test"])
)
values = st.recursive(texts, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=2))
KEYS = st.sampled_from(["type", "text", "url", "image_url", "file_id", "id", "detail", "input_audio", "x"])
messages = st.fixed_dictionaries(
    {"role": st.just("user")},
    optional={
        "content": st.text(max_size=20) | st.lists(st.dictionaries(KEYS, values, max_size=3), max_size=3) | st.none(),
        "audio": values,
        "picture": values,
    },
)


@given(st.lists(messages, max_size=3))
def test_remote_media_always_has_a_host_to_judge(said: list[dict[str, Any]]) -> None:
    """Else an empty set would be a part of every list."""
    kinds, found = judged(said)
    assert bool(found) == ("remote_media" in kinds)
