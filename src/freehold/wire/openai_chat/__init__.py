"""OpenAI's chat completions, inbound and outbound."""

from freehold.wire.openai_chat.calls import api_root
from freehold.wire.openai_chat.composer import ChatComposer
from freehold.wire.openai_chat.native import OpenAiChat
from freehold.wire.openai_chat.quirks import ENGINE, OPENAI, OTHERS, Quirks
from freehold.wire.openai_chat.request import read
from freehold.wire.openai_chat.surface import ChatSurface

__all__ = ["ENGINE", "OPENAI", "OTHERS", "ChatComposer", "ChatSurface", "OpenAiChat", "Quirks", "api_root", "read"]
