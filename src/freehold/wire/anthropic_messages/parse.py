"""A Messages request as a conversation in no dialect."""

from typing import Any

import msgspec

from freehold.core.conversation import Conversation, Effort, Format, Reasoning, Tool, ToolChoice, Turn, Untranslatable
from freehold.core.errors import BadRequest
from freehold.core.request import Request
from freehold.wire.anthropic_messages.blocks import Cache
from freehold.wire.anthropic_messages.turns import mark, system_of, turns_of


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class _Format(msgspec.Struct):
    type: str
    schema: msgspec.Raw


class _Output(msgspec.Struct, forbid_unknown_fields=True):
    effort: Effort | None = None
    format: _Format | None = None


class _Tool(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    input_schema: msgspec.Raw
    type: str | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: Cache | None = None
    eager_input_streaming: bool | None = None  # how it is streamed, not what is said
    input_examples: Any = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None


class _Tagged(msgspec.Struct):
    type: str | None = None


class _Choice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Edit(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    keep: Any = None


class _Context(msgspec.Struct, forbid_unknown_fields=True):
    edits: list[_Edit] = []


_NULL = msgspec.Raw(b"null")
_ABSENT = (b"null", b"[]", b"{}")
# Read here field by field; all others go to `others` as they came.
_READ = frozenset(
    "model stream provider messages system tools tool_choice max_tokens temperature top_p top_k stop_sequences thinking"
    " output_config output_format metadata service_tier cache_control".split()
)
_TIERS = {"auto": "auto", "standard_only": "default"}  # in OpenAI's words, as a conversation has them
_CHOICES = {"auto": ToolChoice("auto"), "any": ToolChoice("any"), "none": ToolChoice("none")}


def parse(request: Request) -> Conversation:
    """What it asks. Raises BadRequest on a shape the dialect has not, Untranslatable on what only this dialect can say."""
    fields = request.fields
    limit = _field(fields, "max_tokens", int | None)
    if limit == 0:
        raise Untranslatable("max_tokens", "0 only fills a cache, which no other dialect can be asked for")
    turns = system_of(fields.get("system", _NULL)) + turns_of(fields["messages"])
    choice = _field(fields, "tool_choice", _Choice | None)
    output = _field(fields, "output_config", _Output | None) or _Output()
    tier = _field(fields, "service_tier", str | None)
    if tier is not None and tier not in _TIERS:
        raise BadRequest(f"service_tier is {tier!r}; use auto or standard_only", param="service_tier")
    metadata = _field(fields, "metadata", _Metadata | None)
    tools = _tools(fields.get("tools", _NULL))
    hints = _hints(request, turns, tools)
    return Conversation(
        turns=turns,
        tools=tools,
        tool_choice=_choice(choice),
        parallel_tools=False if choice is not None and choice.disable_parallel_tool_use else None,
        format=_format(output.format or _field(fields, "output_format", _Format | None)),
        max_tokens=limit,
        temperature=_field(fields, "temperature", float | None),
        top_p=_field(fields, "top_p", float | None),
        top_k=_field(fields, "top_k", int | None),
        stop=tuple(_field(fields, "stop_sequences", list[str] | None) or ()),
        reasoning=_reasoning(_field(fields, "thinking", _Thinking | None), output.effort),
        service_tier=None if tier is None else _TIERS[tier],
        user=metadata.user_id if metadata is not None else None,
        others={name: raw for name, raw in fields.items() if name not in _READ | hints and bytes(raw) not in _ABSENT},
        hints=hints,
    )


def _reasoning(thinking: _Thinking | None, effort: Effort | None) -> Reasoning | None:
    if thinking is None:
        return None if effort is None else Reasoning(effort=effort)
    show = None if thinking.display is None else thinking.display != "omitted"
    match thinking.type:
        case "disabled":
            return Reasoning(enabled=False, effort=effort)
        case "adaptive":
            return Reasoning(enabled=True, effort=effort, show=show)
        case "enabled" if thinking.budget_tokens is not None:
            return Reasoning(enabled=True, effort=effort, tokens=thinking.budget_tokens, show=show)
        case "enabled":
            raise BadRequest("thinking.budget_tokens is missing", param="thinking.budget_tokens")
    raise Untranslatable("thinking", f"no other dialect thinks in the way {thinking.type!r}")


def _tools(raw: msgspec.Raw) -> tuple[Tool, ...]:
    found = _decoded(raw, list[msgspec.Raw] | None, "tools") or []
    return tuple(_tool(one, f"tools[{at}]") for at, one in enumerate(found))


def _tool(raw: msgspec.Raw, place: str) -> Tool:
    kind = _decoded(raw, _Tagged, place).type
    if kind not in (None, "custom"):
        raise Untranslatable(place, f"{kind!r} is a tool that only this vendor defines")
    tool = _decoded(raw, _Tool, place)
    elsewhere = None if tool.allowed_callers in (None, ["direct"]) else tool.allowed_callers
    for name, value in (
        ("input_examples", tool.input_examples),
        ("defer_loading", tool.defer_loading),
        ("allowed_callers", elsewhere),
    ):
        if value:
            raise Untranslatable(f"{place}.{name}", "no other dialect has this")
    return Tool(
        name=tool.name, description=tool.description, schema=tool.input_schema, strict=tool.strict, cache=mark(tool.cache_control)
    )  # fmt: skip


def _choice(choice: _Choice | None) -> ToolChoice | None:
    if choice is None:
        return None
    if choice.type == "tool" and choice.name is not None:
        return ToolChoice("named", choice.name)
    if choice.type not in _CHOICES:
        raise BadRequest("tool_choice: use the type auto, any, none, or tool with a name", param="tool_choice")
    return _CHOICES[choice.type]


def _format(form: _Format | None) -> Format | None:
    if form is None:
        return None
    if form.type != "json_schema":
        raise BadRequest(f"output_config.format.type is {form.type!r}; use json_schema", param="output_config.format.type")
    return Format(kind="json_schema", schema=form.schema, strict=True)  # this dialect has no other than enforced ones


def _hints(request: Request, turns: tuple[Turn, ...], tools: tuple[Tool, ...]) -> frozenset[str]:
    """What cannot change the answer: whose it is, and what is worth caching."""
    hints = {name for name in ("metadata", "cache_control") if bytes(request.fields.get(name, _NULL)) not in _ABSENT}
    marked = any(getattr(part, "cache", None) is not None for turn in turns for part in turn.parts)
    if marked or any(tool.cache is not None for tool in tools):
        hints.add("cache_control")
    if _edits_nothing(request.fields.get("context_management", _NULL)):
        hints.add("context_management")
    return frozenset(hints)


def _edits_nothing(raw: msgspec.Raw) -> bool:
    """Whether all that is asked for is to keep all thinking: coding clients say so with every request."""
    try:
        context = msgspec.json.decode(raw, type=_Context)
    except msgspec.DecodeError:
        return False
    return bool(context.edits) and all(edit.type == "clear_thinking_20251015" and edit.keep == "all" for edit in context.edits)


def _field(fields: dict[str, msgspec.Raw], name: str, kind: Any) -> Any:
    return _decoded(fields.get(name, _NULL), kind, name)


def _decoded(raw: msgspec.Raw, kind: Any, place: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"{place}: {error}", param=place) from None
