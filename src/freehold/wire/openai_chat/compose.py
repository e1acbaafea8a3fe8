"""A conversation as the body of a chat request, for any server that speaks OpenAI's dialect."""

from typing import Any

from freehold.core.conversation import Conversation, Effort, Format, Reasoning, Tool, ToolChoice, Untranslatable
from freehold.wire.openai_chat.quirks import Quirks
from freehold.wire.openai_chat.written_turns import messages_of

DIALECT = "OpenAI's chat completions"
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
# Our own table: a budget in tokens is said as one of the three efforts that every server which knows efforts takes.
_EFFORT_FROM: tuple[tuple[int, Effort], ...] = ((16_384, "high"), (8_192, "medium"), (0, "low"))
_SAMPLING = "max_tokens temperature top_p top_k seed frequency_penalty presence_penalty top_logprobs user".split()
_MODES = {"auto": "auto", "none": "none", "any": "required"}
# What may be left out where a server lacks it: it changes no answer.
_CAN_GO = frozenset({"stream_options", "user"})


def body_of(conversation: Conversation, quirks: Quirks, *, stream: bool) -> dict[str, Any]:
    """Everything but the model. Raises Untranslatable by the field's name."""
    conversation.require_nothing_else(DIALECT)
    body: dict[str, Any] = {"messages": messages_of(conversation.turns, quirks), **_sampling(conversation, quirks)}
    if conversation.tools:
        body["tools"] = [_tool(tool, quirks) for tool in conversation.tools]
        if conversation.parallel_tools is not None:
            body["parallel_tool_calls"] = conversation.parallel_tools
        if conversation.tool_choice is not None:
            body["tool_choice"] = _choice(conversation.tool_choice)
    elif conversation.tool_choice is not None and conversation.tool_choice.mode in {"any", "named"}:
        raise Untranslatable("tool_choice", "there is no tool to choose")
    if conversation.format is not None:
        body["response_format"] = _form(conversation.format, quirks)
    if conversation.reasoning is not None and (effort := _effort(conversation.reasoning)) is not None:
        body["reasoning_effort"] = effort
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    for name in sorted(quirks.lacks & body.keys()):
        if name not in _CAN_GO:
            raise Untranslatable(name, "the target does not take it")
        del body[name]
    return {quirks.renamed.get(name, name): value for name, value in body.items()}


def _sampling(conversation: Conversation, quirks: Quirks) -> dict[str, Any]:
    """Numbers outside OpenAI's documented ranges are refused, never bent."""
    for name, least, most in (("temperature", 0, 2), ("top_p", 0, 1), ("frequency_penalty", -2, 2), ("presence_penalty", -2, 2)):
        value = getattr(conversation, name)
        if value is not None and not least <= value <= most:
            raise Untranslatable(name, f"{value:g} is outside {least} to {most}")
    if quirks.most_stops is not None and len(conversation.stop) > quirks.most_stops:
        raise Untranslatable("stop", f"the target takes {quirks.most_stops} stop sequences, not {len(conversation.stop)}")
    tier = conversation.service_tier
    if tier is not None and tier not in _TIERS:
        raise Untranslatable("service_tier", f"chat completions have no tier {tier}")
    said = {name: getattr(conversation, name) for name in _SAMPLING}
    said |= {
        "stop": list(conversation.stop) or None,
        "n": conversation.choices if conversation.choices != 1 else None,
        "logprobs": conversation.logprobs or None,
        "service_tier": tier,
    }
    return {name: value for name, value in said.items() if value is not None}


def _tool(tool: Tool, quirks: Quirks) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    shape = {"type": "function", "function": function | _strict(tool.strict, "tools", quirks)}
    if tool.cache is not None and quirks.cache_control:
        shape["cache_control"] = {"type": "ephemeral"} | ({"ttl": tool.cache.ttl} if tool.cache.ttl else {})
    return shape


def _strict(strict: bool | None, field: str, quirks: Quirks) -> dict[str, bool]:
    if strict is None or ("strict" in quirks.lacks and not strict):
        return {}
    if "strict" in quirks.lacks:
        raise Untranslatable(f"{field}.strict", "the target does not hold an answer to a schema strictly")
    return {"strict": strict}


def _choice(choice: ToolChoice) -> str | dict[str, Any]:
    if choice.mode == "named":
        return {"type": "function", "function": {"name": choice.name}}
    return _MODES[choice.mode]


def _form(form: Format, quirks: Quirks) -> dict[str, Any]:
    if form.kind == "json_object":
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": form.name or "answer"}  # the dialect demands a name
    if form.description is not None:
        schema["description"] = form.description
    if form.schema is not None:
        schema["schema"] = form.schema
    return {"type": "json_schema", "json_schema": schema | _strict(form.strict, "response_format", quirks)}


def _effort(reasoning: Reasoning) -> Effort | None:
    """The effort asked for, or the one a budget stands for; thinking that is only switched on is OpenAI's usual, medium."""
    if reasoning.enabled is False:
        return "none"
    if reasoning.effort is not None:
        return reasoning.effort
    if reasoning.tokens is not None:
        return next(effort for least, effort in _EFFORT_FROM if reasoning.tokens >= least)
    return "medium" if reasoning.enabled else None
