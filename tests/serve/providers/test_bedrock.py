"""Bedrock behind the whole request line, over real connections: signed with AWS's own credential chain, or with an API key.

The server below checks every request against the published service model and its signature as AWS does, and answers in frames.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
from aws_signature import signed_by
from bedrock_model import check_event, check_reply, check_request
from event_frames import event, exception
from in_memory import MemoryLedger, MemorySink

from freehold.core.data import DataClass
from freehold.core.entry import Entry
from freehold.core.ports import HttpCall, UpstreamFailure
from freehold.core.target import Secret, Target, Workload
from freehold.serve.access.keys import Key, Keyring, digest
from freehold.serve.codecs import adapted
from freehold.serve.gateway.handle import handle
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.policy import Bounds, Policy
from freehold.serve.providers import PROVIDERS
from freehold.serve.providers.bedrock import sign_in
from freehold.serve.transport.direct import DirectOutbound
from freehold.serve.transport.ways import Way
from freehold.wire.anthropic_messages import MessagesComposer, MessagesSurface
from freehold.wire.openai_chat import ChatComposer, ChatSurface

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
JSON, FRAMES = "application/json", "application/vnd.amazon.eventstream"
SECRETS = {"AKIDTEST": "the-secret", "AKIDROLE1": "of-the-role-1", "AKIDROLE2": "of-the-role-2", "AKIDFILE": "of-the-file"}
COUNTS = {"inputTokens": 5, "cacheReadInputTokens": 15, "outputTokens": 2, "totalTokens": 22}
TOLD: dict[str, Any] = {"usage": COUNTS, "metrics": {"latencyMs": 9}}
SIDES = [(ChatSurface(), ChatComposer(), {}), (MessagesSurface(), MessagesComposer(), {"anthropic-version": "2023-06-01"})]
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Once "}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "upon"}}),
    ("contentBlockStop", {"contentBlockIndex": 0}), ("messageStop", {"stopReason": "end_turn"}), ("metadata", TOLD),
]  # fmt: skip


class Came(NamedTuple):
    """One request as it came over the wire."""

    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def signer(self) -> tuple[str, str] | None:
        return signed_by(SECRETS, self.line, self.headers, self.body)


class Said(NamedTuple):
    """A reply, and what comes a moment after it."""

    status: int
    kind: str
    body: bytes
    later: bytes = b""


def converse(came: Came) -> Said:
    """As AWS answers; a stranger as AWS answers strangers."""
    if came.signer is None and came.headers.get("authorization") != "Bearer top-secret":
        return Said(403, JSON, b'{"__type":"UnrecognizedClientException","message":"The security token is invalid."}')
    _, root, model, operation = came.line.split(" ")[1].split("/")
    assert root == "model"
    name = {"converse": "Converse", "converse-stream": "ConverseStream"}[operation]
    check_request(name, unquote(model), json.loads(came.body))
    if name == "ConverseStream":
        for kind, payload in EVENTS:
            check_event(kind, payload)
        return Said(200, FRAMES, b"".join(event(kind, payload) for kind, payload in EVENTS))
    said = {"output": {"message": {"role": "assistant", "content": [{"text": "Once upon"}]}}, "stopReason": "end_turn"} | TOLD
    check_reply(said)
    return Said(200, JSON, json.dumps(said).encode())


@asynccontextmanager
async def serving(answer: Callable[[Came], Said], came: list[Came]) -> AsyncIterator[str]:
    """A server that notes what comes; its root."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest)}
        came.append(Came(line, headers, await reader.readexactly(int(headers.get("content-length", 0)))))
        said = answer(came[-1])
        size = len(said.body + said.later)
        head = f"HTTP/1.1 {said.status} .\r\nconnection: close\r\ncontent-type: {said.kind}\r\ncontent-length: {size}\r\n\r\n"
        writer.write(head.encode() + said.body)
        if said.later:
            await asyncio.sleep(0.05)
            writer.write(said.later)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def target(url: str, **more: Any) -> Target:
    return Target(name="t", kind="rented", codec="bedrock", url=url, model=MODEL, clearance=DataClass.public, **more)


async def ask(
    answer: Callable[[Came], Said], side: Any = SIDES[0], *, stream: bool, key: str | None = None
) -> tuple[bytes, Entry, list[Came]]:
    """(what the caller reads, the entry, what came). Signed with what the environment has where there is no key."""
    surface, _, headers = side
    came: list[Came] = []
    ledger, sink = MemoryLedger(), MemorySink()
    async with serving(answer, came) as root, DirectOutbound() as outbound:
        there = target(root, secret=None if key is None else Secret(key))
        codec = PROVIDERS["bedrock"].codec()
        policy = Policy(
            version="v", targets={"t": there}, workloads={"w": Workload(name="w", targets=("t",))},
            codecs={"t": codec if key is not None else adapted(codec, signer=sign_in(there))}, engines={},
            keys=Keyring([Key("k", digest("key"))]), bounds=Bounds(), price=lambda target, day: None,
        )  # fmt: skip
        body = {"model": "w", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "Tell me"}]}

        async def sent() -> bytes:
            return json.dumps(body).encode()

        await handle(surface, {"authorization": "Bearer key"} | headers, sent, sink, Gateway(policy, outbound, ledger))
    return sink.body, ledger.entries[0], came


