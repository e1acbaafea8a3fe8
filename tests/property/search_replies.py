"""What targets reply, each in the dialect that it was asked in: the words they were asked, whole or in small pieces, or a fault."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from freehold.core.ports import UpstreamFailure

Json: TypeAlias = dict[str, Any]
Pieces: TypeAlias = Iterator[bytes | UpstreamFailure | float]

_ERRORS = {"limited": 429, "broken": 500, "rejected": 401, "not_found": 404, "swapped_broken": 500}
_CHAT_USE = {"prompt_tokens": 3, "completion_tokens": 4}
_USE = {"input_tokens": 3, "output_tokens": 4}
_DEEP = "[" * 600 + "]" * 600


class Voice(NamedTuple):
    """How one dialect is answered in. `asked`: the texts to say back; a stream is `start`, a `piece` of each, `finish`, `ending`."""

    asked: Callable[[Json], list[str]]
    whole: Callable[[list[str]], Json]
    start: tuple[Json, ...] = ()
    piece: Callable[[int, str], Json] = lambda at, text: {}
    finish: tuple[Json, ...] = ()
    ending: bytes = b""


class Reply:
    """An UpstreamReply out of pieces: bytes, waits in seconds, failures."""

    def __init__(self, status: int, kind: str, pieces: Pieces) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": kind}
        self._pieces = pieces

    async def chunk(self) -> bytes:
        for piece in self._pieces:
            if isinstance(piece, UpstreamFailure):
                raise piece
            if isinstance(piece, bytes):
                return piece
            await asyncio.sleep(piece)
        return b""

    async def read(self, limit: int) -> bytes:
        body = b""
        while chunk := await self.chunk():
            body += chunk
        return body

    def close(self) -> None:
        return


def reply_to(dialect: str, body: str, mood: str, *, stream: bool) -> Reply:
    """What a target in that mood replies. A refused connection raises UpstreamFailure."""
    if mood == "refused":
        raise UpstreamFailure("unreachable", "refused")
    if mood in _ERRORS:
        error = {"message": f"no: {body}", "type": "not_now", "code": "not_now", "param": body}
        return Reply(_ERRORS[mood], "application/json", iter([json.dumps({"type": "error", "error": error}).encode()]))
    if mood == "html":
        return Reply(200, "text/html", iter([f"<p>{body}".encode()]))
    voice = VOICES[dialect]
    texts = voice.asked(json.loads(body))
    if stream:
        return Reply(200, "text/event-stream", _streamed(voice, texts, mood))
    return Reply(200, "application/json", _whole(voice.whole(texts), mood))


def _whole(answer: Json, mood: str) -> Pieces:
    whole = json.dumps(answer).encode()
    if mood == "nested":
        whole = whole[:-1] + b',"x":' + _DEEP.encode() + b"}"
    if mood == "error_event":
        whole = json.dumps({"error": {"message": json.dumps(answer)}}).encode()
    yield whole[:20]
    yield from _trouble(mood, first=True)
    yield whole[20:] if mood != "no_finish" else b""
    yield from _trouble(mood, first=False)


def _streamed(voice: Voice, texts: Sequence[str], mood: str) -> Pieces:
    yield from _trouble(mood, first=True)
    events = [voice.piece(number, text[at : at + 3]) for number, text in enumerate(texts) for at in range(0, len(text), 3)]
    if mood == "error_event":
        events.insert(len(events) // 2, {"type": "error", "error": {"type": "broke", "message": "".join(texts)}})
    finish = [event for number, _ in enumerate(texts) for event in _at(voice.finish, number)] if mood != "no_finish" else []
    datas = [json.dumps(event, ensure_ascii=False) for event in (*voice.start, *events, *finish)]
    if mood == "nested":
        at = len(voice.start) + 1
        datas.insert(at, json.dumps(voice.piece(0, "?")).replace('"?"', f'"", "x": {_DEEP}'))
    whole = b"".join(_framed(data) for data in datas) + voice.ending
    cut = len(whole) // 2
    for part, last in ((whole[:cut], False), (whole[cut:], True)):
        yield from (part[at : at + 151] for at in range(0, len(part), 151))
        yield from () if last else _trouble(mood, first=False)


def _at(finish: Sequence[Json], number: int) -> Iterator[Json]:
    """Each choice has its own end, and what ends the whole comes with the first."""
    for event in finish:
        if "choices" not in event:
            yield from (event,) if number == 0 else ()
        elif event["choices"] or number == 0:
            yield event | {"choices": [choice | {"index": number} for choice in event["choices"]]}


def _framed(data: str) -> bytes:
    kind = json.loads(data).get("type") if '"type"' in data and _DEEP not in data else None
    return (f"event: {kind}\n" if kind else "").encode() + b"data: " + data.encode() + b"\n\n"


def _trouble(mood: str, *, first: bool) -> Iterator[UpstreamFailure | float]:
    if mood == ("cut_first" if first else "cut_later"):
        yield UpstreamFailure("cut", "cut")
    if mood == "stalled" and not first:
        yield 1.0
    if mood == "slow":
        yield 0.001


def _words(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text") or "" for part in content)


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _response(texts: list[str], status: str = "completed") -> Json:
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": content}
    return {"id": "resp_1", "object": "response", "model": "m", "status": status, "output": [item], "usage": _USE}


def _message(texts: list[str]) -> Json:
    content = [{"type": "text", "text": text} for text in texts]
    named = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
    return named | {"content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": _USE}


def _candidate(text: str, **more: str) -> Json:
    candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}} | more
    return {"responseId": "r1", "modelVersion": "m", "candidates": [candidate]}


_METADATA = {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}
_STOPPED = {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}
VOICES: Mapping[str, Voice] = {
    "chat/completions": Voice(
        asked=lambda body: [_words(body["messages"][-1]["content"])],
        whole=lambda texts: {
            "choices": [{"index": 0, "message": {"role": "assistant", "content": texts[0]}, "finish_reason": "stop"}],
            "usage": _CHAT_USE,
        },
        piece=lambda at, text: {"choices": [{"index": at, "delta": {"content": text}}]},
        finish=({"choices": [{"delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": _CHAT_USE}),
        ending=b"data: [DONE]\n\n",
    ),
    "completions": Voice(
        asked=lambda body: _listed(body["prompt"]),
        whole=lambda texts: {
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
        finish=({"type": "content_block_stop", "index": 0}, {"type": "message_delta", **_STOPPED}),
        ending=_framed('{"type": "message_stop"}'),
    ),
    "responses": Voice(
        asked=lambda body: [_words(body["input"][-1]["content"])],
        whole=_response,
        start=({"type": "response.created", "response": _response([], "in_progress")},),
        piece=lambda at, text: {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": at, "delta": text},
        finish=({"type": "response.completed", "response": _response([])},),
    ),
    "generateContent": Voice(
        asked=lambda body: [_words(body["contents"][-1]["parts"])],
        whole=lambda texts: _candidate(texts[0], finishReason="STOP") | {"usageMetadata": _METADATA},
        piece=lambda at, text: _candidate(text),
        finish=(_candidate("", finishReason="STOP") | {"usageMetadata": _METADATA},),
    ),
    "embeddings": Voice(
        asked=lambda body: _listed(body["input"]),
        whole=lambda texts: {
            "data": [{"index": at, "embedding": [0.5]} for at, _ in enumerate(texts)], "usage": {"prompt_tokens": 3},
        },
    ),
    "messages/count_tokens": Voice(asked=lambda body: [], whole=lambda texts: {"input_tokens": 7}),
}  # fmt: skip


def dialect_of(url: str) -> str:
    """Which of these a call is made in, by its URL."""
    path = url.partition("?")[0]
    if ":" in path.rpartition("/")[2]:  # Gemini's method
        return "generateContent"
    return next(name for name in sorted(VOICES, key=len, reverse=True) if path.endswith(f"/{name}"))
