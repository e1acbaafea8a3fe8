"""The official SDK reads what the surfaces write, whole and streamed, and asks in bytes that they read."""

import json
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel
from told_chat import told

from freehold.core.conversation import Call, Refusal, Text, Thinking
from freehold.core.errors import BadRequest, FreeholdError, StreamBroken
from freehold.core.ports import Surface
from freehold.core.request import Request
from freehold.core.said import Choice, Closed, Stopped, Used, Whole
from freehold.core.usage import Usage
from freehold.wire.openai_chat import ChatSurface
from freehold.wire.openai_completions import CompletionsSurface

USAGE = Usage(input_tokens=30, output_tokens=12, cache_read=20, cache_write=4, reasoning=5, source="provider")
CALLS = (Call("call_1", "look", '{"at":"é"}'), Call("call_2", "now", "{}"))
ANSWER = Whole(
    id="chatcmpl-1", model="m-1", created=7, usage=USAGE,
    choices=(
        Choice(parts=(Thinking("hm"), Text("one moment"), *CALLS), stop="calls"),
        Choice(parts=(Refusal("I will not"),), stop="refused"),
    ),
)  # fmt: skip
TOOL: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
ASK: Any = [{"role": "user", "content": "hi"}]


def client(surface: Surface, answer: Whole, failure: FreeholdError | None = None) -> tuple[openai.OpenAI, list[Request]]:
    """An SDK whose requests a surface reads and whose answers it writes."""
    asked: list[Request] = []

    def serve(request: httpx2.Request) -> httpx2.Response:
        asked.append(surface.read(request.read(), dict(request.headers)))
        surface.parse(asked[-1])
        if failure is not None and not asked[-1].stream:
            return httpx2.Response(failure.status, content=surface.error(failure, "r"))
        if not asked[-1].stream:
            return httpx2.Response(200, content=surface.whole(answer, asked[-1]), headers={"content-type": "application/json"})
        writer = surface.writer(asked[-1])
        steps = [step for step in told(answer) if failure is None or not isinstance(step, Stopped | Used | Closed)]
        body = b"".join(writer.write(step) for step in steps)
        body += b"" if failure is None else surface.error_event(failure, "r")
        return httpx2.Response(200, content=body, headers={"content-type": "text/event-stream"})

    http = httpx2.Client(transport=httpx2.MockTransport(serve))
    return openai.OpenAI(base_url="http://house.test/v1", api_key="k", http_client=http, max_retries=0), asked


def test_a_whole_answer() -> None:
    sdk, asked = client(ChatSurface(), ANSWER)
    answer = sdk.chat.completions.create(model="w", messages=ASK, tools=[TOOL], n=2)
    first, second = answer.choices
    assert (answer.id, answer.created, answer.model, first.finish_reason, first.message.content) == (
        "chatcmpl-1", 7, "m-1", "tool_calls", "one moment",
    )  # fmt: skip
    functions = [call for call in first.message.tool_calls or [] if call.type == "function"]
    assert [(call.id, call.function.name, call.function.arguments) for call in functions] == [
        (call.id, call.name, call.arguments) for call in CALLS
    ]
    assert (second.message.refusal, second.message.content, second.finish_reason) == ("I will not", None, "stop")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert (answer.usage.total_tokens, answer.usage.prompt_tokens_details.cached_tokens) == (42, 20)
    assert asked[0].needs == {"tools", "choices"}


def test_a_stream_with_the_sdks_own_accumulator() -> None:
    sdk, asked = client(ChatSurface(), ANSWER)
    with sdk.chat.completions.stream(model="w", messages=ASK, n=2, stream_options={"include_usage": True}) as stream:
        kinds = {event.type for event in stream}
        answer = stream.get_final_completion()
    whole = client(ChatSurface(), ANSWER)[0].chat.completions.create(model="w", messages=ASK, n=2)
    assert {
        "content.delta",
        "refusal.delta",
        "tool_calls.function.arguments.delta",
        "tool_calls.function.arguments.done",
    } <= kinds
    for seen, expected in zip(answer.choices, whole.choices, strict=True):
        assert seen.finish_reason == expected.finish_reason
        assert (seen.message.content, seen.message.refusal) == (expected.message.content, expected.message.refusal)
        calls = [[call.id, call.function.name, call.function.arguments] for call in seen.message.tool_calls or []]
        assert calls == [[call.id, call.name, call.arguments] for call in CALLS] * (seen.index == 0)
    assert answer.usage == whole.usage
    assert asked[0].wants_usage


def test_structured_output_is_parsed() -> None:
    class Label(BaseModel):
        label: str

    said = Whole(id="a", model="m", choices=(Choice(parts=(Text('{"label":"refund"}'),), stop="end"),), usage=USAGE)
    sdk, asked = client(ChatSurface(), said)
    assert sdk.chat.completions.parse(model="w", messages=ASK, response_format=Label).choices[0].message.parsed == Label(
        label="refund"
    )
    form = ChatSurface().parse(asked[0]).format
    assert form is not None
    assert form.schema is not None
    assert (form.name, form.strict, json.loads(bytes(form.schema))["required"]) == ("Label", True, ["label"])


def test_legacy_completions() -> None:
    said = Whole(id="a", model="m", created=7, choices=(Choice(parts=(Text("upon a time"),), stop="length"),), usage=USAGE)
    sdk, _ = client(CompletionsSurface(), said)
    answer = sdk.completions.create(model="w", prompt="Once")
    assert (answer.object, answer.choices[0].text, answer.choices[0].finish_reason) == (
        "text_completion",
        "upon a time",
        "length",
    )
    chunks = list(sdk.completions.create(model="w", prompt="Once", stream=True, stream_options={"include_usage": True}))
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == "upon a time"
    assert chunks[-1].usage == answer.usage


def asks(sdk: openai.OpenAI, *, stream: bool) -> Any:
    return list(sdk.chat.completions.create(model="w", messages=ASK, stream=True)) if stream else sdk.chat.completions.create(
        model="w", messages=ASK
    )  # fmt: skip


@pytest.mark.parametrize(
    ("failure", "stream", "error"),
    [
        (BadRequest("n is 0; use 1 to 128", param="n"), False, openai.BadRequestError),
        (StreamBroken("it broke off"), True, openai.APIError),
    ],
)
def test_errors_are_the_sdks_own(failure: FreeholdError, stream: bool, error: type[openai.APIError]) -> None:
    sdk, _ = client(ChatSurface(), ANSWER, failure)
    with pytest.raises(error) as raised:
        asks(sdk, stream=stream)
    assert (raised.value.code, raised.value.param) == (failure.code, failure.param)
