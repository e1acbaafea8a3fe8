"""The official SDK reads what the surface writes: sync and streamed, tools, thinking, errors; and asks in bytes we read."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import anthropic
import pytest
import uvicorn
from told_answers import MINE, told

from freehold.core.conversation import Call, Conversation, Text, Thinking
from freehold.core.errors import FreeholdError, RateLimited, StreamBroken, TargetsExhausted, Unauthenticated
from freehold.core.request import Request
from freehold.core.said import Choice, Whole
from freehold.core.usage import Usage
from freehold.serve.access.keys import credential
from freehold.wire.anthropic_messages import CountTokensSurface, MessagesSurface, counted

USAGE = Usage(input_tokens=30, output_tokens=12, cache_read=20, cache_write=4, reasoning=5, source="provider")
PARTS = (
    Thinking("It wants the weather.", "c2lnbmVk", maker=MINE), Thinking("", "aGlkZGVu", True, MINE), Text("I look it up: é"),
    Call("toolu_1", "get_weather", '{"city":"Paris"}'), Call("toolu_2", "now", "{}"),
)  # fmt: skip
ANSWER = Whole(id="msg_1", model="m", choices=(Choice(parts=PARTS, stop="calls"),), usage=USAGE)
TOOL: Any = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
ERRORS: Mapping[str, FreeholdError] = {
    "unknown": Unauthenticated("unknown API key"),
    "many": RateLimited("too many", scope="key", kind="requests", retry_after_s=None),
    "busy": TargetsExhausted("all are busy", status=503),
    "late": TargetsExhausted("late", status=504),
}
Send = Callable[[dict[str, Any]], Awaitable[None]]


class House:
    """A tiny server of the surface: it answers every request alike, or as its model's name says; `asked` is what came."""

    def __init__(self) -> None:
        self.surface, self.counting = MessagesSurface(), CountTokensSurface()
        self.asked: list[Request] = []
        self.understood: list[Conversation] = []
        self.keys: list[str | None] = []

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.keys.append(credential(headers))
        if scope["path"] == "/v1/messages/count_tokens":
            await self._reply(send, 200, counted(self.counting.read(body, headers)))
            return
        request = self.surface.read(body, headers)
        self.asked.append(request)
        self.understood.append(self.surface.parse(request))
        if request.model in ERRORS:
            error = ERRORS[request.model]
            await self._reply(send, error.status, self.surface.error(error, "req_1"))
        elif request.stream:
            await self._reply(send, 200, self._stream(request), "text/event-stream")
        else:
            await self._reply(send, 200, self.surface.whole(ANSWER, request))

    def _stream(self, request: Request) -> bytes:
        writer = self.surface.writer(request)
        steps = list(told(ANSWER))
        if request.model == "cut":
            return b"".join(map(writer.write, steps[:6])) + self.surface.error_event(StreamBroken("it broke off"), "req_1")
        return b"".join(map(writer.write, steps))

    async def _reply(self, send: Send, status: int, body: bytes, kind: str = "application/json") -> None:
        headers = [(b"content-type", kind.encode()), (b"x-should-retry", b"false")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[House, str]]:
    house = House()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(house, log_level="error", lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            yield house, f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def house(served: tuple[House, str]) -> House:
    return served[0]


@pytest.fixture
def sdk(served: tuple[House, str]) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=served[1], api_key="fh_key", max_retries=0) as client:
        yield client


def asked(model: str = "w") -> Any:
    return {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "Weather?"}], "tools": [TOOL]}


def check(message: Any) -> None:
    assert [block.type for block in message.content] == ["thinking", "redacted_thinking", "text", "tool_use", "tool_use"]
    thinking, hidden, text, call, empty = message.content
    assert (thinking.thinking, thinking.signature, hidden.data) == ("It wants the weather.", "c2lnbmVk", "aGlkZGVu")
    assert (text.text, call.name, call.input, empty.input) == ("I look it up: é", "get_weather", {"city": "Paris"}, {})
    assert message.stop_reason == "tool_use"
    used = message.usage
    assert (used.input_tokens, used.cache_read_input_tokens, used.cache_creation_input_tokens, used.output_tokens) == (
        6,
        20,
        4,
        12,
    )


def test_whole(sdk: anthropic.Anthropic) -> None:
    message = sdk.messages.create(**asked())
    check(message)
    assert message.usage.output_tokens_details is not None
    assert message.usage.output_tokens_details.thinking_tokens == 5


def test_streamed_with_its_helper(sdk: anthropic.Anthropic) -> None:
    with sdk.messages.stream(**asked()) as stream:
        names = [event.type for event in stream]
        final = stream.get_final_message()
    check(final)
    assert {"text", "thinking", "signature", "input_json", "message_stop"} <= set(names)
    assert "".join(part.text for part in final.content if part.type == "text") == "I look it up: é"


async def test_streamed_asynchronously(served: tuple[House, str]) -> None:
    client = anthropic.AsyncAnthropic(base_url=served[1], api_key="fh_key", max_retries=0)
    async with client, client.messages.stream(**asked()) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
    check(final)
    assert text == "I look it up: é"


def test_the_next_turn_is_understood(sdk: anthropic.Anthropic, house: House) -> None:
    first = sdk.messages.create(**asked())
    results: Any = [{"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": "12 degrees"} for n in (1, 2)]
    turns = [*asked()["messages"], first.to_param(), {"role": "user", "content": results}]
    sdk.messages.create(
        **asked()
        | {"messages": turns, "thinking": {"type": "adaptive"}, "extra_headers": {"anthropic-beta": "files-api-2025-04-14"}}
    )
    assert house.understood[-1].turns[1].parts == PARTS
    assert [getattr(part, "name", None) for part in house.understood[-1].turns[2].parts] == ["get_weather", "now"]
    assert house.asked[-1].egress == {"files"}
    assert house.asked[-1].headers.keys() == {"anthropic-version", "anthropic-beta"}


def test_both_headers_carry_the_key(sdk: anthropic.Anthropic, house: House, served: tuple[House, str]) -> None:
    sdk.messages.create(**asked())
    with anthropic.Anthropic(base_url=served[1], auth_token="fh_token", api_key=None, max_retries=0) as bearer:
        bearer.messages.create(**asked())
    assert house.keys[-2:] == ["fh_key", "fh_token"]


@pytest.mark.parametrize(
    ("model", "kind", "name"),
    [
        ("unknown", anthropic.AuthenticationError, "authentication_error"),
        ("many", anthropic.RateLimitError, "rate_limit_error"),
        ("busy", anthropic.InternalServerError, "overloaded_error"),
        ("late", anthropic.InternalServerError, "timeout_error"),
    ],
)
def test_errors(sdk: anthropic.Anthropic, model: str, kind: type[anthropic.APIStatusError], name: str) -> None:
    with pytest.raises(kind) as raised:
        sdk.messages.create(**asked(model))
    body: Any = raised.value.body
    assert (body["type"], body["error"]["type"], body["request_id"]) == ("error", name, "req_1")
    assert body["error"]["details"]["error_code"] == ERRORS[model].code


def test_an_error_inside_a_stream(sdk: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.APIStatusError, match="it broke off"), sdk.messages.stream(**asked("cut")) as stream:
        stream.get_final_message()


def test_counting(sdk: anthropic.Anthropic) -> None:
    count = sdk.messages.count_tokens(model="w", messages=[{"role": "user", "content": "x" * 400}])
    assert count.input_tokens == 100
