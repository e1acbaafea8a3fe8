"""A conversation as a generateContent request. What it cannot say is refused by name."""

import re
from typing import Any
from urllib.parse import quote

import msgspec

from freehold.core.conversation import Conversation, Format, Tool, Untranslatable
from freehold.core.ports import HttpCall
from freehold.core.said import Whole
from freehold.core.target import Target
from freehold.core.usage import UsageSource
from freehold.wire.google_gemini.contents import contents, system_parts
from freehold.wire.google_gemini.models import DIALECT, Generation, generation
from freehold.wire.google_gemini.schemas import require_followed
from freehold.wire.google_gemini.steps import GeminiReader, whole_of
from freehold.wire.google_gemini.thinking import thinking_of

_MOST_CHOICES, _MOST_STOPS, _MOST_TOP_LOGPROBS = 8, 5, 20
_SEEDS = range(-(2**31), 2**31)
_TIERS = (None, "auto", "default", "standard_only")
_MODES = {"auto": "AUTO", "none": "NONE", "any": "ANY", "named": "ANY"}
_RESOURCE = re.compile(r"(models|tunedModels)/.+")


class GeminiComposer:
    """The dialect of a target that takes generateContent; its URL ends in the API's version."""

    dialect = DIALECT
    carries: frozenset[str] = frozenset()

    def __init__(self, usage_source: UsageSource = "provider") -> None:
        self._source: UsageSource = usage_source

    def compose(self, conversation: Conversation, target: Target, *, stream: bool) -> HttpCall:
        """The call that asks for this conversation, the key in a header. Raises Untranslatable by the field's name."""
        conversation.require_nothing_else("Gemini")
        if conversation.service_tier not in _TIERS:
            raise Untranslatable("service_tier", f"{conversation.service_tier!r} is no tier here; there is auto")
        takes = generation(target.model)
        body: dict[str, Any] = {"contents": contents(conversation.turns, takes)}
        if system := system_parts(conversation.turns):
            body["systemInstruction"] = {"parts": system}
        body |= _tools(conversation)
        config = _sampling(conversation) | thinking_of(conversation.reasoning, takes)
        if conversation.format is not None:
            config |= _format(conversation, conversation.format, target, takes)
        if config:
            body["generationConfig"] = config
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        headers["accept"] = "text/event-stream" if stream else "application/json"
        if target.secret is not None:
            headers["x-goog-api-key"] = target.secret.reveal()
        return HttpCall(_url(target, stream=stream), headers, msgspec.json.encode(body))

    def whole(self, body: bytes) -> Whole:
        """Read a whole answer. Raises ValueError on an error body or anything else that is not one."""
        return whole_of(body, self._source)

    def reader(self) -> GeminiReader:
        """Reads one stream."""
        return GeminiReader(self._source)


def _url(target: Target, *, stream: bool) -> str:
    name = target.model if _RESOURCE.fullmatch(target.model) else f"models/{target.model}"
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"{target.url.rstrip('/')}/{quote(name, safe='/')}:{method}"


def _sampling(asked: Conversation) -> dict[str, Any]:
    """Of `generationConfig`. Numbers outside the documented ranges are refused, never bent."""
    _require_range("temperature", asked.temperature, 0, 2)
    _require_range("top_p", asked.top_p, 0, 1)
    _require_range("n", asked.choices, 1, _MOST_CHOICES)
    _require_range("top_logprobs", asked.top_logprobs, 0, _MOST_TOP_LOGPROBS)
    _require_range("seed", asked.seed, _SEEDS.start, _SEEDS.stop - 1)
    for name in ("frequency_penalty", "presence_penalty"):
        value = getattr(asked, name)
        _require_range(name, value, -2, 2)
        if value == 2:
            raise Untranslatable(name, "it stays below 2 here")
    if len(asked.stop) > _MOST_STOPS:
        raise Untranslatable("stop", f"there are at most {_MOST_STOPS} stop sequences here, not {len(asked.stop)}")
    said: dict[str, Any] = {
        "temperature": asked.temperature, "topP": asked.top_p, "topK": asked.top_k, "maxOutputTokens": asked.max_tokens,
        "stopSequences": list(asked.stop) or None, "seed": asked.seed,
        "candidateCount": asked.choices if asked.choices != 1 else None,
        "presencePenalty": asked.presence_penalty, "frequencyPenalty": asked.frequency_penalty,
        "responseLogprobs": asked.logprobs or None, "logprobs": asked.top_logprobs or None,
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def _require_range(name: str, value: float | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise Untranslatable(name, f"{value:g} is outside {least} to {most}")


def _tools(asked: Conversation) -> dict[str, Any]:
    choice = asked.tool_choice
    if not asked.tools:
        if choice is not None and choice.mode in {"any", "named"}:
            raise Untranslatable("tool_choice", "it asks for a tool and there is none")
        return {}
    mode = "AUTO" if choice is None else _MODES[choice.mode]
    if asked.parallel_tools is False and mode != "NONE":
        raise Untranslatable("parallel_tool_calls", "how many tools are called at once cannot be bounded here")
    if mode == "AUTO" and any(tool.strict for tool in asked.tools):
        mode = "VALIDATED"  # as AUTO, with arguments held to their schemas; ANY does that by itself
    fields: dict[str, Any] = {"tools": [{"functionDeclarations": [_tool(tool) for tool in asked.tools]}]}
    if mode == "AUTO":
        return fields
    calling: dict[str, Any] = {"mode": mode}
    if choice is not None and choice.mode == "named":
        calling["allowedFunctionNames"] = [choice.name]
    return fields | {"toolConfig": {"functionCallingConfig": calling}}


def _tool(tool: Tool) -> dict[str, Any]:
    """Gemini demands a description, though it may be empty; one without a schema takes no arguments."""
    if tool.strict and tool.schema is not None:
        require_followed(tool.schema, "tools.strict")
    said: dict[str, Any] = {"name": tool.name, "description": tool.description or ""}
    return said | ({} if tool.schema is None else {"parametersJsonSchema": tool.schema})


def _format(asked: Conversation, form: Format, target: Target, takes: Generation) -> dict[str, Any]:
    """Of `generationConfig`. A schema is always enforced; what describes the whole goes where JSON Schema has it."""
    if asked.tools and not takes.schema_beside_tools:
        raise Untranslatable("response_format", "this model does not take it beside tools")
    json: dict[str, Any] = {"responseMimeType": "application/json"}
    if form.kind == "json_object" or form.schema is None:
        return json
    if not takes.schemas or target.capabilities.get("json_schema") is False:
        raise Untranslatable("response_format", "this model does not enforce JSON schemas")
    schema = require_followed(form.schema, "response_format")
    described = {} if form.description is None else {"description": form.description}
    return json | {"responseJsonSchema": described | schema}
