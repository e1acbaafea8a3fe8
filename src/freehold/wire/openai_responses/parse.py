"""A Responses request as a conversation in no dialect."""

from typing import Any, Literal

import msgspec

from freehold.core.conversation import (
    Conversation,
    Effort,
    Format,
    Reasoning,
    Text,
    Tool,
    Turn,
    Untranslatable,
)  # fmt: skip
from freehold.core.errors import BadRequest
from freehold.core.request import Request
from freehold.wire.egress import Fields
from freehold.wire.openai_chat.fields import FLAG, NULL, WHOLE, field, strictly
from freehold.wire.openai_chat.parts import said_in
from freehold.wire.openai_chat.tools import choice_of, schema_of
from freehold.wire.openai_responses.items import turns_of


class _Tool(msgspec.Struct):
    """`strict` absent: a vendor is strict where it can be, so nothing is said of it."""

    type: str
    name: str
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None


class _Named(msgspec.Struct):
    type: str
    name: str


class _Format(msgspec.Struct):
    type: str
    name: str | None = None
    description: str | None = None
    schema: msgspec.Raw = NULL
    strict: bool | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(msgspec.Struct):
    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: str | None = None
    mode: str | None = None


# Read here field by field; all others are hints or go to `others` as they came.
_READ = frozenset(
    "model stream provider input instructions tools tool_choice parallel_tool_calls text reasoning include max_output_tokens"
    " temperature top_p top_logprobs service_tier".split()
)
# They name a caller or a cache, pad a stream, or count calls of tools that are refused anyway: no answer changes.
_HINTS = frozenset(
    "user metadata client_metadata safety_identifier prompt_cache_key prompt_cache_retention prompt_cache_options stream_options"
    " max_tool_calls".split()
)
_NOTHING = {"store": b"false", "background": b"false", "truncation": b'"disabled"'}
_ABSENT = (b"null", b"[]", b"{}")
_IN_INPUT = {"prompt_cache_breakpoint": b'"prompt_cache_breakpoint"', "phase": b'"phase"'}
_LOGPROBS = "message.output_text.logprobs"
# What else may be included is of tools that are refused, or is written here in any case: sealed reasoning.
_INCLUDED = frozenset(
    "reasoning.encrypted_content web_search_call.action.sources web_search_call.results code_interpreter_call.outputs"
    " computer_call_output.output.image_url file_search_call.results message.input_image.image_url".split()
)
_number, _text = msgspec.json.Decoder(float | None), msgspec.json.Decoder(str | None)
_list, _words = msgspec.json.Decoder(list[msgspec.Raw] | None), msgspec.json.Decoder(list[str] | None)
_metadata, _object = msgspec.json.Decoder(dict[str, str] | None), msgspec.json.Decoder(dict[str, Any])


def parse(request: Request) -> Conversation:
    """What the request asks. Raises BadRequest naming the field, Untranslatable for what no conversation holds."""
    fields = request.fields
    others, hints = _leftovers(fields)
    text = strictly(fields["text"], _Text, "text") if _is_given(fields, "text") else _Text()
    if text.verbosity not in (None, "medium"):
        others["text.verbosity"] = msgspec.Raw(msgspec.json.encode(text.verbosity))
    instructions = field(fields, "instructions", _text, "a text")
    system = (Turn("system", (Text(instructions),)),) if instructions else ()
    tools = field(fields, "tools", _list, "a list of tools") or ()
    top_logprobs = field(fields, "top_logprobs", WHOLE, "a whole number")
    logprobs = _includes_logprobs(fields) or bool(top_logprobs)
    return Conversation(
        turns=system + (turns_of(fields["input"]) if _is_given(fields, "input") else ()),
        tools=tuple(_tool(raw, f"tools[{at}]") for at, raw in enumerate(tools)),
        tool_choice=choice_of(fields, lambda raw: strictly(raw, _Named, "tool_choice").name),
        parallel_tools=field(fields, "parallel_tool_calls", FLAG, "true or false"),
        format=None if text.format is None else _format(text.format),
        max_tokens=request.max_output_tokens,
        temperature=field(fields, "temperature", _number, "a number"),
        top_p=field(fields, "top_p", _number, "a number"),
        logprobs=logprobs,
        top_logprobs=top_logprobs if logprobs else None,
        reasoning=_reasoning(fields),
        service_tier=field(fields, "service_tier", _text, "a text"),
        user=field(fields, "user", _text, "a text"),
        metadata=field(fields, "metadata", _metadata, "an object of texts") or {},
        others=others,
        hints=frozenset(hints),
    )


