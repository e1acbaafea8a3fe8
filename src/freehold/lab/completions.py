"""The lab on OpenAI's legacy completions wire: one text in, one text out."""

from typing import Any

import msgspec

from freehold.lab.chat import Chat, Message, StreamOptions, decoded, sound
from freehold.lab.chunks import Chunks


class _Request(msgspec.Struct):
    model: str
    prompt: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None


_requests = msgspec.json.Decoder(_Request)


def read_completions(body: bytes) -> Chat:
    """A request from its body, its prompt as one message. Raises Refusal with 400."""
    request = decoded(_requests, body)
    chat = Chat(
        model=request.model, messages=[Message(content=request.prompt)], stream=request.stream,
        stream_options=request.stream_options, max_tokens=request.max_tokens,
    )  # fmt: skip
    return sound(chat)


class TextChunks(Chunks):
    """Writes one answer: its choices hold a text where those of chat hold a message, and nothing opens it."""

    objects = ("text_completion", "text_completion")

    def opening(self, *, with_usage: bool) -> bytes:
        """Nothing."""
        return b""

    def _event(self, index: int, delta: dict[str, Any], reason: str | None = None) -> bytes:
        return self._chunk({"index": index, "text": delta.get("content", ""), "logprobs": None, "finish_reason": reason})

    def _choice(self, index: int) -> dict[str, Any]:
        text = "".join(self._generation.choices[index])
        return {"index": index, "text": text, "logprobs": None, "finish_reason": self._generation.finish_reason}
