"""How much to think, in Anthropic's words: `thinking` and `output_config.effort`.

Where a model knows efforts, ours is said as it is ("minimal" as "low", the least it has). Where it only knows a budget in tokens,
an effort becomes one by this table of ours: minimal 1,024 (the smallest Anthropic takes), low 2,048, medium 8,192,
high 16,384, xhigh 24,576, max 32,768; at most half of `max_tokens`, so that an answer fits beside it.
"""

from typing import Any

from freehold.core.conversation import Conversation, Reasoning, Result, Thinking, Turn, Untranslatable
from freehold.wire.anthropic_messages.models import Generation
from freehold.wire.anthropic_messages.signatures import DIALECT

LEAST_BUDGET = 1024
BUDGETS = {"minimal": LEAST_BUDGET, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32768}


def thinking_of(asked: Conversation, takes: Generation, max_tokens: int) -> dict[str, Any]:
    """The fields `thinking` and `output_config`, as far as they say something. Raises Untranslatable."""
    reasoning = asked.reasoning
    if reasoning is None:
        return {}
    if reasoning.enabled is False or reasoning.effort == "none":
        effort = {} if reasoning.effort in (None, "none") else _effort(reasoning, takes)
        return {"thinking": {"type": "disabled"}} | effort if takes.by_budget or takes.by_effort else effort
    if reasoning.tokens is None and takes.by_effort:
        fields = _effort(reasoning, takes) | {"thinking": {"type": "adaptive"}}
    else:
        fields = {"thinking": {"type": "enabled", "budget_tokens": _budget(reasoning, takes, max_tokens)}}
        if reasoning.tokens is not None and takes.by_effort:
            fields |= _effort(reasoning, takes)
        _require_earlier_thinking(asked.turns)
    if reasoning.show is not None:
        fields["thinking"]["display"] = "summarized" if reasoning.show else "omitted"
    _require_compatible(asked)
    return fields


def _effort(reasoning: Reasoning, takes: Generation) -> dict[str, Any]:
    if reasoning.effort is None:
        return {}
    if not takes.by_effort:
        raise Untranslatable("output_config.effort", "this model has no efforts")
    return {"output_config": {"effort": "low" if reasoning.effort == "minimal" else reasoning.effort}}


def _budget(reasoning: Reasoning, takes: Generation, max_tokens: int) -> int:
    if not takes.by_budget:
        why = "this model thinks by effort, not within a budget" if takes.by_effort else "this model does not think"
        raise Untranslatable("reasoning", why)
    if reasoning.tokens is not None:
        if not LEAST_BUDGET <= reasoning.tokens < max_tokens:
            raise Untranslatable("reasoning", f"a budget of {reasoning.tokens} is not between {LEAST_BUDGET} and max_tokens")
        return reasoning.tokens
    budget = min(BUDGETS[reasoning.effort or "medium"], max_tokens // 2)
    if budget < LEAST_BUDGET:
        raise Untranslatable("reasoning", f"max_tokens of {max_tokens} leave no room to think in; give {2 * LEAST_BUDGET}")
    return budget


def _require_compatible(asked: Conversation) -> None:
    """What Anthropic rejects beside thinking."""
    if asked.temperature not in (None, 1.0):
        raise Untranslatable("temperature", "a model that thinks takes none but 1")
    if asked.top_k is not None:
        raise Untranslatable("top_k", "a model that thinks takes none")
    if asked.tool_choice is not None and asked.tool_choice.mode in {"any", "named"}:
        raise Untranslatable("tool_choice", "a model that thinks cannot be made to call a tool")


def _require_earlier_thinking(turns: tuple[Turn, ...]) -> None:
    """Within a budget, a turn that waits for results must begin with the thinking that led to its calls."""
    spoken = [turn for turn in turns if turn.role != "system"]
    last = next((turn for turn in reversed(spoken) if turn.role == "assistant"), None)
    waits = any(isinstance(part, Result) for turn in spoken[-1:] for part in turn.parts)
    if last is not None and waits and not any(isinstance(part, Thinking) and part.maker == DIALECT for part in last.parts):
        raise Untranslatable("reasoning", "the thinking before the tool calls so far is not Anthropic's, and this model needs it")
