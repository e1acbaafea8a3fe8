"""The dialects a lab server speaks, by the path that each is spoken at."""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from freehold.lab.asgi import Refusal
from freehold.lab.chat import Chat, read_chat
from freehold.lab.chunks import Chunks, Script
from freehold.lab.completions import TextChunks, read_completions
from freehold.lab.embeddings import EmbeddingScript, embedded, read_embeddings
from freehold.lab.generation import Generation, generate
from freehold.lab.messages import MessageScript, messages_error, read_messages
from freehold.lab.responses import ResponseScript, read_responses


class Writer(Protocol):
    """Makes the script of one answer."""

    def __call__(self, answer_id: str, chat: Chat, generation: Generation, *, wrong_usage: bool = False) -> Script:
        """`wrong_usage`: its counts are none that can be."""
        ...


class Wire(msgspec.Struct, frozen=True):
    """How a request is read, what is said to it, how that is written, and how an error is."""

    read: Callable[[bytes], Chat]
    generate: Callable[[Chat, int], Generation]
    script: Writer
    error: Callable[[Refusal], bytes]


def openai_error(refused: Refusal) -> bytes:
    """As it is."""
    return refused.body


WIRES: Mapping[str, Wire] = {
    "/v1/chat/completions": Wire(read_chat, generate, Chunks, openai_error),
    "/v1/completions": Wire(read_completions, generate, TextChunks, openai_error),
    "/v1/responses": Wire(read_responses, generate, ResponseScript, openai_error),
    "/v1/messages": Wire(read_messages, generate, MessageScript, messages_error),
    "/v1/embeddings": Wire(read_embeddings, embedded, EmbeddingScript, openai_error),
}
