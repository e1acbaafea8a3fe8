"""A conversation as a Converse request. What it cannot say is refused by name."""

from typing import Any
from urllib.parse import quote

import msgspec

from freehold.core.conversation import Call, Conversation, Format, Result, Tool, Untranslatable
from freehold.core.ports import HttpCall
from freehold.core.said import Whole
from freehold.core.target import Target
from freehold.core.usage import UsageSource
from freehold.wire.bedrock_converse.answer import whole_of
from freehold.wire.bedrock_converse.contents import marked, messages, system_blocks
from freehold.wire.bedrock_converse.models import DIALECT, Family, family
from freehold.wire.bedrock_converse.steps import ConverseReader
from freehold.wire.bedrock_converse.thinking import thinking_of
from freehold.wire.event_frames import FrameSplitter

_STANDARD = (None, "auto", "default", "standard_only")
_NO_SCHEMA = msgspec.Raw(b'{"type":"object","properties":{}}')


class ConverseComposer:
    """The dialect of a target that takes Converse; its URL is the region's endpoint. A secret is a Bedrock API key."""

    dialect = DIALECT
    carries = frozenset({"cache_control"})

    def __init__(self, usage_source: UsageSource = "provider") -> None:
        self._source: UsageSource = usage_source

    def compose(self, conversation: Conversation, target: Target, *, stream: bool) -> HttpCall:
        """The call that asks for this conversation. Raises Untranslatable by the field's name."""
        conversation.require_nothing_else("Bedrock Converse")
        _require_sayable(conversation)
        takes = family(target.model)
        body: dict[str, Any] = {"messages": messages(conversation.turns, takes)}
        if system := system_blocks(conversation.turns, takes):
            body["system"] = system
        body |= _tools(conversation, takes)
        own, effort = thinking_of(conversation, takes, conversation.max_tokens or target.max_output_tokens)
        if config := _sampling(conversation, takes):
            body["inferenceConfig"] = config
        if own := own | _top_k(conversation, takes):
            body["additionalModelRequestFields"] = own
        output: dict[str, Any] = {} if effort is None else {"effort": effort}
        if conversation.format is not None:
            output["textFormat"] = _format(conversation.format, target, takes)
        if output:
            body["outputConfig"] = output
        if conversation.stop:  # which of them it was is a field of the model's own, and passed over where the model has none
            body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]
        if conversation.service_tier not in _STANDARD:
            body["serviceTier"] = _tier(conversation.service_tier)
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        headers["accept"] = FrameSplitter.content_type if stream else "application/json"
        if target.secret is not None:
            headers["authorization"] = f"Bearer {target.secret.reveal()}"
        return HttpCall(_url(target, stream=stream), headers, msgspec.json.encode(body))

    def whole(self, body: bytes) -> Whole:
        """Read a whole answer. Raises ValueError on an error body or anything else that is not one."""
        return whole_of(body, self._source)

    def reader(self) -> ConverseReader:
        """Reads one stream."""
        return ConverseReader(self._source)


def _url(target: Target, *, stream: bool) -> str:
    """A model is an id or an ARN, of which nothing may be taken for a path."""
    return f"{target.url.rstrip('/')}/model/{quote(target.model, safe='')}/{'converse-stream' if stream else 'converse'}"


def _require_sayable(asked: Conversation) -> None:
    unsayable = {
        "n": asked.choices != 1, "logprobs": asked.logprobs, "top_logprobs": bool(asked.top_logprobs),
        "seed": asked.seed is not None, "frequency_penalty": bool(asked.frequency_penalty),
        "presence_penalty": bool(asked.presence_penalty),
    }  # fmt: skip
    for name, said in unsayable.items():
        if said:
            raise Untranslatable(name, "Bedrock Converse has no such field")


