"""OpenAI's legacy completions: text in, its continuation out."""

from freehold.wire.openai_completions.native import OpenAiCompletions
from freehold.wire.openai_completions.surface import CompletionsSurface

__all__ = ["CompletionsSurface", "OpenAiCompletions"]
