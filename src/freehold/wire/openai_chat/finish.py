"""Why an answer ended, in OpenAI's words and in ours, and ids for calls that come without one."""

import re
from collections.abc import Mapping

from freehold.core.said import StopReason

# Beyond OpenAI's own: what compatible servers were seen to say.
_STOPS: Mapping[str, StopReason] = {
    "stop": "end", "eos": "end", "length": "length", "model_length": "length", "tool_calls": "calls", "function_call": "calls",
    "content_filter": "refused",
}  # fmt: skip
_FINISHES: Mapping[StopReason, str] = {
    "end": "stop", "stop_sequence": "stop", "length": "length", "calls": "tool_calls", "refused": "content_filter",
    "paused": "length",  # it is not all there is
}  # fmt: skip
_NOT_OF_AN_ID = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_TAIL = 20  # OpenAI takes ids of up to 40 characters


def stop_of(finish: str, *, calls: bool, refused: bool, stop_sequence: str | None) -> StopReason:
    """Ours. A server made to call a function says `stop`, and so does a refusal in words. ValueError on an unknown one."""
    if finish not in _STOPS:
        raise ValueError("the answer ended for a reason that is not known here")
    stop = _STOPS[finish]
    if stop == "end":
        return "calls" if calls else "refused" if refused else "stop_sequence" if stop_sequence is not None else "end"
    return stop


def finish_of(stop: StopReason | None, *, refused: bool) -> str | None:
    """Theirs; a refusal in words ends as any answer does."""
    if stop is None:
        return None
    return "stop" if stop == "refused" and refused else _FINISHES[stop]


def call_id(said: str | None, answer_id: str, choice: int, index: int) -> str:
    """The call's own id, or one that the answer's makes unique."""
    return said or f"call_{_NOT_OF_AN_ID.sub('_', answer_id)[-_LONGEST_TAIL:]}_{choice}_{index}"