def _sampling(asked: Conversation, takes: Family) -> dict[str, Any]:
    """`inferenceConfig`. Claude takes 1 for what is usual, in the generations that take nothing else too, so it is not said."""
    for name, value in (("temperature", asked.temperature), ("top_p", asked.top_p)):
        if value is not None and not 0 <= value <= 1:
            raise Untranslatable(name, f"it goes from 0 to 1 here, and {value:g} is asked for")
    values = {"temperature": asked.temperature, "topP": asked.top_p}
    claude = takes.claude
    said: dict[str, Any] = {name: value for name, value in values.items() if value is not None and (value != 1 or not claude)}
    if claude is not None:
        if said and not claude.sampling:
            raise Untranslatable("temperature" if "temperature" in said else "top_p", "this model takes no sampling values")
        if len(said) == 2 and not claude.both_samplings:
            raise Untranslatable("top_p", "this model takes it only without a temperature")
    if any(not stop.strip() for stop in asked.stop):
        raise Untranslatable("stop", "a stop sequence of blanks alone is not taken here")
    said |= {} if asked.max_tokens is None else {"maxTokens": asked.max_tokens}
    return said | ({"stopSequences": list(asked.stop)} if asked.stop else {})


def _top_k(asked: Conversation, takes: Family) -> dict[str, Any]:
    """A field of the model's own: each maker has another name for it, and Claude's is known."""
    if asked.top_k is None:
        return {}
    if takes.claude is None or not takes.claude.sampling:
        raise Untranslatable("top_k", "this model is not known to take it")
    return {"top_k": asked.top_k}


def _tools(asked: Conversation, takes: Family) -> dict[str, Any]:
    """`toolConfig`, which a conversation with calls in it must have. There is no word for "call none" but to offer none."""
    choice = asked.tool_choice
    if not asked.tools or (choice is not None and choice.mode == "none"):
        if any(isinstance(part, Call | Result) for turn in asked.turns for part in turn.parts):
            field = "tool_choice" if asked.tools else "tools"
            raise Untranslatable(field, "a conversation with tool calls in it is only taken with tools that may be called")
        if choice is not None and choice.mode in {"any", "named"}:
            raise Untranslatable("tool_choice", "it asks for a tool and there is none")
        return {}
    if asked.parallel_tools is False:
        raise Untranslatable("parallel_tool_calls", "how many tools are called at once cannot be bounded here")
    tools = [block for tool in asked.tools for block in marked([_tool(tool, takes)], tool.cache, takes)]
    if choice is None:
        return {"toolConfig": {"tools": tools}}
    said = {"tool": {"name": choice.name}} if choice.mode == "named" else {choice.mode: {}}
    return {"toolConfig": {"tools": tools, "toolChoice": said}}


def _tool(tool: Tool, takes: Family) -> dict[str, Any]:
    said: dict[str, Any] = {"name": tool.name, "inputSchema": {"json": _NO_SCHEMA if tool.schema is None else tool.schema}}
    if tool.description:
        said["description"] = tool.description
    if tool.strict:
        if takes.claude is not None and not takes.claude.schemas:
            raise Untranslatable("tools.strict", "this model does not enforce schemas")
        said["strict"] = True
    return {"toolSpec": said}


def _format(form: Format, target: Target, takes: Family) -> dict[str, Any]:
    """A schema is always enforced here, and travels as the text that it is written as."""
    if form.kind != "json_schema" or form.schema is None:
        raise Untranslatable("response_format", "structured output follows a schema here; JSON without one cannot be asked for")
    if (takes.claude is not None and not takes.claude.schemas) or target.capabilities.get("json_schema") is False:
        raise Untranslatable("response_format", "this model does not enforce schemas")
    said = {"schema": bytes(form.schema).decode(), "name": form.name, "description": form.description}
    named = {name: value for name, value in said.items() if value is not None}
    return {"type": "json_schema", "structure": {"jsonSchema": named}}


def _tier(asked: str | None) -> dict[str, str]:
    if asked != "flex":
        raise Untranslatable(
            "service_tier", f"{asked!r} is no tier that has a known price here; there are auto, default and flex"
        )
    return {"type": asked}
