"""Where a URL leads: what is written into a request, and which addresses its host may have."""

import socket

import pytest

from freehold.serve.transport.places import Place, Resolver


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://10.0.0.5:8000/v1/x", Place(False, "10.0.0.5", 8000, "10.0.0.5:8000", "/v1/x")),
        ("https://API.Example.org", Place(True, "api.example.org", 443, "api.example.org", "/")),
        ("https://api.example.org:443/a?b=c&d=%20#part", Place(True, "api.example.org", 443, "api.example.org", "/a?b=c&d=%20")),
        ("http://api.example.org:443/", Place(False, "api.example.org", 443, "api.example.org:443", "/")),
        ("http://[::1]:9/", Place(False, "::1", 9, "[::1]:9", "/")),
        ("https://bücher.example/ä b", Place(True, "xn--bcher-kva.example", 443, "xn--bcher-kva.example", "/%C3%A4%20b")),
    ],
)
def test_parts_of_a_url(url: str, place: Place) -> None:
    assert Place.of(url) == place


@pytest.mark.parametrize("url", ["ftp://x/", "//x/", "http://", "http://me:word@x/", "http://x:99999/", "http://[::1/", ""])
def test_what_is_no_url_of_ours(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        Place.of(url)
    assert "word" not in str(refused.value)


async def test_an_address_asks_nobody_and_a_name_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def ask(host: str, *rest: object, **more: object) -> object:
        asked.append(host)
        return real(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    resolver = Resolver()
    assert [found[4][:2] for found in await resolver.addresses("192.0.2.7", 80)] == [("192.0.2.7", 80)]
    assert [found[0] for found in await resolver.addresses("2001:db8::7", 80)] == [socket.AF_INET6]
    for _ in range(3):
        assert all(found[4][0] in {"127.0.0.1", "::1"} for found in await resolver.addresses("localhost", 80))
    assert asked == ["localhost"]
