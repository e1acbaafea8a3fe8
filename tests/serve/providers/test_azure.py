"""Azure OpenAI with a token of Microsoft Entra: the real library asks a managed identity's endpoint, as on a machine in Azure."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from azure import identity as azure_identity

from freehold.core.conversation import Conversation, Text, Turn
from freehold.core.data import DataClass
from freehold.core.ports import HttpCall, UpstreamFailure
from freehold.core.target import Target
from freehold.serve.codecs import adapted
from freehold.serve.providers import PROVIDERS
from freehold.serve.providers.azure import sign_in
from freehold.serve.transport.direct import DirectOutbound
from freehold.wire.openai_chat import ChatSurface

ASK = Conversation(turns=(Turn("user", (Text("hi"),)),))
CHAT = ChatSurface().read(b'{"model":"w","messages":[{"role":"user","content":"hi"}]}', {})


@asynccontextmanager
async def azure(came: list[str], token: str | None = "entra-token") -> AsyncIterator[str]:
    """The identity endpoint of a machine and a resource at once; what came: each head."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = next((int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0)
        await reader.readexactly(size)
        came.append(head)
        body = {"id": "c"}
        if head.startswith("GET /identity"):
            body = {"access_token": token or "", "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}
        status = 200 if token is not None else 400
        data = json.dumps(body).encode()
        writer.write(b"HTTP/1.1 %d .\r\nconnection: close\r\ncontent-type: application/json\r\n" % status)
        writer.write(b"content-length: %d\r\n\r\n%b" % (len(data), data))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture(autouse=True)
def a_managed_identity_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the chain's places, the only one that is asked: nothing of who runs the tests is found."""
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setenv("IDENTITY_HEADER", "of-this-machine")


def target(url: str) -> Target:
    return Target(name="t", kind="rented", codec="azure", url=url, model="gpt-4o-eu", clearance=DataClass.public)


async def test_every_call_bears_the_token_and_none_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[str] = []
    async with azure(came) as url, DirectOutbound() as outbound:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{url}/identity")
        there = target(url)
        codec = adapted(PROVIDERS["azure"].codec(), signer=sign_in(there))
        assert codec.composer is not None
        calls = [codec.composer.compose(ASK, there, stream=False), codec.natives["openai_chat"].encode(CHAT, there)]
        for call in calls:
            assert "authorization" not in call.headers, "it is written when the call is sent"
            reply = await outbound.send(call)
            assert await reply.read(1000) == b'{"id": "c"}'
            reply.close()
    identity, *asked = came
    assert identity.startswith("GET /identity?")
    assert "resource=https://cognitiveservices.azure.com" in identity
    assert "of-this-machine" in identity
    assert len(asked) == 2, "one token serves both"
    for head in asked:
        assert head.startswith("POST /openai/deployments/gpt-4o-eu/chat/completions?api-version=2024-10-21 HTTP/1.1\r\n")
        assert "authorization: Bearer entra-token\r\n" in head
        assert "api-key" not in head


@pytest.mark.parametrize(
    ("url", "cloud"),
    [("https://n.openai.azure.com", "com"), ("https://n.openai.azure.us", "us"), ("https://n.openai.azure.cn/", "cn")],
)
async def test_a_token_is_for_the_cloud_that_the_resource_is_in(url: str, cloud: str, monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[str] = []
    async with azure(came) as identity:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{identity}/identity")
        await sign_in(target(url))(HttpCall(url, {}, b""))
    assert f"resource=https://cognitiveservices.azure.{cloud}" in came[0]


@pytest.mark.parametrize(
    ("url", "stated", "asked"),
    [
        ("https://n.openai.azure.com", "", None),
        ("https://n.openai.azure.us", "", "login.microsoftonline.us"),
        ("https://n.openai.azure.cn", "", "login.chinacloudapi.cn"),
        ("https://n.openai.azure.us", "login.example.org", "login.example.org"),
    ],
)
def test_who_is_asked_for_it_is_of_that_cloud_too(
    url: str, stated: str, asked: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []

    class Recorded(azure_identity.DefaultAzureCredential):
        def __init__(self, *, authority: str | None) -> None:
            super().__init__(authority=authority)
            seen.append(authority)

    monkeypatch.setattr(azure_identity, "DefaultAzureCredential", Recorded)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", stated)
    sign_in(target(url))
    assert seen == [asked]


async def test_where_there_is_no_identity_the_call_fails_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with azure([], token=None) as url:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{url}/identity")
        with pytest.raises(UpstreamFailure, match=r"^no token of Microsoft Entra \([A-Za-z]+\)$") as raised:
            await sign_in(target(url))(HttpCall(url, {}, b""))
    assert raised.value.outcome == "rejected"
