"""How much to think, which Converse has one word for (`outputConfig.effort`) and Claude another (`thinking`).

Claude is told as Anthropic's own API would be; how another model is told differs from maker to maker and is not said here.
"""

from typing import Any

import msgspec

from freehold.core.conversation import Conversation, Reasoning, Thinking, Turn, Untranslatable
from freehold.wire.anthropic_messages import thinking as anthropics
from freehold.wire.anthropic_messages.signatures import DIALECT as ANTHROPICS
from freehold.wire.bedrock_converse.models import DIALECT, Family

# Where nobody states a bound: what every Claude that thinks gives at least, so that a budget fits below it.
_LEAST_MAX_TOKENS = 4096


def thinking_of(asked: Conversation, takes: Family, max_tokens: int | None) -> tuple[dict[str, Any], str | None]:
    """(fields for Claude itself, an effort or None). Raises Untranslatable."""
    if asked.reasoning is None:
        return {}, None
    if takes.claude is None:
        if asked.reasoning == Reasoning(show=asked.reasoning.show):
            return {}, None
        raise Untranslatable("reasoning", "how much to think can be said to Claude alone here")
    said = anthropics.thinking_of(_as_claudes(asked), takes.claude, max_tokens or _LEAST_MAX_TOKENS)
    effort: str | None = said.pop("output_config", {}).get("effort")
    return said, effort


def _as_claudes(asked: Conversation) -> Conversation:
    """The thinking that came from Bedrock is Claude's own: it is what a turn that waits for results must begin with."""

    def renamed(turn: Turn) -> Turn:
        ours = (isinstance(part, Thinking) and part.maker == DIALECT for part in turn.parts)
        parts = (
            msgspec.structs.replace(part, maker=ANTHROPICS) if own else part for part, own in zip(turn.parts, ours, strict=True)
        )
        return msgspec.structs.replace(turn, parts=tuple(parts))

    return msgspec.structs.replace(asked, turns=tuple(renamed(turn) for turn in asked.turns))
