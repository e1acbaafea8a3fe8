"""A chat request as a conversation in no dialect."""

from typing import Literal

import msgspec

from freehold.core.conversation import Conversation, Effort, Format, Reasoning, Tool, Untranslatable
from freehold.core.errors import BadRequest
from freehold.core.request import Request
from freehold.wire.openai_chat.fields import NULL, field, strictly
from freehold.wire.openai_chat.messages import turns_of
from freehold.wire.openai_chat.params import Fields, is_given, leftovers, sampling
from freehold.wire.openai_chat.parts import CacheControl, mark_of, said_in
from freehold.wire.openai_chat.tools import choice_of, schema_of


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None
    cache_control: CacheControl | None = None


class _Tool(msgspec.Struct):
    function: _Function
    type: str = "function"
    cache_control: CacheControl | None = None


class _Name(msgspec.Struct):
    name: str


class _Named(msgspec.Struct):
    function: _Name
    type: str


class _Schema(msgspec.Struct):
    name: str
    description: str | None = None
    schema: msgspec.Raw = NULL
    strict: bool | None = None


class _Format(msgspec.Struct):
    type: str
    json_schema: _Schema | None = None


class _Reasoning(msgspec.Struct):
    """OpenRouter's object."""

    enabled: bool | None = None
    effort: Effort | None = None
    max_tokens: int | None = None
    exclude: bool | None = None


class _Thinking(msgspec.Struct):
    """Anthropic's object, as LiteLLM and several vendors take it in this dialect."""

    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: int | None = None


_TYPED = frozenset(
    "messages tools tool_choice parallel_tool_calls response_format logprobs top_logprobs reasoning_effort reasoning"
    " thinking".split()
)
_raws, _list = msgspec.json.Decoder(list[msgspec.Raw]), msgspec.json.Decoder(list[msgspec.Raw] | None)
_flag, _whole = msgspec.json.Decoder(bool | None), msgspec.json.Decoder(int | None)
_words = msgspec.json.Decoder(list[str] | None)
_effort = msgspec.json.Decoder(Effort | None)
_CACHE_KEYS = (b'"cache_control"', b'"prompt_cache_breakpoint"')
_WAYS_TO_REASON = ("reasoning_effort", "reasoning", "thinking")


def parse(request: Request) -> Conversation:
    """What the request asks. Raises BadRequest naming the field, Untranslatable for what no conversation holds."""
    fields = request.fields
    others, hints = leftovers(fields, _TYPED)
    if "modalities" in others and field(fields, "modalities", _words, "a list of texts") == ["text"]:
        del others["modalities"]
    if any(key in bytes(fields[name]) for name in ("messages", "tools") if name in fields for key in _CACHE_KEYS):
        hints.add("cache_control")
    tools = field(fields, "tools", _list, "a list of tools") or ()
    return Conversation(
        turns=turns_of(field(fields, "messages", _raws, "a list of messages")),
        tools=tuple(_tool(raw, f"tools[{at}]") for at, raw in enumerate(tools)),
        tool_choice=choice_of(fields, lambda raw: strictly(raw, _Named, "tool_choice").function.name),
        parallel_tools=field(fields, "parallel_tool_calls", _flag, "true or false"),
        format=_form(fields),
        logprobs=field(fields, "logprobs", _flag, "true or false") or False,
        top_logprobs=field(fields, "top_logprobs", _whole, "a whole number"),
        reasoning=_reasoning(fields),
        others=others,
        hints=frozenset(hints),
        **sampling(request),
    )


def _tool(raw: msgspec.Raw, place: str) -> Tool:
    kind = said_in(raw, "type", place) or "function"
    if kind != "function":
        raise Untranslatable(f"{place}.type", f"a tool of type {kind!r} cannot be said in another dialect")
    tool = strictly(raw, _Tool, place)
    function = tool.function
    schema = schema_of(function.parameters, f"{place}.function.parameters")
    mark = mark_of(tool.cache_control or function.cache_control)
    return Tool(name=function.name, description=function.description, schema=schema, strict=function.strict, cache=mark)


def _form(fields: Fields) -> Format | None:
    raw = fields.get("response_format", NULL)
    if bytes(raw) == b"null":
        return None
    form = strictly(raw, _Format, "response_format")
    match form.type:
        case "text":
            return None
        case "json_object":
            return Format(kind="json_object")
        case "json_schema" if form.json_schema is not None:
            given = form.json_schema
            schema = schema_of(given.schema, "response_format.json_schema.schema")
            return Format(kind="json_schema", name=given.name, description=given.description, schema=schema, strict=given.strict)
        case "json_schema":
            raise BadRequest("response_format.json_schema is missing", param="response_format.json_schema")
    raise Untranslatable("response_format.type", "only text, json_object and json_schema can be said in another dialect")


def _reasoning(fields: Fields) -> Reasoning | None:
    given = [name for name in _WAYS_TO_REASON if is_given(fields, name)]
    if not given:
        return None
    if len(given) > 1:
        raise BadRequest(f"{' and '.join(given)} say the same; give one of them", param=given[0])
    if given == ["reasoning_effort"]:
        effort = field(fields, "reasoning_effort", _effort, "an effort such as low, medium or high")
        return Reasoning(enabled=False if effort == "none" else None, effort=effort)
    if given == ["reasoning"]:
        asked = strictly(fields["reasoning"], _Reasoning, "reasoning")
        enabled = False if asked.effort == "none" else asked.enabled
        show = None if asked.exclude is None else not asked.exclude
        return Reasoning(enabled=enabled, effort=asked.effort, tokens=asked.max_tokens, show=show)
    thinking = strictly(fields["thinking"], _Thinking, "thinking")
    return Reasoning(enabled=thinking.type != "disabled", tokens=thinking.budget_tokens)
