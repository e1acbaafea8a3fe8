"""An answer on OpenAI's wire: stream events and the whole body. What never changes within an answer is encoded once."""

import time
from typing import Any, Protocol

import msgspec

from freehold.lab.chat import Chat
from freehold.lab.generation import Generation

FINGERPRINT = "freehold-lab"
DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.encode
_ERROR = b'{"error":{"message":"The server had an error (lab fault).","type":"server_error","param":null,"code":null}}'


class Script(Protocol):
    """One answer, written in a dialect. `counts`: its stream tells the token counts; `error` is an error body."""

    counts: bool
    error: bytes

    def opening(self, *, with_usage: bool) -> bytes:
        """What comes before the first token."""
        ...

    def content(self, start: int, end: int) -> bytes:
        """Tokens `start` to `end` of every choice that is that long."""
        ...

    def finish(self, *, with_usage: bool) -> bytes:
        """Why it ended."""
        ...

    def usage(self) -> bytes:
        """The token counts, where they are an event of their own."""
        ...

    def end(self, *, with_usage: bool) -> bytes:
        """What ends the stream."""
        ...

    def whole(self, *, with_usage: bool) -> bytes:
        """The answer as one body."""
        ...

    def error_event(self) -> bytes:
        """An error inside the stream."""
        ...


class Chunks:
    """Writes the events of one answer. `usage` in every chunk is null where the caller asked for counts at the end.

    `objects`: what a chunk and a whole answer are called.
    """

    error = _ERROR
    objects = ("chat.completion.chunk", "chat.completion")

    def __init__(self, answer_id: str, chat: Chat, generation: Generation, *, wrong_usage: bool = False) -> None:
        self.counts = chat.wants_usage and bool(chat.stream)
        self._generation = generation
        self._id = answer_id
        self._usage = usage_of(generation) | ({"completion_tokens": -1, "total_tokens": None} if wrong_usage else {})
        self._rest = {"created": int(time.time()), "model": chat.model, "system_fingerprint": FINGERPRINT}
        head = _encode({"id": answer_id, "object": self.objects[0], **self._rest})
        self._before = b"data: " + head[:-1] + b',"choices":['
        self._after = b'],"usage":null}\n\n' if self.counts else b"]}\n\n"

    def opening(self, *, with_usage: bool) -> bytes:
        """The role of every choice, and the name of the tool it calls."""
        return b"".join(self._event(index, self._first_delta(index)) for index in range(len(self._generation.choices)))

    def content(self, start: int, end: int) -> bytes:
        """Tokens `start` to `end` of every choice that is that long, one event each."""
        tool = self._generation.tool
        events = []
        for index, tokens in enumerate(self._generation.choices):
            if text := "".join(tokens[start:end]):
                delta = {"tool_calls": [{"index": 0, "function": {"arguments": text}}]} if tool else {"content": text}
                events.append(self._event(index, delta))
        return b"".join(events)

    def finish(self, *, with_usage: bool) -> bytes:
        """The finish reason of every choice."""
        reason = self._generation.finish_reason
        return b"".join(self._event(index, {}, reason) for index in range(len(self._generation.choices)))

    def usage(self) -> bytes:
        """The event of the token counts, with no choices in it."""
        return self._before + b'],"usage":' + _encode(self._usage) + b"}\n\n"

    def end(self, *, with_usage: bool) -> bytes:
        """[DONE]."""
        return DONE

    def whole(self, *, with_usage: bool) -> bytes:
        """The answer as one body."""
        choices = [self._choice(index) for index in range(len(self._generation.choices))]
        body = {"id": self._id, "object": self.objects[1], **self._rest, "choices": choices}
        return _encode(body | {"usage": self._usage} if with_usage else body)

    def error_event(self) -> bytes:
        """The error body as an event."""
        return b"data: " + _ERROR + b"\n\n"

    def _event(self, index: int, delta: dict[str, Any], reason: str | None = None) -> bytes:
        return self._chunk({"index": index, "delta": delta, "logprobs": None, "finish_reason": reason})

    def _chunk(self, choice: dict[str, Any]) -> bytes:
        return self._before + _encode(choice) + self._after

    def _choice(self, index: int) -> dict[str, Any]:
        reason = self._generation.finish_reason
        return {"index": index, "message": self._message(index), "logprobs": None, "finish_reason": reason}

    def _first_delta(self, index: int) -> dict[str, Any]:
        if self._generation.tool is None:
            return {"role": "assistant", "content": "", "refusal": None}
        return {"role": "assistant", "content": None, "tool_calls": [{"index": 0, **self._call(index, "")}]}

    def _message(self, index: int) -> dict[str, Any]:
        text = "".join(self._generation.choices[index])
        if self._generation.tool is None:
            return {"role": "assistant", "content": text, "refusal": None}
        return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [self._call(index, text)]}

    def _call(self, index: int, arguments: str) -> dict[str, Any]:
        function = {"name": self._generation.tool, "arguments": arguments}
        return {"id": f"call_{self._id}_{index}", "type": "function", "function": function}


def usage_of(generation: Generation) -> dict[str, object]:
    """Token counts as OpenAI reports them."""
    prompt, completion = generation.prompt_tokens, generation.completion_tokens()
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
