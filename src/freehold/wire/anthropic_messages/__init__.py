"""Anthropic's Messages, inbound and outbound, and its counting of tokens."""

from freehold.wire.anthropic_messages.compose import MessagesComposer
from freehold.wire.anthropic_messages.count_tokens import CountTokens, CountTokensSurface, counted
from freehold.wire.anthropic_messages.native import Messages
from freehold.wire.anthropic_messages.surface import MessagesSurface
from freehold.wire.anthropic_messages.verdict import verdict

__all__ = ["CountTokens", "CountTokensSurface", "Messages", "MessagesComposer", "MessagesSurface", "counted", "verdict"]