@pytest.fixture(autouse=True)
def nothing_of_this_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The credentials of who runs the tests are never found."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@pytest.fixture
def in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")


@pytest.mark.usefixtures("in_environment")
@pytest.mark.parametrize("side", SIDES, ids=["chat", "messages"])
@pytest.mark.parametrize("key", [None, "top-secret"], ids=["signed", "key"])
async def test_a_whole_answer(key: str | None, side: Any) -> None:
    body, entry, came = await ask(converse, side, stream=False, key=key)
    whole = side[1].whole(body)
    assert whole.choices[0].parts[0].text == "Once upon"
    assert whole.usage == entry.usage
    assert entry.usage is not None
    assert (entry.usage.input_tokens, entry.usage.cache_read, entry.usage.output_tokens) == (20, 15, 2)
    assert [one.line for one in came] == ["POST /model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse HTTP/1.1"]
    assert came[0].signer == (None if key else ("AKIDTEST", "eu-west-1/bedrock"))
    assert "the-secret" not in str(came)


@pytest.mark.usefixtures("in_environment")
@pytest.mark.parametrize("side", SIDES, ids=["chat", "messages"])
@pytest.mark.parametrize("key", [None, "top-secret"], ids=["signed", "key"])
async def test_a_streamed_answer(key: str | None, side: Any) -> None:
    body, entry, came = await ask(converse, side, stream=True, key=key)
    assert b"Once " in body
    assert body.endswith((b"data: [DONE]\n\n", b'data: {"type":"message_stop"}\n\n'))
    assert entry.usage is not None
    assert (entry.usage.input_tokens, entry.usage.source) == (20, "provider")
    assert came[0].line.endswith("%3A0/converse-stream HTTP/1.1")
    assert came[0].headers["accept"] == FRAMES


def broken_off(cut: bytes) -> Callable[[Came], Said]:
    beginning = b"".join(event(kind, payload) for kind, payload in EVENTS[:3])
    return lambda came: Said(200, FRAMES, beginning, cut)


@pytest.mark.usefixtures("in_environment")
@pytest.mark.parametrize(
    ("cut", "outcome"), [(b"", "cut"), (exception("throttlingException"), "broken"), (b"data: {}\n\n" * 2, "malformed")]
)
@pytest.mark.parametrize("side", SIDES, ids=["chat", "messages"])
async def test_frames_that_break_off(side: Any, cut: bytes, outcome: str) -> None:
    body, entry, _ = await ask(broken_off(cut), side, stream=True)
    assert b"upon" in body, "what came whole before it is passed on"
    assert b"stream_broken" in body or b"error" in body
    assert entry.attempts[-1].outcome == outcome
    assert entry.usage is not None
    assert entry.usage.source == "estimated"


@pytest.mark.usefixtures("in_environment")
@pytest.mark.parametrize("kind", ["text/event-stream", JSON])
async def test_a_stream_of_another_type_is_not_read_as_frames(kind: str) -> None:
    body, entry, _ = await ask(lambda came: converse(came)._replace(kind=kind), stream=True)
    assert b"targets_exhausted" in body
    assert (entry.attempts[-1].outcome, entry.attempts[-1].status) == ("malformed", 200)


async def test_without_credentials_the_target_fails_and_says_so_without_a_call() -> None:
    body, entry, came = await ask(converse, stream=False)
    assert came == []
    assert (entry.attempts[-1].outcome, entry.attempts[-1].detail) == ("rejected", "no AWS credentials (LookupError)")
    assert b"no AWS credentials" in body


async def test_credentials_of_another_account_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    _, entry, came = await ask(converse, stream=False)
    assert [one.signer for one in came] == [None]
    assert (entry.attempts[-1].outcome, entry.attempts[-1].detail) == ("rejected", "403 UnrecognizedClientException")


async def sent(url: str, sign: Callable[[HttpCall], Awaitable[HttpCall]], body: bytes = b"{}", way: Way | None = None) -> None:
    composer = PROVIDERS["bedrock"].codec().composer
    assert composer is not None
    call = HttpCall(f"{url}/model/a%3Ab%2Fc/converse", {"content-type": JSON, "traceparent": "00-1-2-3"}, body, signer=sign)
    async with DirectOutbound() as outbound:
        if way is not None:
            outbound.follow({url: way})
        reply = await outbound.send(call)
        await reply.read(1000)
        reply.close()


