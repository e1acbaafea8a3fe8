"""Answers read back from what callers were sent."""

import msgspec

from freehold.core.conversation import Text
from freehold.core.request import Dialect, Request
from freehold.core.said import Whole
from freehold.serve.gateway.hearing import hear


def asked(dialect: Dialect, *, stream: bool = False) -> Request:
    return Request(dialect=dialect, model="w", fields={}, stream=stream)


def text(whole: Whole | None) -> str:
    assert whole is not None
    return "".join(part.text for choice in whole.choices for part in choice.parts if isinstance(part, Text))


def test_a_whole_answer_and_a_stream_say_the_same() -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "so it is"}, "finish_reason": "stop"}
    body = msgspec.json.encode({"id": "1", "model": "m", "created": 1, "choices": [choice]})
    assert text(hear(asked("openai_chat"), body)) == "so it is"
    deltas = [{"content": "so "}, {"content": "it is"}, {}]
    events = b"".join(
        b"data: " + msgspec.json.encode(
            {"id": "1", "model": "m", "created": 1,
             "choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}]}
        ) + b"\n\n"
        for delta in deltas
    )  # fmt: skip
    events += b": x-freehold-cost-usd=0.1\n\ndata: [DONE]\n\n"
    heard = hear(asked("openai_chat", stream=True), events)
    assert text(heard) == "so it is"
    assert heard is not None
    assert heard.choices[0].stop == "end"


def test_a_message_is_heard() -> None:
    body = {
        "id": "1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "so"}],
        "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip
    assert text(hear(asked("anthropic_messages"), msgspec.json.encode(body))) == "so"


def test_what_cannot_be_read_is_none() -> None:
    assert hear(asked("openai_chat"), b"<html>") is None
    assert hear(asked("openai_chat", stream=True), b"data: {\n\n") is None
    assert hear(asked("openai_chat", stream=True), b"") is None
    assert hear(asked("openai_embeddings"), b"{}") is None
