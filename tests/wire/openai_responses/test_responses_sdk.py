"""The official SDK against a tiny server of the surface: it reads what is written, and asks in bytes that are read."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import openai
import pytest
import uvicorn
from openai.types.responses import Response
from pydantic import BaseModel
from told_responses import chunks, told

from freehold.core.conversation import Call, Conversation, Refusal, Result, Text, Thinking
from freehold.core.errors import BadRequest, FreeholdError, RateLimited, StreamBroken
from freehold.core.request import Request
from freehold.core.said import Choice, Whole
from freehold.core.usage import Usage
from freehold.wire.openai_responses import ResponsesSurface

USAGE = Usage(input_tokens=30, output_tokens=12, cache_read=20, cache_write=4, reasoning=5, source="provider")
CALLS = (Call("call_1", "look", '{"at":"é"}'), Call("call_2", "now", "{}"))
ANSWERS: Mapping[str, Choice] = {
    "tools": Choice(parts=(Thinking("hm", "sig", maker="anthropic_messages"), Text("one moment"), *CALLS), stop="calls"),
    "label": Choice(parts=(Thinking("hm"), Text('{"label":"refund"}')), stop="end"),
    "refusal": Choice(parts=(Refusal("I will not"),), stop="refused"),
    "cut": Choice(parts=(Text("one mo"),), stop="length"),
}
ERRORS: Mapping[str, FreeholdError] = {
    "bad": BadRequest("max_output_tokens is 0", param="max_output_tokens"),
    "many": RateLimited("too many", scope="key", kind="requests", retry_after_s=None),
}
TOOL: Any = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": False}
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Label(BaseModel):
    label: str


class House:
    """It answers as its model's name says; `asked` is what came, `understood` what that asks."""

    def __init__(self) -> None:
        self.surface = ResponsesSurface()
        self.asked: list[Request] = []
        self.understood: list[Conversation] = []

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        assert scope["path"] == "/v1/responses"
        request = self.surface.read(body, {})
        self.asked.append(request)
        self.understood.append(self.surface.parse(request))
        if request.model in ERRORS:
            error = ERRORS[request.model]
            await self._reply(send, error.status, [self.surface.error(error, "r")], "application/json")
            return
        broken = request.model == "broken"
        choice = ANSWERS["tools" if broken else request.model]
        whole = Whole(id="msg_1", model="m-1", created=7, choices=(choice,), usage=USAGE)
        if not request.stream:
            await self._reply(send, 200, [self.surface.whole(whole, request)], "application/json")
            return
        writer = self.surface.writer(request)
        steps = list(told(whole))
        events = [writer.write(step) for step in (steps[:4] if broken else steps)]
        events += [self.surface.error_event(StreamBroken("it broke off"), "r")] if broken else []
        await self._reply(send, 200, list(chunks(b"".join(events))), "text/event-stream")

    async def _reply(self, send: Send, status: int, parts: list[bytes], kind: str) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[House, str]]:
    house = House()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(house, log_level="error", lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            yield house, f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def house(served: tuple[House, str]) -> House:
    return served[0]


@pytest.fixture
def sdk(served: tuple[House, str]) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=served[1], api_key="k", max_retries=0) as client:
        yield client


def check(answer: Response) -> None:
    assert (answer.id, answer.model, answer.created_at, answer.status) == ("msg_1", "m-1", 7, "completed")
    assert answer.output_text == "one moment"
    thought, _, *calls = answer.output
    assert thought.type == "reasoning"
    assert (thought.summary[0].text, thought.encrypted_content) == ("hm", "anthropic_messages#sig")
    assert [(call.call_id, call.name, call.arguments) for call in calls if call.type == "function_call"] == [
        (call.id, call.name, call.arguments) for call in CALLS
    ]
    assert answer.usage is not None
    assert (answer.usage.total_tokens, answer.usage.input_tokens_details.cached_tokens) == (42, 20)
    Response.model_validate(answer.model_dump())  # strictly, where the SDK itself lets anything pass


