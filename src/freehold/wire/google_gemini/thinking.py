"""How much to think, in Gemini's words: `thinkingConfig`.

A model of generation 3 knows levels: an effort is said as the level of that name, what is above high as high and what is below
low as low where there is no minimal. A model of 2.5 knows a budget in tokens: an effort becomes the one that Google's own
OpenAI-compatible endpoint gives it (minimal and low 1,024, medium 8,192, high 24,576; its page on OpenAI compatibility, as of
2026-11-21), and what is above high is said as high. -1 lets the model decide.
"""

from typing import Any

from freehold.core.conversation import Reasoning, Untranslatable
from freehold.wire.google_gemini.models import Generation

_LEVELS = {"minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
_PRO_BUDGET = (128, 32_768)  # of 2.5 Pro, which cannot be kept from thinking
_FLASH_BUDGET = (0, 24_576)
_DYNAMIC = -1


def thinking_of(reasoning: Reasoning | None, takes: Generation) -> dict[str, Any]:
    """The field `thinkingConfig`, as far as it says something. Raises Untranslatable."""
    if reasoning is None:
        return {}
    off = reasoning.enabled is False or reasoning.effort == "none"
    if not (takes.by_level or takes.by_budget):
        if off or reasoning == Reasoning(show=reasoning.show):
            return {}
        raise Untranslatable("reasoning", "this model does not think")
    config = _off(takes) if off else _on(reasoning, takes)
    if reasoning.show is not None:
        config["includeThoughts"] = reasoning.show
    return {"thinkingConfig": config} if config else {}


def _off(takes: Generation) -> dict[str, Any]:
    if takes.by_level or takes.pro:
        raise Untranslatable("reasoning", "this model cannot be kept from thinking")
    return {"thinkingBudget": 0}


def _on(reasoning: Reasoning, takes: Generation) -> dict[str, Any]:
    if reasoning.tokens is not None:
        return {"thinkingBudget": _budget(reasoning.tokens, takes)}
    if reasoning.effort is None:
        return {"thinkingBudget": _DYNAMIC} if reasoning.enabled and not takes.by_level else {}
    if takes.by_level:
        least = reasoning.effort == "minimal" and not takes.flash
        return {"thinkingLevel": "low" if least else _LEVELS[reasoning.effort]}
    return {"thinkingBudget": _BUDGETS[reasoning.effort]}


def _budget(tokens: int, takes: Generation) -> int:
    least, most = _PRO_BUDGET if takes.pro else _FLASH_BUDGET
    if not takes.by_level and not least <= tokens <= most:
        raise Untranslatable("reasoning", f"a budget of {tokens} tokens is outside {least} to {most}")
    return tokens
