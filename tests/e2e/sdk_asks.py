"""One question, asked through each official SDK in each of its dialects, whole or streamed, called or awaited; and what was said.

What all of them must agree on is in the same words here: text, why it ended, tokens.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple, TypeAlias

from anthropic import Anthropic, AsyncAnthropic
from openai import AsyncOpenAI, LengthFinishReasonError, OpenAI

from e2e.house import KEY


class Said(NamedTuple):
    """An answer. `calls`: (name, arguments) of each tool call."""

    text: str
    stop: str
    input_tokens: int
    output_tokens: int
    calls: tuple[tuple[str, Any], ...] = ()


class Sdks(NamedTuple):
    """Both SDKs, called."""

    openai: OpenAI
    anthropic: Anthropic


class AsyncSdks(NamedTuple):
    """Both SDKs, awaited."""

    openai: AsyncOpenAI
    anthropic: AsyncAnthropic


Ask: TypeAlias = Callable[[Sdks, str, str, Mapping[str, Any]], Said]  # (SDKs, model, text, further fields)
AwaitedAsk: TypeAlias = Callable[[AsyncSdks, str, str, Mapping[str, Any]], Awaitable[Said]]
_STOPS = {"end_turn": "end", "stop": "end", "max_tokens": "length", "tool_use": "calls", "tool_calls": "calls"}
_MOST = 24


@contextmanager
def sdks(url: str, key: str = KEY, **more: Any) -> Iterator[Sdks]:
    """Both as their users set them up, without retries of their own. The anthropic one adds the /v1 itself."""
    with (
        OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, **more) as one,
        Anthropic(base_url=url, api_key=key, max_retries=0, **more) as other,
    ):
        yield Sdks(one, other)


@asynccontextmanager
async def async_sdks(url: str) -> AsyncIterator[AsyncSdks]:
    """The same, awaited."""
    async with (
        AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as one,
        AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as other,
    ):
        yield AsyncSdks(one, other)


def chat(sdks: Sdks, model: str, text: str, more: Mapping[str, Any]) -> Said:
    return _of_chat(sdks.openai.chat.completions.create(**_chat(model, text, more)))


def chat_stream(sdks: Sdks, model: str, text: str, more: Mapping[str, Any]) -> Said:
    fields = _chat(model, text, more) | {"stream_options": {"include_usage": True}}
    with sdks.openai.chat.completions.stream(**fields) as stream:
        try:
            return _of_chat(stream.get_final_completion())
        except LengthFinishReasonError as cut:  # how this helper tells of an answer that was cut short
            return _of_chat(cut.completion)


async def chat_awaited(sdks: AsyncSdks, model: str, text: str, more: Mapping[str, Any]) -> Said:
    return _of_chat(await sdks.openai.chat.completions.create(**_chat(model, text, more)))


async def chat_stream_awaited(sdks: AsyncSdks, model: str, text: str, more: Mapping[str, Any]) -> Said:
    fields = _chat(model, text, more) | {"stream_options": {"include_usage": True}}
    async with sdks.openai.chat.completions.stream(**fields) as stream:
        return _of_chat(await stream.get_final_completion())


def responses(sdks: Sdks, model: str, text: str, more: Mapping[str, Any]) -> Said:
    return _of_response(sdks.openai.responses.create(**_responses(model, text, more)))


def responses_stream(sdks: Sdks, model: str, text: str, more: Mapping[str, Any]) -> Said:
    with sdks.openai.responses.stream(**_responses(model, text, more)) as stream:
        last = [event.response for event in stream if event.type in {"response.completed", "response.incomplete"}]
    return _of_response(last[0])


async def responses_awaited(sdks: AsyncSdks, model: str, text: str, more: Mapping[str, Any]) -> Said:
    return _of_response(await sdks.openai.responses.create(**_responses(model, text, more)))


async def responses_stream_awaited(sdks: AsyncSdks, model: str, text: str, more: Mapping[str, Any]) -> Said:
    async with sdks.openai.responses.stream(**_responses(model, text, more)) as stream:
        last = [event.response async for event in stream if event.type in {"response.completed", "response.incomplete"}]
    return _of_response(last[0])


def messages(sdks: Sdks, model: str, text: str, more: Mapping[str, Any]) -> Said:
    return _of_message(sdks.anthropic.messages.create(**_messages(model, text, more)))


def messages_stream(sdks: Sdks, model: str, text: str, more: Mapping[str, Any]) -> Said:
    with sdks.anthropic.messages.stream(**_messages(model, text, more)) as stream:
        return _of_message(stream.get_final_message())


async def messages_awaited(sdks: AsyncSdks, model: str, text: str, more: Mapping[str, Any]) -> Said:
    return _of_message(await sdks.anthropic.messages.create(**_messages(model, text, more)))


async def messages_stream_awaited(sdks: AsyncSdks, model: str, text: str, more: Mapping[str, Any]) -> Said:
    async with sdks.anthropic.messages.stream(**_messages(model, text, more)) as stream:
        return _of_message(await stream.get_final_message())


ASKS: tuple[Ask, ...] = (chat, chat_stream, responses, responses_stream, messages, messages_stream)
AWAITED: tuple[AwaitedAsk, ...] = (
    chat_awaited, chat_stream_awaited, responses_awaited, responses_stream_awaited, messages_awaited, messages_stream_awaited,
)  # fmt: skip


def in_words_of(ask: Callable[..., Any], *, schema: Any = None, tool: Any = None, limit: int | None = None) -> dict[str, Any]:
    """A schema to follow, a function that must be called, or a longest answer, as fields of the dialect that this asks in."""
    dialect = dialect_of(ask)
    fields: dict[str, Any] = {}
    if limit is not None:
        fields["max_output_tokens" if dialect == "responses" else "max_tokens"] = limit
    if schema is not None:
        form = {"name": "form", "schema": schema, "strict": True}
        formats: dict[str, dict[str, Any]] = {
            "chat": {"response_format": {"type": "json_schema", "json_schema": form}, "max_tokens": 160},
            "responses": {"text": {"format": {"type": "json_schema", **form}}, "max_output_tokens": 160},
            "messages": {"output_config": {"format": {"type": "json_schema", "schema": schema}}, "max_tokens": 160},
        }
        fields |= formats[dialect]
    if tool is not None:
        name, parameters = tool
        function = {"name": name, "parameters": parameters}
        tools: dict[str, dict[str, Any]] = {
            "chat": {"tools": [{"type": "function", "function": function}], "tool_choice": "required"},
            "responses": {"tools": [{"type": "function", "strict": False, **function}], "tool_choice": "required"},
            "messages": {"tools": [{"name": name, "input_schema": parameters}], "tool_choice": {"type": "any"}},
        }
        fields |= tools[dialect]
    return fields


def dialect_of(ask: Callable[..., Any]) -> str:
    """chat, responses or messages: the first word of its name."""
    return ask.__name__.partition("_")[0]


def _chat(model: str, text: str, more: Mapping[str, Any]) -> dict[str, Any]:
    turns = [{"role": "user", "content": text}]
    return {"model": model, "messages": turns, "temperature": 0, "max_tokens": _MOST} | dict(more)


def _responses(model: str, text: str, more: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": model, "input": text, "temperature": 0, "max_output_tokens": _MOST} | dict(more)


def _messages(model: str, text: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """This SDK has no temperature any more; the dialect has, for models that take one."""
    turns = [{"role": "user", "content": text}]
    return {"model": model, "messages": turns, "max_tokens": _MOST, "extra_body": {"temperature": 0}} | dict(more)


def _of_chat(answer: Any) -> Said:
    (choice,) = answer.choices
    calls = tuple((call.function.name, call.function.arguments) for call in choice.message.tool_calls or ())
    stop = _STOPS.get(choice.finish_reason, choice.finish_reason)
    return Said(choice.message.content or "", stop, answer.usage.prompt_tokens, answer.usage.completion_tokens, _read(calls))


def _of_response(answer: Any) -> Said:
    calls = tuple((item.name, item.arguments) for item in answer.output if item.type == "function_call")
    stop = "calls" if calls else "length" if answer.incomplete_details is not None else "end"
    return Said(answer.output_text, stop, answer.usage.input_tokens, answer.usage.output_tokens, _read(calls))


def _of_message(answer: Any) -> Said:
    text = "".join(block.text for block in answer.content if block.type == "text")
    calls = tuple((block.name, block.input) for block in answer.content if block.type == "tool_use")
    used = answer.usage
    read = used.input_tokens + (used.cache_read_input_tokens or 0) + (used.cache_creation_input_tokens or 0)
    return Said(text, _STOPS.get(answer.stop_reason, answer.stop_reason), read, used.output_tokens, _read(calls))


def _read(calls: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
    """Arguments as objects; a text that is none fails here, as it would for the caller."""
    return tuple((name, json.loads(said) if isinstance(said, str) else said) for name, said in calls)