def test_a_whole_answer(sdk: openai.OpenAI, house: House) -> None:
    check(sdk.responses.create(model="tools", input="Weather?", tools=[TOOL], store=False))
    assert house.asked[-1].needs == {"tools"}
    assert house.asked[-1].egress == set()


def test_a_stream_with_the_sdks_own_accumulator(sdk: openai.OpenAI) -> None:
    with sdk.responses.stream(model="tools", input="Weather?", tools=[TOOL]) as stream:
        seen = [event.type for event in stream]
        check(stream.get_final_response())
    assert seen[:2] == ["response.created", "response.in_progress"]
    assert seen.count("response.output_item.done") == 4
    assert seen[-1] == "response.completed"


def test_every_event_is_one_that_the_sdk_knows(sdk: openai.OpenAI) -> None:
    for model in ANSWERS:
        for event in sdk.responses.create(model=model, input="hi", stream=True):
            type(event).model_validate(event.model_dump())
            assert type(event).__name__.startswith("Response"), event


def test_tools_are_called_and_answered(sdk: openai.OpenAI, house: House) -> None:
    answer = sdk.responses.create(model="tools", input="Weather?", tools=[TOOL])
    items: list[Any] = [{"role": "user", "content": "Weather?"}, *answer.output]
    items += [{"type": "function_call_output", "call_id": call.id, "output": "mild"} for call in CALLS]
    sdk.responses.create(model="tools", input=items, tools=[TOOL])
    _, said, results = house.understood[-1].turns
    assert said.parts == ANSWERS["tools"].parts
    assert results.parts == tuple(Result(call.id, (Text("mild"),), name=call.name) for call in CALLS)
    assert house.asked[-1].egress == set()


def test_structured_output_is_parsed(sdk: openai.OpenAI, house: House) -> None:
    assert sdk.responses.parse(model="label", input="hi", text_format=Label).output_parsed == Label(label="refund")
    form = house.understood[-1].format
    assert form is not None
    assert (form.name, form.strict) == ("Label", True)
    assert house.asked[-1].needs == {"json_schema"}
    with sdk.responses.stream(model="label", input="hi", text_format=Label) as stream:
        assert stream.get_final_response().output_parsed == Label(label="refund")


def test_refusals_and_answers_cut_short(sdk: openai.OpenAI) -> None:
    refused = sdk.responses.create(model="refusal", input="hi").output[0]
    assert refused.type == "message"
    assert refused.content[0].type == "refusal"
    assert refused.content[0].refusal == "I will not"
    cut = sdk.responses.create(model="cut", input="hi")
    assert cut.incomplete_details is not None
    assert (cut.status, cut.incomplete_details.reason, cut.output_text) == ("incomplete", "max_output_tokens", "one mo")
    last = list(sdk.responses.create(model="cut", input="hi", stream=True))[-1]
    assert last.type == "response.incomplete"
    assert last.response.output_text == "one mo"


@pytest.mark.parametrize(("model", "error"), [("bad", openai.BadRequestError), ("many", openai.RateLimitError)])
def test_errors_are_the_sdks_own(sdk: openai.OpenAI, model: str, error: type[openai.APIStatusError]) -> None:
    for stream in (False, True):
        with pytest.raises(error) as raised:
            sdk.responses.create(model=model, input="hi", stream=stream)
        assert (raised.value.code, raised.value.param) == (ERRORS[model].code, ERRORS[model].param)


def test_a_stream_that_breaks_raises(sdk: openai.OpenAI) -> None:
    seen: list[str] = []
    with pytest.raises(openai.APIError, match="it broke off") as raised:
        seen.extend(event.type for event in sdk.responses.create(model="broken", input="hi", stream=True))
    assert raised.value.code == StreamBroken.code
    assert seen[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    with pytest.raises(openai.APIError), sdk.responses.stream(model="broken", input="hi") as stream:
        stream.until_done()