def fine(came: Came) -> Said:
    return Said(200, JSON, b"{}")


@pytest.mark.usefixtures("in_environment")
async def test_the_signature_covers_the_body_and_the_path_and_nothing_that_may_change_on_the_way() -> None:
    came: list[Came] = []
    async with serving(fine, came) as url:
        await sent(url, sign_in(target(url)), b"x" * (1024 * 1024 + 1))
        await sent(url, sign_in(target(url)))
    for one in came:
        assert one.signer == ("AKIDTEST", "eu-west-1/bedrock")
        assert one._replace(headers={**one.headers, "traceparent": "00-4-5-6"}).signer is not None
        assert one._replace(body=one.body[:-1] + b"y").signer is None
        assert one._replace(line=one.line.replace("converse", "converse-stream")).signer is None
        assert one._replace(headers={**one.headers, "x-amz-date": "20200101T000000Z"}).signer is None


@pytest.mark.usefixtures("in_environment")
async def test_a_proxy_gets_the_path_as_it_was_signed() -> None:
    """A call that a proxy passes on goes by aiohttp, which by itself would write %3A as a colon."""
    came: list[Came] = []
    async with serving(fine, came) as between:
        await sent("http://aws.test:80", sign_in(target("http://aws.test")), way=Way(proxy=between))
    method, url, _ = came[0].line.split(" ")
    assert (method, url) == ("POST", "http://aws.test/model/a%3Ab%2Fc/converse")
    line = f"POST {url.removeprefix('http://aws.test')} HTTP/1.1"
    assert came[0]._replace(line=line).signer == ("AKIDTEST", "eu-west-1/bedrock")


async def test_credentials_in_a_file_are_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[Came] = []
    monkeypatch.setenv("AWS_PROFILE", "team")
    file = tmp_path / "credentials"
    file.write_text("[team]\naws_access_key_id = AKIDFILE\naws_secret_access_key = of-the-file\naws_session_token = tok\n")
    async with serving(fine, came) as url:
        await sent(url, sign_in(target(url)))
    assert (came[0].signer, came[0].headers["x-amz-security-token"]) == (("AKIDFILE", "eu-west-1/bedrock"), "tok")


async def test_a_roles_credentials_are_renewed_and_never_asked_for_twice_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's: those that end within ten minutes are renewed before they are used."""
    came: list[Came] = []

    def role(request: Came) -> Said:
        number = len([one for one in came if one.line.startswith("GET")])
        left = timedelta(minutes=1 if number == 1 else 60)
        ends = (datetime.now(UTC) + left).strftime("%Y-%m-%dT%H:%M:%SZ")
        keys = {"AccessKeyId": f"AKIDROLE{number}", "SecretAccessKey": f"of-the-role-{number}", "Token": "t", "Expiration": ends}
        return Said(200, JSON, json.dumps(keys).encode()) if request.line.startswith("GET") else fine(request)

    async with serving(role, came) as url:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/creds")
        sign = sign_in(target(url))
        await asyncio.gather(*(sent(url, sign) for _ in range(5)))
    assert [one.line for one in came if one.line.startswith("GET")] == ["GET /creds HTTP/1.1"] * 2
    assert {one.signer for one in came if one.line.startswith("POST")} == {("AKIDROLE2", "eu-west-1/bedrock")}


@pytest.mark.usefixtures("in_environment")
@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("https://vpce-1a2b-3c4d.bedrock-runtime.ap-south-1.vpce.amazonaws.com", "ap-south-1"),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn/", "cn-north-1"),
        ("https://gate.example.org", "eu-west-1"),
    ],
)
async def test_the_region_is_that_of_the_address(url: str, region: str) -> None:
    signed = await sign_in(target(url))(HttpCall(f"{url}/model/m/converse", {"content-type": JSON}, b"{}"))
    assert f"/{region}/bedrock/aws4_request" in signed.headers["authorization"]
    assert all(name.islower() for name in signed.headers)


def test_a_region_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(
        ValueError, match=r"names no region; use https://bedrock-runtime\.REGION\.amazonaws\.com, or set AWS_REGION"
    ):
        sign_in(target("https://gate.example.org"))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ValueError, match=r"AWS's configuration cannot be read \(ProfileNotFound\)"):
        sign_in(target("https://gate.example.org"))
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert callable(sign_in(target("https://gate.example.org")))


async def test_a_failure_is_not_asked_for_again_at_once() -> None:
    sign = sign_in(target("https://gate.example.org"))
    call = HttpCall("https://gate.example.org/model/m/converse", {"content-type": JSON}, b"{}")
    for _ in range(2):
        with pytest.raises(UpstreamFailure, match="no AWS credentials"):
            await sign(call)
