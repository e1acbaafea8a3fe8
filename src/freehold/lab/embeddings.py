"""The lab's embeddings: a short vector for each text, always the same one, and the tokens of the input."""

import hashlib
from typing import Any

import msgspec

from freehold.lab.chat import Chat, Message, decoded
from freehold.lab.chunks import Chunks
from freehold.lab.generation import Generation

_DIMENSIONS = 4


class _Request(msgspec.Struct):
    model: str
    input: str | list[str]


_requests = msgspec.json.Decoder(_Request)


def read_embeddings(body: bytes) -> Chat:
    """A request from its body, each text as one message. Raises Refusal with 400."""
    request = decoded(_requests, body)
    texts = [request.input] if isinstance(request.input, str) else request.input
    return Chat(model=request.model, messages=[Message(content=text) for text in texts])


def embedded(chat: Chat, seed: int) -> Generation:
    """Nothing is said, so nothing is generated: the input alone counts."""
    return Generation(len(chat.text.split()), ((),), "stop")


def vector(text: str) -> list[float]:
    """Numbers of a text, in 0..1."""
    return [byte / 255 for byte in hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=_DIMENSIONS).digest()]


class EmbeddingScript(Chunks):
    """Writes the body; there are no events, since embeddings come whole. Errors are OpenAI's."""

    def __init__(self, answer_id: str, chat: Chat, generation: Generation, *, wrong_usage: bool = False) -> None:
        super().__init__(answer_id, chat, generation)
        self._model = chat.model
        self._texts = [str(message.content or "") for message in chat.messages]
        tokens = -1 if wrong_usage else generation.prompt_tokens
        self._counts = {"prompt_tokens": tokens, "total_tokens": tokens}

    def whole(self, *, with_usage: bool) -> bytes:
        """A list of embeddings in the order of the texts."""
        data = [{"object": "embedding", "index": n, "embedding": vector(text)} for n, text in enumerate(self._texts)]
        body: dict[str, Any] = {"object": "list", "data": data, "model": self._model}
        return msgspec.json.encode(body | {"usage": self._counts} if with_usage else body)
