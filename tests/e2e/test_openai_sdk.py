"""The official openai SDK against the gateway: what a caller who changes only base_url sees, with the real engine behind it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionUserMessageParam

from e2e.house import KEY, Gateway, Lab, until

TICKET = "I was charged twice for my invoice. Thanks."
LABEL = {"label": "billing"}


def says(text: str = TICKET) -> list[ChatCompletionUserMessageParam]:
    return [{"role": "user", "content": text}]


@pytest.fixture
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY) as client:
        yield client


@pytest.fixture
async def async_client(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY) as client:
        yield client


def test_a_whole_answer_of_the_real_engine(client: OpenAI, gateway: Gateway) -> None:
    raw = client.chat.completions.with_raw_response.create(model="ticket-triage", messages=says(), temperature=0, max_tokens=24)
    answer = raw.parse()
    assert msgspec.json.decode(answer.choices[0].message.content or "") == LABEL
    assert raw.headers["x-freehold-target"] == "tickets-llamacpp"
    entry = gateway.entry(raw.headers["x-request-id"])
    assert answer.usage is not None
    assert entry["uncached_input"] + (entry["cache_read"] or 0) == answer.usage.prompt_tokens
    assert (entry["answer_output"], entry["usage_source"]) == (answer.usage.completion_tokens, "engine")
    assert (entry["data_class"], entry["basis"], entry["cost_nanousd"]) == ("confidential", "owned", 0)


async def test_an_awaited_answer(async_client: AsyncOpenAI) -> None:
    answer = await async_client.chat.completions.create(model="ticket-triage", messages=says(), temperature=0, max_tokens=24)
    assert msgspec.json.decode(answer.choices[0].message.content or "") == LABEL


@pytest.mark.parametrize("wants_usage", [False, True])
def test_a_stream_with_usage_only_where_asked(client: OpenAI, wants_usage: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if wants_usage else {}
    chunks = list(
        client.chat.completions.create(
            model="ticket-triage", messages=says(), temperature=0, max_tokens=24, stream=True, **options
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert msgspec.json.decode(text) == LABEL
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    told = [chunk.usage for chunk in chunks if chunk.usage is not None]
    assert len(told) == wants_usage
    assert all(usage.completion_tokens > 0 for usage in told)
    assert all(chunk.choices for chunk in chunks) != wants_usage


async def test_an_awaited_stream(async_client: AsyncOpenAI) -> None:
    text = ""
    async with async_client.chat.completions.stream(
        model="ticket-triage", messages=says(), temperature=0, max_tokens=24
    ) as stream:
        async for event in stream:
            if event.type == "content.delta":
                text += event.delta
        final = await stream.get_final_completion()
    assert msgspec.json.decode(text) == LABEL
    assert final.choices[0].message.content == text


def test_a_schema_reaches_the_engine(client: OpenAI) -> None:
    """The model alone never says `urgent`: the answer has it because the engine was told the schema."""
    schema: dict[str, object] = {
        "type": "object", "additionalProperties": False, "required": ["urgent", "label"],
        "properties": {"urgent": {"type": "boolean"}, "label": {"enum": ["billing", "refund"]}},
    }  # fmt: skip
    answer = client.chat.completions.create(
        model="ticket-triage", messages=says(), temperature=0, max_tokens=120,
        response_format={"type": "json_schema", "json_schema": {"name": "triage", "schema": schema, "strict": True}},
    )  # fmt: skip
    said = msgspec.json.decode(answer.choices[0].message.content or "")
    assert said.keys() == {"urgent", "label"}
    assert said["label"] in {"billing", "refund"}


LOOK_UP: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {"type": "object", "properties": {"order": {"type": "string"}, "deep": {"type": "boolean"}}},
    },
}


def test_tools_are_passed_through(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="fast", messages=says("[ref:42] where is it?"), tools=[LOOK_UP], tool_choice="required"
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "look_up"
    assert msgspec.json.decode(call.function.arguments) == {"order": "[ref:42]", "deep": True}


def test_tools_are_passed_through_in_a_stream(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="fast", messages=says("[ref:43] use_tool"), tools=[LOOK_UP], stream_options={"include_usage": True}
    ) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls or []
    assert msgspec.json.decode(call.function.arguments) == {"order": "[ref:43]", "deep": True}
    assert final.usage is not None


def test_the_real_engine_takes_tools_too(client: OpenAI) -> None:
    """This model was never taught to call one; that the request is answered and not refused is what counts."""
    answer = client.chat.completions.create(model="ticket-triage", messages=says(), tools=[LOOK_UP], max_tokens=24)
    assert answer.choices[0].finish_reason in {"stop", "length", "tool_calls"}


def test_a_wrong_key(gateway: Gateway) -> None:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="fh_wrong") as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            client.chat.completions.create(model="fast", messages=says())
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
    assert refused.value.code == "invalid_api_key"
    assert refused.value.response.headers["x-should-retry"] == "false"


def test_a_wrong_model(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="gpt-17", messages=says())
    assert refused.value.code == "model_not_found"
    assert refused.value.param == "model"
    assert "gpt-17" in refused.value.message
    assert "ticket-triage" in refused.value.message


def test_a_request_that_is_none(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="fast", messages=says(), n=0)
    assert (refused.value.code, refused.value.param) == ("invalid_request", "n")


def test_the_models(client: OpenAI) -> None:
    listed = {model.id: model.owned_by for model in client.models.list()}
    assert listed["ticket-triage"] == "freehold:workload"
    assert listed["tickets-llamacpp"] == "freehold:owned"
    assert client.models.retrieve("fast-api").owned_by == "freehold:rented"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-17")


def test_a_caller_who_times_out_mid_stream(gateway: Gateway, crawling_provider: Lab) -> None:
    """The upstream stops generating, and what was relayed until then is in the ledger."""
    before = crawling_provider.tally()
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, timeout=0.7) as client:
        raw = client.chat.completions.with_raw_response.create(model="crawling", messages=says(), max_tokens=500, stream=True)
        seen: list[str | None] = []
        with pytest.raises(openai.APITimeoutError):
            seen.extend(chunk.choices[0].delta.content for chunk in raw.parse())
    assert seen, "it timed out in the middle, not before"
    until(lambda: bool(crawling_provider.tally()["running"] == 0), "the upstream stops", within_s=5)
    after = crawling_provider.tally()
    assert (after["requests"], after["cancelled"]) == (before["requests"] + 1, before["cancelled"] + 1)
    made = after["completion_tokens"] - before["completion_tokens"]
    assert 1 <= made < 10
    until(lambda: raw.headers["x-request-id"] in {entry["id"] for entry in gateway.entries()}, "the entry is written")
    entry = gateway.entry(raw.headers["x-request-id"])
    assert (entry["outcome"], entry["status"], entry["error_code"]) == ("cancelled", 499, "cancelled")
    assert [attempt["outcome"] for attempt in entry["attempts"]] == ["cancelled"]
    assert (entry["usage_source"], entry["uncached_input"] > 0) == ("estimated", True)
    assert 1 <= entry["answer_output"] <= 4 * made
    assert entry["cost_nanousd"] > 0
