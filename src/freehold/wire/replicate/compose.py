"""A conversation as a prediction of a text model. A prompt is one text: what does not fit into one is refused by name.

The names of inputs are each model's own. These are what its language models mostly agree on: prompt, system_prompt, temperature,
top_p, seed, stop_sequences (one text, parted by commas), and max_tokens, which models of Llama 2's time call max_new_tokens (by
Replicate's pages of meta/meta-llama-3.1-405b-instruct and examples of meta/llama-2-70b-chat, 2026-11-21).
"""

import re
from typing import Any
from urllib.parse import quote

import msgspec

from freehold.core.conversation import Conversation, Text, Turn, Untranslatable
from freehold.core.ports import HttpCall
from freehold.core.said import Whole
from freehold.core.target import Target
from freehold.wire.replicate.steps import ReplicateReader, whole_of

_VERSION = re.compile(r"(?:[^:]*:)?([0-9a-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_LLAMA_2S_TIME = re.compile(r"llama-2|codellama|vicuna|mpt-|falcon-|dolly|stablelm", re.IGNORECASE)


class ReplicateComposer:
    """The dialect of a target that takes predictions. Its model is `owner/name`, or 64 hex digits of a version, with or without
    `owner/name:` before them."""

    dialect = "replicate"
    carries: frozenset[str] = frozenset()

    def compose(self, conversation: Conversation, target: Target, *, stream: bool) -> HttpCall:
        """The call that begins the prediction. Raises Untranslatable by the field's name."""
        conversation.require_nothing_else("Replicate")
        _require_sayable(conversation)
        body: dict[str, Any] = {"input": _input(conversation, target)}
        path = "predictions"
        if version := _VERSION.fullmatch(target.model):
            body["version"] = version[1]
        elif _NAME.fullmatch(target.model):
            path = f"models/{quote(target.model, safe='/')}/predictions"
        else:
            raise Untranslatable("model", f"{target.model!r} is neither owner/name nor a version of 64 hex digits")
        headers = {"content-type": "application/json", "accept": "application/json", "accept-encoding": "identity"}
        if stream:
            body["stream"] = True
        else:
            headers["prefer"] = "wait"
        if target.secret is not None:
            headers["authorization"] = f"Bearer {target.secret.reveal()}"
        return HttpCall(f"{target.url.rstrip('/')}/{path}", headers, msgspec.json.encode(body))

    def whole(self, body: bytes) -> Whole:
        """A prediction that has come to its end. Raises ValueError on one that has not, or that failed."""
        return whole_of(body)

    def reader(self) -> ReplicateReader:
        """Reads one stream."""
        return ReplicateReader()


def _require_sayable(asked: Conversation) -> None:
    choice = asked.tool_choice
    unsayable = {
        "tools": bool(asked.tools), "tool_choice": choice is not None and choice.mode in {"any", "named"},
        "response_format": asked.format is not None, "n": asked.choices != 1, "logprobs": asked.logprobs,
        "top_logprobs": bool(asked.top_logprobs), "top_k": asked.top_k is not None,
        "frequency_penalty": bool(asked.frequency_penalty), "presence_penalty": bool(asked.presence_penalty),
        "reasoning": asked.reasoning is not None and not (asked.reasoning.enabled is False or asked.reasoning.effort == "none"),
        "service_tier": asked.service_tier not in (None, "auto", "default", "standard_only"),
    }  # fmt: skip
    for name, said in unsayable.items():
        if said:
            raise Untranslatable(name, "Replicate's text models have no input that is known to mean it")


def _input(asked: Conversation, target: Target) -> dict[str, Any]:
    system = [turn for turn in asked.turns if turn.role == "system"]
    spoken = [turn for turn in asked.turns if turn.role != "system"]
    if len(spoken) != 1 or spoken[0].role != "user":
        raise Untranslatable("messages", "a prediction takes one prompt of the user's, not a dialogue")
    limit = "max_new_tokens" if _LLAMA_2S_TIME.search(target.model) else "max_tokens"
    said: dict[str, Any] = {
        "prompt": _text(spoken[0]), "system_prompt": "\n\n".join(_text(turn) for turn in system) or None,
        limit: asked.max_tokens or target.max_output_tokens, "temperature": asked.temperature, "top_p": asked.top_p,
        "stop_sequences": _stops(asked.stop), "seed": asked.seed,
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def _text(turn: Turn) -> str:
    if turn.name is not None:
        raise Untranslatable("name", "a turn has no name in this dialect")
    for part in turn.parts:
        if not isinstance(part, Text):
            raise Untranslatable(type(part).__name__.lower(), "a prompt is text alone here")
    return "".join(part.text for part in turn.parts if isinstance(part, Text))


def _stops(stops: tuple[str, ...]) -> str | None:
    """They are one input, parted by commas."""
    if any("," in stop for stop in stops):
        raise Untranslatable("stop", "a stop sequence cannot hold a comma here")
    return ",".join(stops) or None
