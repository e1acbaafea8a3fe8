"""OpenAI's chat completions, inbound and outbound."""

from freehold.wire.openai_chat.native import OpenAiChat, api_root
from freehold.wire.openai_chat.request import read

__all__ = ["OpenAiChat", "api_root", "read"]
