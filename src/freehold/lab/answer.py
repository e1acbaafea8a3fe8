"""Send one answer at its pace, whole or as a stream, broken where a fault says so, counting each token as it leaves."""

import asyncio
from collections.abc import Sequence

import msgspec

from freehold.lab.asgi import Headers, Send, respond, send_bytes, send_head
from freehold.lab.chunks import Script
from freehold.lab.faults import Fault
from freehold.lab.generation import Generation
from freehold.lab.pace import Pace, sleep_until
from freehold.lab.tally import Produced

_EVENTS_BEFORE_BREAK = 2
_NO_JSON = b'data: {"id":"chatcmpl-lab","choices":[{"index":0,"del\n\n'
_PAGE = b"<!doctype html><title>lab fault</title><p>The service is being looked after."
_HUGE_BYTES = 5 * 1024 * 1024
_DRIP_S = 0.5
_DRIPPING = Pace(ttft_ms=1, tokens_per_s=1 / _DRIP_S, event_ms=0)
_SPLIT_S = 0.005  # long enough that the two pieces do not arrive as one
_STREAM_HEAD = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache")]
_PAGE_HEAD = [("content-type", "text/html; charset=utf-8")]


class Broken(Exception):
    """The answer stops here on purpose; what was sent so far is out."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer on its way: what to say, how to write it, how fast, what breaks it, and where its tokens are counted."""

    generation: Generation
    script: Script
    pace: Pace
    fault: Fault | None
    produced: Produced

    async def send_whole(self, send: Send, headers: Headers) -> None:
        """One JSON body, after as long as its stream would have taken. Raises Broken."""
        self._count(0)
        start = asyncio.get_running_loop().time()
        for due_s, out in self.pace.steps(self.generation.longest):
            await sleep_until(start + due_s)
            self._count(out)
        body = self.script.whole(with_usage=self.fault is not Fault.no_usage)
        match self.fault:
            case Fault.cut | Fault.cut_before | Fault.stall_stream | Fault.stall_open:
                await self._send_head(send, body, headers)
                nothing = self.fault in {Fault.cut_before, Fault.stall_open}
                await send_bytes(send, b"" if nothing else body[: len(body) // 2])
                raise Broken
            case Fault.malformed:
                await respond(send, 200, body[: len(body) // 2], headers)
                raise Broken
            case Fault.error_event | Fault.error_first:
                await respond(send, 200, self.script.error, headers)
                raise Broken
            case Fault.wrong_type:
                await respond(send, 200, _PAGE, [*_PAGE_HEAD, *headers])
                raise Broken
            case Fault.huge:
                body += b" " * _HUGE_BYTES
        await self._send_head(send, body, headers)
        await self._send_in_pieces(send, _pieces(body, self.fault))

    async def send_stream(self, send: Send, headers: Headers) -> None:
        """Server-sent events: what opens it, tokens, why it ended, token counts where asked for, its end. Raises Broken."""
        with_usage = self.script.counts and self.fault is not Fault.no_usage
        self._count(0)
        start = asyncio.get_running_loop().time()
        sent = events = 0
        pace = _DRIPPING if self.fault is Fault.drip else self.pace
        for due_s, out in pace.steps(self.generation.longest):
            await sleep_until(start + due_s)
            if not events:
                await self._open(send, headers, with_usage=with_usage)
            await self._send_in_pieces(send, _pieces(self.script.content(sent, out), self.fault), last=False)
            self._count(out)
            sent, events = out, events + 1
            if self.fault is not None and (events == _EVENTS_BEFORE_BREAK or (events == 1 and out == self.generation.longest)):
                await self._break(send)
        tail = self.script.finish(with_usage=with_usage) * (2 if self.fault is Fault.double_finish else 1)
        tail += self.script.usage() if with_usage else b""
        tail += b"" if self.fault is Fault.no_done else self.script.end(with_usage=with_usage)
        await send_bytes(send, tail, last=True)

    async def _open(self, send: Send, headers: Headers, *, with_usage: bool) -> None:
        """The head and what comes before the first token, or what the fault puts in its place."""
        if self.fault is Fault.wrong_type:
            await respond(send, 200, _PAGE, [*_PAGE_HEAD, *headers])
            raise Broken
        await send_head(send, 200, [*_STREAM_HEAD, *headers])
        await send_bytes(send, self.script.opening(with_usage=with_usage))
        if self.fault is Fault.error_first:
            await send_bytes(send, self.script.error_event(), last=True)
        if self.fault in {Fault.cut_before, Fault.stall_open, Fault.error_first}:
            raise Broken

    async def _break(self, send: Send) -> None:
        """What the fault does after the first tokens; a malformed event alone leaves the rest to follow."""
        match self.fault:
            case Fault.cut | Fault.stall_stream:
                raise Broken
            case Fault.error_event:
                await send_bytes(send, self.script.error_event(), last=True)
                raise Broken
            case Fault.malformed:
                await send_bytes(send, _NO_JSON)
            case Fault.huge:
                await send_bytes(send, b'data: {"id":"' + b"a" * _HUGE_BYTES)
                raise Broken

    async def _send_head(self, send: Send, body: bytes, headers: Headers) -> None:
        await send_head(send, 200, [("content-type", "application/json"), ("content-length", str(len(body))), *headers])

    async def _send_in_pieces(self, send: Send, pieces: Sequence[bytes], *, last: bool = True) -> None:
        wait_s = _DRIP_S if self.fault is Fault.drip else _SPLIT_S
        for at, piece in enumerate(pieces):
            if at:
                await asyncio.sleep(wait_s)
            await send_bytes(send, piece, last=last and at == len(pieces) - 1)

    def _count(self, out: int) -> None:
        self.produced.prompt_tokens = self.generation.prompt_tokens
        self.produced.completion_tokens = self.generation.completion_tokens(out)


def _pieces(data: bytes, fault: Fault | None) -> Sequence[bytes]:
    """In how many sends it leaves: one, but for the faults that are about that."""
    if fault is Fault.split_letters:
        inside = next((at + 1 for at, byte in enumerate(data) if byte >= 0xC0), None)  # behind a letter's first byte
        return [data] if inside is None else [data[:inside], data[inside:]]
    if fault is Fault.drip and data.startswith(b"{"):
        step = max(1, len(data) // 8)
        return [data[at : at + step] for at in range(0, len(data), step)]
    return [data]
