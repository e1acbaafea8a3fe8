"""Who is let in: by a bearer key or x-api-key, of which only the digest is kept."""

import pytest

from freehold.core.data import DataClass, Handling
from freehold.core.errors import Unauthenticated
from freehold.serve.access.keys import Key, Keyring, credential, digest, new_key

KEY = new_key()
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
    assert RING.admit(headers) is OWNER


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
        RING.admit(headers)


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": ""}, {"authorization": "Bearer "}, {"authorization": KEY}, {"x-api-key": ""}]
)
def test_no_key(headers: dict[str, str]) -> None:
    assert credential(headers) is None
    with pytest.raises(Unauthenticated, match="no API key: send 'Authorization: Bearer <key>'"):
        RING.admit(headers)


def test_keys_are_fresh_and_long() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith("fh_") and len(key) >= 40 for key in keys)
    assert KEY not in repr(OWNER)
