"""How a caller asks and reads in each dialect: a body, the text of what came back, whether it is whole."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from benchmarks.soak.config import TICKETS, VERSIONED

_decode = msgspec.json.Decoder().decode


class Dialect(msgspec.Struct, frozen=True):
    """`question`: the fields that hold a prompt, `counted` those of them that an estimate of the input counts, `limit` the name
    of the most tokens. `heard`: the texts in a body or an event; `end`: what only a whole stream has in it; None: no streams.
    `workloads`: those that are asked for in it, one as often as another."""

    path: str
    question: Callable[[str], dict[str, Any]]
    heard: Callable[[Any], Iterator[str]]
    counted: tuple[str, ...] = ("messages",)
    limit: str | None = "max_tokens"
    end: tuple[bytes, ...] | None = (b"data: [DONE]",)
    workloads: tuple[str, ...] = ("soak",)

    def body(self, prompt: str, tokens: int, *, stream: bool) -> dict[str, Any]:
        """The request, but for its workload."""
        body = self.question(prompt)
        if self.limit is not None:
            body[self.limit] = tokens
        return body | {"stream": True} if stream else body

    def input_bytes(self, body: Mapping[str, Any]) -> int:
        """What an estimate of the input counts."""
        return sum(len(msgspec.json.encode(body[name])) for name in self.counted)

    def text(self, body: bytes, *, streamed: bool) -> str:
        """All text in it; of what broke off, as far as it can be read."""
        try:
            if not streamed:
                return "".join(self.heard(_decode(body)))
            datas = (line[6:] for line in body.split(b"\n") if line.startswith(b"data: {") and line.endswith(b"}"))
            return "".join(text for data in datas for text in self.heard(_decode(data)))
        except msgspec.DecodeError:
            return ""

    def whole(self, body: bytes, *, streamed: bool) -> bool:
        """Whether a caller takes it for a whole answer."""
        return not streamed or any(end in body for end in self.end or ())


def _messages(prompt: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": prompt}]}


def _chat(body: Any) -> Iterator[str]:
    for choice in body.get("choices", ()):
        yield (choice.get("delta") or choice.get("message") or {}).get("content") or ""


def _completion(body: Any) -> Iterator[str]:
    for choice in body.get("choices", ()):
        yield choice.get("text") or ""


def _response(body: Any) -> Iterator[str]:
    if body.get("type") == "response.output_text.delta":
        yield body["delta"]
    for item in body.get("output", ()):
        yield from (part.get("text", "") for part in item.get("content", ()))


def _message(body: Any) -> Iterator[str]:
    if body.get("type") == "content_block_delta":
        yield body["delta"].get("text", "")
    elif body.get("type") == "message":
        yield from (part.get("text", "") for part in body["content"])


def _nothing(body: Any) -> Iterator[str]:
    return iter(())


DIALECTS: Mapping[str, Dialect] = {
    "openai_chat": Dialect(
        "/v1/chat/completions", _messages, _chat, workloads=("soak", "soak", VERSIONED, *TICKETS)
    ),
    "openai_completions": Dialect("/v1/completions", lambda prompt: {"prompt": prompt}, _completion, ("prompt",)),
    "openai_responses": Dialect(
        "/v1/responses", lambda prompt: {"input": prompt, "store": False}, _response, ("input",), "max_output_tokens",
        (b'"type":"response.completed"', b'"type":"response.incomplete"'),
    ),
    "anthropic_messages": Dialect(
        "/v1/messages", _messages, _message, end=(b"event: message_stop",), workloads=("soak", "soak", VERSIONED)
    ),
    "anthropic_count_tokens": Dialect("/v1/messages/count_tokens", _messages, _nothing, (), None, None, ("count",)),
    "openai_embeddings": Dialect(
        "/v1/embeddings", lambda prompt: {"input": prompt}, _nothing, ("input",), None, None, ("embed",)
    ),
}  # fmt: skip
