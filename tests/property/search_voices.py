"""How each dialect that a target may be asked in is answered in: where the words stand that it says back, and how."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

Json: TypeAlias = dict[str, Any]

_CHAT_USE = {"prompt_tokens": 3, "completion_tokens": 4}
_USE = {"input_tokens": 3, "output_tokens": 4}


class Voice(NamedTuple):
    """How one dialect is answered in. `asked`: the texts to say back. A stream is `start`, pieces of each text, `after` them,
    `calling` by these arguments, `finish`, `ending`; `whole` is all of it, with the arguments of a call or None."""

    asked: Callable[[Json], list[str]]
    whole: Callable[[list[str], str | None], Json]
    start: tuple[Json, ...] = ()
    piece: Callable[[int, str], Json] = lambda at, text: {}
    after: tuple[Json, ...] = ()
    calling: Callable[[str], list[Json]] = lambda arguments: []
    finish: tuple[Json, ...] = ()
    ending: bytes = b""


def framed(data: str) -> bytes:
    """One event of a stream, under the name that it gives itself."""
    kind = data.split('"', 4)[3] if data.startswith('{"type": "') else None
    return (f"event: {kind}\n" if kind else "").encode() + b"data: " + data.encode() + b"\n\n"


def cut(text: str) -> list[str]:
    """The small pieces that a stream says it in."""
    return [text[at : at + 3] for at in range(0, len(text), 3)]


def _words(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text") or "" for part in content)


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _chat_call(arguments: str) -> list[Json]:
    begun = {"index": 0, "id": "call_9", "type": "function", "function": {"name": "f", "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": piece}} for piece in cut(arguments)]
    return [{"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]} for call in (begun, *pieces)]


def _completed(texts: list[str], arguments: str | None = None) -> Json:
    message: Json = {"role": "assistant", "content": "".join(texts)}
    if arguments is not None:
        message |= {"tool_calls": [{"id": "call_9", "type": "function", "function": {"name": "f", "arguments": arguments}}]}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": _CHAT_USE}


_ITEM = {"type": "function_call", "id": "fc_1", "call_id": "call_9", "name": "f", "arguments": ""}


def _response(texts: list[str], arguments: str | None = None, status: str = "completed") -> Json:
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": content}
    output = [item] if arguments is None else [item, _ITEM | {"arguments": arguments}]
    return {"id": "resp_1", "object": "response", "model": "m", "status": status, "output": output, "usage": _USE}


def _response_call(arguments: str) -> list[Json]:
    place = {"item_id": "fc_1", "output_index": 1}
    pieces = [{"type": "response.function_call_arguments.delta", **place, "delta": piece} for piece in cut(arguments)]
    return [{"type": "response.output_item.added", "output_index": 1, "item": _ITEM}, *pieces]


_TOOL_USE = {"type": "tool_use", "id": "toolu_9", "name": "f"}


def _message(texts: list[str], arguments: str | None = None) -> Json:
    content: list[Json] = [{"type": "text", "text": text} for text in texts]
    content += [] if arguments is None else [_TOOL_USE | {"input": json.loads(arguments)}]
    named = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
    return named | {"content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": _USE}


def _message_call(arguments: str) -> list[Json]:
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in cut(arguments)]
    return [
        {"type": "content_block_start", "index": 1, "content_block": _TOOL_USE | {"input": {}}},
        *({"type": "content_block_delta", "index": 1, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 1},
    ]


def _candidate(text: str, arguments: str | None = None, **more: str) -> Json:
    parts: list[Json] = [{"text": text}]
    parts += [] if arguments is None else [{"functionCall": {"name": "f", "args": json.loads(arguments)}}]
    candidate: Json = {"index": 0, "content": {"role": "model", "parts": parts}} | more
    return {"responseId": "r1", "modelVersion": "m", "candidates": [candidate]}


_METADATA = {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}
_STOPPED = {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}
VOICES: Mapping[str, Voice] = {
    "chat/completions": Voice(
        asked=lambda body: [_words(body["messages"][-1]["content"])],
        whole=_completed,
        piece=lambda at, text: {"choices": [{"index": at, "delta": {"content": text}}]},
        calling=_chat_call,
        finish=({"choices": [{"delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": _CHAT_USE}),
        ending=b"data: [DONE]\n\n",
    ),
    "completions": Voice(
        asked=lambda body: _listed(body["prompt"]),
        whole=lambda texts, _: {
            "choices": [{"index": at, "text": text, "finish_reason": "stop"} for at, text in enumerate(texts)],
            "usage": _CHAT_USE,
        },
        piece=lambda at, text: {"choices": [{"index": at, "text": text}]},
        finish=({"choices": [{"text": "", "finish_reason": "stop"}]}, {"choices": [], "usage": _CHAT_USE}),
        ending=b"data: [DONE]\n\n",
    ),
    "messages": Voice(
        asked=lambda body: [_words(body["messages"][-1]["content"])],
        whole=_message,
        start=(
            {"type": "message_start", "message": _message([])},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        ),
        piece=lambda at, text: {"type": "content_block_delta", "index": at, "delta": {"type": "text_delta", "text": text}},
        after=({"type": "content_block_stop", "index": 0},),
        calling=_message_call,
        finish=({"type": "message_delta", **_STOPPED},),
        ending=framed('{"type": "message_stop"}'),
    ),
    "responses": Voice(
        asked=lambda body: [_words(body["input"][-1]["content"])],
        whole=_response,
        start=({"type": "response.created", "response": _response([], status="in_progress")},),
        piece=lambda at, text: {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": at, "delta": text},
        calling=_response_call,
        finish=({"type": "response.completed", "response": _response([])},),
    ),
    "generateContent": Voice(
        asked=lambda body: [_words(body["contents"][-1]["parts"])],
        whole=lambda texts, said: _candidate(texts[0], said, finishReason="STOP") | {"usageMetadata": _METADATA},
        piece=lambda at, text: _candidate(text),
        calling=lambda arguments: [_candidate("", arguments)],
        finish=(_candidate("", finishReason="STOP") | {"usageMetadata": _METADATA},),
    ),
    "embeddings": Voice(
        asked=lambda body: _listed(body["input"]),
        whole=lambda texts, _: {
            "data": [{"index": at, "embedding": [0.5]} for at, _ in enumerate(texts)], "usage": {"prompt_tokens": 3},
        },
    ),
    "messages/count_tokens": Voice(asked=lambda body: [], whole=lambda texts, _: {"input_tokens": 7}),
}  # fmt: skip


def dialect_of(url: str) -> str:
    """Which of these a call is made in, by its URL."""
    path = url.partition("?")[0]
    if ":" in path.rpartition("/")[2]:  # Gemini's method
        return "generateContent"
    return next(name for name in sorted(VOICES, key=len, reverse=True) if path.endswith(f"/{name}"))