def _leftovers(fields: Fields) -> tuple[Fields, set[str]]:
    """(others, hints): the fields that are not read one by one, as a Conversation tells them apart."""
    others: Fields = {}
    said = bytes(fields.get("input", NULL))
    hints = {name for name, key in _IN_INPUT.items() if key in said}
    for name in fields.keys() - _READ:
        raw = bytes(fields[name])
        if raw in _ABSENT or (raw == _NOTHING.get(name) and name != "store"):
            continue
        if raw == _NOTHING.get(name) or (name in _HINTS and not _fills_a_cache_only(name, raw)):
            hints.add(name)
        else:
            others[name] = fields[name]
    return others, hints


def _fills_a_cache_only(name: str, raw: bytes) -> bool:
    """Such a request asks for no answer."""
    return name == "prompt_cache_options" and raw[:1] == b"{" and bool(_object.decode(raw).get("prewarm"))


def _is_given(fields: Fields, name: str) -> bool:
    return bytes(fields.get(name, NULL)) != b"null"


def _includes_logprobs(fields: Fields) -> bool:
    included = field(fields, "include", _words, "a list of texts") or []
    for name in included:
        if name not in _INCLUDED and name != _LOGPROBS:
            raise Untranslatable("include", "it names what no other dialect is known to have")
    return _LOGPROBS in included


def _tool(raw: msgspec.Raw, place: str) -> Tool:
    kind = said_in(raw, "type", place)
    if kind != "function":
        raise Untranslatable(f"{place}.type", f"a tool of type {kind!r} cannot be said in another dialect")
    tool = strictly(raw, _Tool, place)
    if tool.defer_loading:
        raise Untranslatable(f"{place}.defer_loading", "no other dialect loads tools later")
    if tool.allowed_callers not in (None, ["direct"]):
        raise Untranslatable(f"{place}.allowed_callers", "no other dialect has programs that call tools")
    schema = schema_of(tool.parameters, f"{place}.parameters")
    return Tool(name=tool.name, description=tool.description, schema=schema, strict=tool.strict)


def _format(form: _Format) -> Format | None:
    match form.type:
        case "text":
            return None
        case "json_object":
            return Format(kind="json_object")
        case "json_schema":
            schema = schema_of(form.schema, "text.format.schema")
            if schema is None:
                raise BadRequest("text.format.schema is missing", param="text.format.schema")
            return Format(kind="json_schema", name=form.name, description=form.description, schema=schema, strict=form.strict)
    raise Untranslatable("text.format.type", "only text, json_object and json_schema can be said in another dialect")


def _reasoning(fields: Fields) -> Reasoning | None:
    if not _is_given(fields, "reasoning"):
        return None
    asked = strictly(fields["reasoning"], _Reasoning, "reasoning")
    if asked.context not in (None, "auto"):
        raise Untranslatable("reasoning.context", "no other dialect chooses among earlier thoughts")
    if asked.mode not in (None, "standard"):
        raise Untranslatable("reasoning.mode", "no other dialect has ways to think")
    show = True if asked.summary is not None or asked.generate_summary is not None else None
    if asked.effort is None and show is None:
        return None
    return Reasoning(enabled=False if asked.effort == "none" else None, effort=asked.effort, show=show)
