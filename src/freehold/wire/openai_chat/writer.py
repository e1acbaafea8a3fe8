"""Steps as the chunks of a chat stream, for a caller whose answer comes in another dialect."""

from typing import Any

import msgspec

from freehold.core.conversation import Thinking
from freehold.core.request import Request
from freehold.core.said import Began, Closed, Ended, Opened, Piece, Signed, Step, Stopped, Used
from freehold.wire.openai_chat.answer import tier_of
from freehold.wire.openai_chat.finish import finish_of
from freehold.wire.openai_chat.reasoning_details import detail_of
from freehold.wire.openai_chat.usage import usage_body

ENDING = b"data: [DONE]\n\n"
_FIELDS = {"text": "content", "thinking": "reasoning_content", "refusal": "refusal"}


class ChatWriter:
    """The StepWriter port: a role chunk for each choice, deltas, a finish chunk; the usage chunk where it was asked for."""

    def __init__(self, request: Request) -> None:
        self._wants_usage = request.wants_usage
        self._opened = Opened(id="", model="")
        self._choices: dict[int, _Choice] = {}
        self._used = Used(None)

    def write(self, step: Step) -> bytes:
        """Whole events; nothing where this step says nothing in this dialect. ValueError on media in an answer."""
        match step:
            case Opened():
                self._opened = step
                self._used = Used(step.usage)
            case Began():
                known = self._choices.get(step.choice)
                role = b"" if known is not None else self._role(step.choice, "" if step.kind == "text" else None)
                return role + self._delta(step.choice, self._choices[step.choice].begin(step))
            case Piece():
                delta = self._choices[step.choice].piece(step)
                return self._delta(step.choice, delta, logprobs=step.logprobs)
            case Signed():
                return self._delta(step.choice, self._choices[step.choice].sign(step))
            case Ended():
                self._choices[step.choice].end(step.part)
            case Stopped():
                role = b"" if step.choice in self._choices else self._role(step.choice, "")
                finish = finish_of(step.stop, refused=self._choices[step.choice].refused)
                return role + self._chunk([_shape(step.choice, {}, finish)])
            case Used():
                self._used = step if step.usage is not None else self._used
            case Closed():
                return self._usage_chunk() + ENDING
        return b""

    def _role(self, choice: int, content: str | None) -> bytes:
        self._choices[choice] = _Choice()
        return self._chunk([_shape(choice, {"role": "assistant", "content": content, "refusal": None})])

    def _delta(self, choice: int, delta: dict[str, Any], logprobs: msgspec.Raw | None = None) -> bytes:
        if not delta and logprobs is None:
            return b""
        said = None if logprobs is None else {"content": logprobs, "refusal": None}
        return self._chunk([_shape(choice, delta) | {"logprobs": said}])

    def _usage_chunk(self) -> bytes:
        if not self._wants_usage or self._used.usage is None:
            return b""
        return self._chunk([], usage_body(self._used.usage))

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        opened = self._opened
        chunk: dict[str, Any] = {
            "id": opened.id, "object": "chat.completion.chunk", "created": opened.created or 0, "model": opened.model,
            "choices": choices,
        }  # fmt: skip
        if self._used.service_tier is not None:
            chunk["service_tier"] = tier_of(self._used.service_tier)
        if self._wants_usage:
            chunk["usage"] = usage
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


class _Choice:
    """What one choice has said so far, as far as later chunks need it."""

    def __init__(self) -> None:
        self.refused = False
        self._parts: dict[int, _Part] = {}
        self._calls = 0
        self._details = 0

    def begin(self, step: Began) -> dict[str, Any]:
        if step.kind == "media":
            raise ValueError("an answer with media in it cannot be said as a chat completion")
        self.refused = self.refused or step.kind == "refusal"
        self._parts[step.part] = _Part(step, self._calls)
        if step.kind != "call":
            return {}
        self._calls += 1
        function = {"name": step.name, "arguments": ""}
        return {"tool_calls": [{"index": self._calls - 1, "id": step.id, "type": "function", "function": function}]}

    def piece(self, step: Piece) -> dict[str, Any]:
        part = self._parts[step.part]
        if not step.text:
            return {}
        if part.began.kind == "call":
            return {"tool_calls": [{"index": part.call, "function": {"arguments": step.text}}]}
        if part.began.kind == "thinking":
            part.thought.append(step.text)
        return {_FIELDS[part.began.kind]: step.text}

    def sign(self, step: Signed) -> dict[str, Any]:
        """A signature comes with all it signs, so that a caller need not put pieces together to send it back."""
        part = self._parts[step.part]
        if part.began.kind == "call":
            return {"tool_calls": [{"index": part.call, "extra_content": {"google": {"thought_signature": step.signature}}}]}
        self._details += 1
        thinking = Thinking("".join(part.thought), step.signature, part.began.redacted, step.maker)
        return {"reasoning_details": [detail_of(thinking, self._details - 1)]}

    def end(self, part: int) -> None:
        self._parts.pop(part, None)


class _Part:
    """One part that is open; `call` is its number among the calls."""

    def __init__(self, began: Began, call: int) -> None:
        self.began = began
        self.call = call
        self.thought: list[str] = []


def _shape(choice: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": choice, "delta": delta, "logprobs": None, "finish_reason": finish}
