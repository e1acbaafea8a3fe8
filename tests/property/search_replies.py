"""What targets reply, each in the dialect that it was asked in: the words they were asked, whole or in small pieces, perhaps with
a call of a tool that says them again, or a fault."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from search_voices import VOICES, Json, Voice, cut, framed

from freehold.core.ports import UpstreamFailure

Pieces: TypeAlias = Iterator[bytes | UpstreamFailure | float]

_ERRORS = {"limited": 429, "broken": 500, "rejected": 401, "not_found": 404, "swapped_broken": 500}
_DEEP = "[" * 600 + "]" * 600


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
    arguments = _arguments(texts) if mood == "called" else None
    if stream:
        return Reply(200, "text/event-stream", _streamed(voice, texts, arguments, mood))
    return Reply(200, "application/json", _whole(voice.whole(texts, arguments), mood))


def _arguments(texts: Sequence[str]) -> str:
    """As one server or another writes JSON: in ASCII or not, with brackets escaped or not."""
    said = "".join(texts)
    written = json.dumps({"q": said}, ensure_ascii=len(said) % 2 == 0)
    return written.replace("<", "\\u003c") if len(said) % 3 == 0 else written


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


def _streamed(voice: Voice, texts: Sequence[str], arguments: str | None, mood: str) -> Pieces:
    yield from _trouble(mood, first=True)
    events = [voice.piece(number, piece) for number, text in enumerate(texts) for piece in cut(text)]
    if mood == "error_event":
        events.insert(len(events) // 2, {"type": "error", "error": {"type": "broke", "message": "".join(texts)}})
    finish = [event for number, _ in enumerate(texts) for event in _at(voice.finish, number)] if mood != "no_finish" else []
    calling = voice.calling(arguments) if arguments is not None else []
    datas = [json.dumps(event, ensure_ascii=False) for event in (*voice.start, *events, *voice.after, *calling, *finish)]
    if mood == "nested":
        at = len(voice.start) + 1
        datas.insert(at, json.dumps(voice.piece(0, "?")).replace('"?"', f'"", "x": {_DEEP}'))
    whole = b"".join(framed(data) for data in datas) + voice.ending
    half = len(whole) // 2
    for part, last in ((whole[:half], False), (whole[half:], True)):
        yield from (part[at : at + 151] for at in range(0, len(part), 151))
        yield from () if last else _trouble(mood, first=False)


def _at(finish: Sequence[Json], number: int) -> Iterator[Json]:
    """Each choice has its own end, and what ends the whole comes with the first."""
    for event in finish:
        if "choices" not in event:
            yield from (event,) if number == 0 else ()
        elif event["choices"] or number == 0:
            yield event | {"choices": [choice | {"index": number} for choice in event["choices"]]}


def _trouble(mood: str, *, first: bool) -> Iterator[UpstreamFailure | float]:
    if mood == ("cut_first" if first else "cut_later"):
        yield UpstreamFailure("cut", "cut")
    if mood == "stalled" and not first:
        yield 1.0
    if mood == "slow":
        yield 0.001
