"""Who is let in: by a bearer key or x-api-key, of which only the digest is kept."""

import pytest

from freehold.core.data import DataClass, Handling
from freehold.core.errors import Unauthenticated
from freehold.serve.access.keys import Key, Keyring, admit, credential, digest, new_key

KEY = new_key()
NOW = 1_800_000_000.0
OWNER = Key("app", digest(KEY), frozenset({"triage"}), Handling(DataClass.internal))
RING = Keyring([Key("other", digest(new_key())), OWNER])


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer   {KEY} "},
        {"x-api-key": KEY},
        {"authorization": "Basic dXNlcjpwYXNz", "x-api-key": KEY},
    ],
)
def test_the_two_headers_sdks_use(headers: dict[str, str]) -> None:
    assert admit(headers, [Keyring([]), RING], NOW) is OWNER


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer fh_other"},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Bearer {digest(KEY)}"},
        {"authorization": f"Bearer {KEY.swapcase()}"},
        {"authorization": "Bearer wrong", "x-api-key": KEY},
        {"x-api-key": "clé"},
    ],
)
def test_an_unknown_key(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated, match="unknown API key"):
        admit(headers, [Keyring([]), RING], NOW)


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": ""}, {"authorization": "Bearer "}, {"authorization": KEY}, {"x-api-key": ""}]
)
def test_no_key(headers: dict[str, str]) -> None:
    assert credential(headers) is None
    with pytest.raises(Unauthenticated, match="no API key: send 'Authorization: Bearer <key>'"):
        admit(headers, [Keyring([]), RING], NOW)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (Key("app", digest(KEY), revoked=True), "the API key 'app' was revoked"),
        (Key("app", digest(KEY), expires_at=NOW), "the API key 'app' has expired"),
    ],
)
def test_a_key_that_is_over(key: Key, words: str) -> None:
    with pytest.raises(Unauthenticated, match=words):
        admit({"x-api-key": KEY}, [Keyring([key])], NOW)


def test_the_first_ring_that_has_it_counts() -> None:
    rings = [Keyring([Key("first", digest(KEY))]), Keyring([Key("second", digest(KEY), revoked=True)])]
    assert admit({"x-api-key": KEY}, rings, NOW).name == "first"


def test_keys_are_fresh_and_long() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith("fh_") and len(key) >= 40 for key in keys)
    assert KEY not in repr(OWNER)
