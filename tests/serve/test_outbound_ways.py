"""TLS, proxies and names on the way out, against real servers with certificates of a CA made here."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from certificates import Authority
from outbound_clients import Client

from freehold.core.ports import HttpCall, Outbound, UpstreamFailure
from freehold.serve.transport.outbound import trust
from freehold.serve.transport.ways import Way, is_loopback, origin

pytest_plugins = ("outbound_loops",)

WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def server(context: ssl.SSLContext | None, seen: list[bytes]) -> AsyncIterator[int]:
    """Answers every request with the same; the first line of each is noted."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0])
            writer.write(WHOLE)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


@asynccontextmanager
async def proxy(seen: list[bytes]) -> AsyncIterator[str]:
    """A real HTTP proxy for CONNECT: it sees the address, and then bytes it cannot read."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            seen.append(data)
            writer.write(data)
        writer.close()
        await writer.wait_closed()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.append(task)
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head)
        host, _, port = head.split()[1].decode().rpartition(":")
        there, away = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(pipe(reader, away), pipe(there, writer), return_exceptions=True)

    serving: list[asyncio.Task[None]] = []
    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    await asyncio.gather(*serving)


async def answer(outbound: Outbound, url: str) -> tuple[int, bytes]:
    reply = await outbound.send(HttpCall(f"{url}/v1/chat/completions", {}, b"a-secret-prompt"))
    try:
        return reply.status, await reply.read(10)
    finally:
        reply.close()


async def test_a_certificate_that_nobody_known_signed_is_refused(client: Client, authority: Authority) -> None:
    seen: list[bytes] = []
    async with server(authority.context, seen) as port, client() as outbound:
        with pytest.raises(
            UpstreamFailure, match=r"certificate is not trusted: unable to get local issuer certificate"
        ) as failed:
            await answer(outbound, f"https://127.0.0.1:{port}")
    assert (failed.value.outcome, seen) == ("unreachable", [])
    assert "127.0.0.1" not in failed.value.detail, "callers see it"


async def test_with_the_targets_own_certificates_it_is_trusted(client: Client, authority: Authority) -> None:
    seen: list[bytes] = []
    async with server(authority.context, seen) as port, client() as outbound:
        outbound.follow({f"https://127.0.0.1:{port}": Way(ca=authority.pem)})
        assert await answer(outbound, f"https://127.0.0.1:{port}") == (200, b"ok")


async def test_a_right_certificate_for_another_name_is_refused(client: Client, authority: Authority) -> None:
    async with server(authority.context, []) as port, client() as outbound:
        outbound.follow({f"https://localhost:{port}": Way(ca=authority.pem)})
        with pytest.raises(UpstreamFailure, match=r"not trusted: Hostname mismatch$"):
            await answer(outbound, f"https://localhost:{port}")


async def test_another_authority_is_another(client: Client, authority: Authority, tmp_path: Path) -> None:
    async with server(authority.context, []) as port, client() as outbound:
        outbound.follow({f"https://127.0.0.1:{port}": Way(ca=Authority(tmp_path, "strangers").pem)})
        with pytest.raises(UpstreamFailure, match="not trusted"):
            await answer(outbound, f"https://127.0.0.1:{port}")


async def test_an_origin_keeps_its_way_until_it_is_given_another(client: Client, authority: Authority, tmp_path: Path) -> None:
    async with server(authority.context, []) as port, client() as outbound:
        here = f"https://127.0.0.1:{port}"
        outbound.follow({here: Way(ca=authority.pem)})
        outbound.follow({"https://elsewhere.example:443": Way()})
        assert (await answer(outbound, here))[0] == 200
        outbound.follow({here: Way()})
        with pytest.raises(UpstreamFailure, match="not trusted"):
            await answer(outbound, here)


async def test_a_stated_proxy_is_used_and_reads_nothing(client: Client, authority: Authority) -> None:
    there: list[bytes] = []
    passed: list[bytes] = []
    async with server(authority.context, there) as port, proxy(passed) as between, client() as outbound:
        here = f"https://127.0.0.1:{port}"
        outbound.follow({here: Way(ca=authority.pem, proxy=between)})
        assert await answer(outbound, here) == (200, b"ok")
    assert passed[0].startswith(f"CONNECT 127.0.0.1:{port} ".encode())
    assert b"a-secret-prompt" not in b"".join(passed)
    assert len(there) == 1


async def test_a_further_call_on_another_host_goes_the_targets_way(client: Client, authority: Authority) -> None:
    """The target is never reached here: only what follows from its answer is, on a host of which no way is known."""
    there: list[bytes] = []
    passed: list[bytes] = []
    async with server(authority.context, there) as port, proxy(passed) as between, client() as outbound:
        here, call = f"https://127.0.0.1:{port}", HttpCall(f"https://127.0.0.1:{port}/stream", {}, b"", "GET")
        outbound.follow({"https://api.test:443": Way(ca=authority.pem), "https://proxied.test:443": Way(authority.pem, between)})
        with pytest.raises(UpstreamFailure, match="not trusted"):
            await answer(outbound, here)
        for target, proxied in (("https://api.test/v1", 0), ("https://proxied.test/v1", 1)):
            reply = await outbound.send(msgspec.structs.replace(call, of=target))
            assert (reply.status, await reply.read(10)) == (200, b"ok")
            reply.close()
            assert sum(data.startswith(b"CONNECT ") for data in passed) == proxied
    assert there == [b"GET /stream HTTP/1.1"] * 2


@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "all_proxy"])
@pytest.mark.parametrize("tls", [True, False])
async def test_the_environments_proxies_see_nothing(
    client: Client, authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str, tls: bool
) -> None:
    passed: list[bytes] = []
    async with proxy(passed) as between, server(authority.context if tls else None, []) as port:
        for variable in (name, name.upper()):
            monkeypatch.setenv(variable, between)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        here = f"http{'s' * tls}://127.0.0.1:{port}"
        async with client() as outbound:
            outbound.follow({here: Way(ca=authority.pem if tls else None)})
            assert await answer(outbound, here) == (200, b"ok")
    assert passed == []


@pytest.mark.asyncio(loop_factories=["asyncio"])  # uvloop asks the system without asking this module
async def test_a_loopback_name_that_leads_elsewhere_leads_nowhere(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after DNS rebinding, or with a line in the hosts file."""
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("192.0.2.7", *rest, **more))
    async with client(connect_s=1) as outbound:
        with pytest.raises(UpstreamFailure, match="localhost leads to another machine") as failed:
            await answer(outbound, "http://localhost:9")
    assert failed.value.outcome == "unreachable"


async def test_a_loopback_name_still_leads_here(client: Client) -> None:
    async with server(None, []) as port, client() as outbound:
        assert await answer(outbound, f"http://localhost:{port}") == (200, b"ok")


@pytest.mark.parametrize("text", ["", "no certificates", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "é"])
def test_what_is_no_certificate_is_refused_and_not_the_systems_trust(text: str) -> None:
    with pytest.raises(ValueError, match="certificates"):
        trust(text)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.5", "192.168.1.1", "0.0.0.0", "localhost.example.org", "127.0.0.1.nip.io", "127.1", ""])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://API.example.org/v1/x?y") == origin("https://api.example.org:443") == "https://api.example.org:443"
    assert origin("http://api.example.org") != origin("https://api.example.org")
