"""A conversation as a Messages request, for callers of other dialects. What it cannot say is refused by name."""

from typing import Any

import msgspec

from freehold.core.conversation import Conversation, Format, Tool, Untranslatable
from freehold.core.ports import HttpCall
from freehold.core.said import Whole
from freehold.core.target import Target
from freehold.core.usage import UsageSource
from freehold.wire.anthropic_messages.answer import whole_of
from freehold.wire.anthropic_messages.calls import KeyHeader, Spoken, call, model_name
from freehold.wire.anthropic_messages.content import marked, messages, system_blocks
from freehold.wire.anthropic_messages.models import Generation, generation
from freehold.wire.anthropic_messages.steps import MessagesReader
from freehold.wire.anthropic_messages.thinking import thinking_of

# Anthropic demands a limit. Where neither the caller nor the target states one, it is what every model of its gives at least.
DEFAULT_MAX_TOKENS = 4096
_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}


class MessagesComposer:
    """The dialect of a target that takes Messages. `usage_source`: whose count its usage is; `key_header`: how it knows us."""

    dialect = "anthropic_messages"
    carries = frozenset({"user", "cache_control"})

    def __init__(self, usage_source: UsageSource = "provider", key_header: KeyHeader = "x-api-key") -> None:
        self._source: UsageSource = usage_source
        self._key_header: KeyHeader = key_header

    def compose(self, conversation: Conversation, target: Target, *, stream: bool) -> HttpCall:
        """The call that asks for this conversation. Raises Untranslatable by the field's name."""
        conversation.require_nothing_else("Anthropic Messages")
        _require_sayable(conversation)
        takes = generation(target.model)
        limit = conversation.max_tokens or target.max_output_tokens or DEFAULT_MAX_TOKENS
        body: dict[str, Any] = {"model": model_name(target), "max_tokens": limit, "messages": messages(conversation.turns)}
        if system := system_blocks(conversation.turns):
            body["system"] = system
        body |= thinking_of(conversation, takes, limit)
        if conversation.format is not None:
            form = _format(conversation.format, target, takes)
            body["output_config"] = body.get("output_config", {}) | {"format": form}
        body |= _tools(conversation, takes) | _sampling(conversation, takes)
        if conversation.user is not None:
            body["metadata"] = {"user_id": conversation.user}
        if conversation.service_tier is not None:
            body["service_tier"] = _tier(conversation.service_tier)
        if stream:
            body["stream"] = True
        return call(target, "messages", body, Spoken(key_header=self._key_header, stream=stream))

    def whole(self, body: bytes) -> Whole:
        """Read a whole answer. Raises ValueError on an error body or anything else that is not one."""
        return whole_of(body, self._source)

    def reader(self) -> MessagesReader:
        """Reads one stream."""
        return MessagesReader(self._source)


def _require_sayable(asked: Conversation) -> None:
    unsayable = {
        "n": asked.choices != 1, "logprobs": asked.logprobs, "top_logprobs": bool(asked.top_logprobs),
        "seed": asked.seed is not None, "frequency_penalty": bool(asked.frequency_penalty),
        "presence_penalty": bool(asked.presence_penalty),
    }  # fmt: skip
    for name, said in unsayable.items():
        if said:
            raise Untranslatable(name, "Anthropic Messages has no such field")


def _sampling(asked: Conversation, takes: Generation) -> dict[str, Any]:
    """What is asked for beyond the usual; 1 is what temperature and top_p are without a word, and so not said."""
    values: dict[str, Any] = {"temperature": asked.temperature, "top_p": asked.top_p, "top_k": asked.top_k}
    said = {name: value for name, value in values.items() if value is not None and (name == "top_k" or value != 1)}
    if said.get("temperature", 0) > 1:
        raise Untranslatable("temperature", f"it goes from 0 to 1 here, and {asked.temperature:g} is asked for")
    if said and not takes.sampling:
        raise Untranslatable(next(iter(said)), "this model takes no sampling values")
    if said.keys() >= {"temperature", "top_p"} and not takes.both_samplings:
        raise Untranslatable("top_p", "this model takes it only without a temperature")
    if any(not stop.strip() for stop in asked.stop):
        raise Untranslatable("stop", "a stop sequence of blanks alone is not taken here")
    return said | ({"stop_sequences": list(asked.stop)} if asked.stop else {})


def _tools(asked: Conversation, takes: Generation) -> dict[str, Any]:
    if not asked.tools:
        if asked.tool_choice is not None and asked.tool_choice.mode in {"any", "named"}:
            raise Untranslatable("tool_choice", "it asks for a tool and there is none")
        return {}
    fields: dict[str, Any] = {"tools": [_tool(tool, takes) for tool in asked.tools]}
    choice: dict[str, Any] = {}
    if asked.tool_choice is not None:
        named = asked.tool_choice.mode == "named"
        choice = {"type": "tool", "name": asked.tool_choice.name} if named else {"type": asked.tool_choice.mode}
    if asked.parallel_tools is False and choice.get("type") != "none":
        choice = {"type": "auto"} | choice | {"disable_parallel_tool_use": True}
    return fields | ({"tool_choice": choice} if choice else {})


def _tool(tool: Tool, takes: Generation) -> dict[str, Any]:
    schema = tool.schema if tool.schema is not None else {"type": "object", "properties": {}}
    said: dict[str, Any] = {"name": tool.name, "input_schema": schema}
    if tool.description is not None:
        said["description"] = tool.description
    if tool.strict:
        if not takes.schemas:
            raise Untranslatable("tools.strict", "this model does not enforce schemas")
        said["strict"] = True
    return marked(said, tool.cache)


def _format(form: Format, target: Target, takes: Generation) -> dict[str, Any]:
    """A schema is always enforced here. What describes the whole goes where JSON Schema has it."""
    if form.kind != "json_schema" or form.schema is None:
        raise Untranslatable("response_format", "structured output follows a schema here; JSON without one cannot be asked for")
    if not takes.schemas or target.capabilities.get("json_schema") is False:
        raise Untranslatable("response_format", "this model does not enforce schemas")
    if form.description is None:
        return {"type": "json_schema", "schema": form.schema}
    schema = msgspec.json.decode(form.schema)
    if not isinstance(schema, dict):
        raise Untranslatable("response_format", "its schema is no object")
    return {"type": "json_schema", "schema": {"description": form.description} | schema}


def _tier(asked: str) -> str:
    if asked not in _TIERS:
        raise Untranslatable("service_tier", f"{asked!r} is no tier here; there are auto and default")
    return _TIERS[asked]
