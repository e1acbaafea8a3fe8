"""Answers that came in another dialect, as `text_completion` objects: whole, and as a stream."""

from typing import Any

import msgspec

from freehold.core.conversation import Refusal, Text
from freehold.core.request import Request
from freehold.core.said import Began, Closed, Opened, Piece, Step, Stopped, StopReason, Used, Whole
from freehold.core.usage import Usage
from freehold.wire.openai_chat.finish import finish_of
from freehold.wire.openai_chat.usage import usage_body
from freehold.wire.openai_chat.writer import ENDING

# The dialect has one text and nothing else: a refusal's words are it too, and thinking has no place.
_WORDS = frozenset({"text", "refusal"})


def whole_body(whole: Whole) -> bytes:
    """The body its caller reads."""
    choices = []
    for index, choice in enumerate(whole.choices):
        text = "".join(part.text for part in choice.parts if isinstance(part, Text | Refusal))
        choices.append(_choice(index, text, choice.stop))
    return msgspec.json.encode(_body(Opened(id=whole.id, model=whole.model, created=whole.created), choices, whole.usage))


class CompletionsWriter:
    """The StepWriter port."""

    def __init__(self, request: Request) -> None:
        self._wants_usage = request.wants_usage
        self._opened = Opened(id="", model="")
        self._words: set[tuple[int, int]] = set()
        self._usage: Usage | None = None

    def write(self, step: Step) -> bytes:
        """Whole events; nothing where this step says nothing in this dialect."""
        match step:
            case Opened():
                self._opened, self._usage = step, step.usage
            case Began(kind=kind) if kind in _WORDS:
                self._words.add((step.choice, step.part))
            case Piece() if (step.choice, step.part) in self._words and step.text:
                return self._chunk([_choice(step.choice, step.text, None)])
            case Stopped():
                return self._chunk([_choice(step.choice, "", step.stop)])
            case Used() if step.usage is not None:
                self._usage = step.usage
            case Closed():
                wanted = self._wants_usage and self._usage is not None
                return (self._chunk([], self._usage) if wanted else b"") + ENDING
        return b""

    def _chunk(self, choices: list[dict[str, Any]], usage: Usage | None = None) -> bytes:
        return b"data: " + msgspec.json.encode(_body(self._opened, choices, usage)) + b"\n\n"


def _body(opened: Opened, choices: list[dict[str, Any]], usage: Usage | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": opened.id, "object": "text_completion", "created": opened.created or 0, "model": opened.model, "choices": choices,
    }  # fmt: skip
    return body | ({} if usage is None else {"usage": usage_body(usage)})


def _choice(index: int, text: str, stop: StopReason | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish_of(stop, refused=False)}
