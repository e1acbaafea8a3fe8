"""Send one answer at its pace, whole or as a stream, broken where a fault says so, counting each token as it leaves."""

import asyncio

import msgspec

from freehold.lab.asgi import Headers, Send, respond, send_bytes, send_head
from freehold.lab.chunks import DONE, Chunks
from freehold.lab.faults import Fault
from freehold.lab.generation import Generation
from freehold.lab.pace import Pace, sleep_until
from freehold.lab.tally import Produced

_EVENTS_BEFORE_BREAK = 2
_ERROR = b'{"error":{"message":"The server had an error (lab fault).","type":"server_error","param":null,"code":null}}'
_NO_JSON = b'data: {"id":"chatcmpl-lab","choices":[{"index":0,"del\n\n'
_STREAM_HEAD = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache")]


class Broken(Exception):
    """The answer stops here on purpose; what was sent so far is out."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer on its way: what to say, how to write it, how fast, what breaks it, and where its tokens are counted."""

    generation: Generation
    chunks: Chunks
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
        body = self.chunks.whole(with_usage=self.fault is not Fault.no_usage)
        match self.fault:
            case Fault.cut | Fault.cut_before | Fault.stall_stream:
                head = [("content-type", "application/json"), ("content-length", str(len(body))), *headers]
                await send_head(send, 200, head)
                await send_bytes(send, b"" if self.fault is Fault.cut_before else body[: len(body) // 2])
                raise Broken
            case Fault.malformed | Fault.error_event:
                await respond(send, 200, _ERROR if self.fault is Fault.error_event else body[: len(body) // 2], headers)
                raise Broken
        await respond(send, 200, body, headers)

    async def send_stream(self, send: Send, headers: Headers, *, with_usage: bool) -> None:
        """Server-sent events: role, tokens, finish reason, token counts where asked for, [DONE]. Raises Broken."""
        self._count(0)
        start = asyncio.get_running_loop().time()
        sent = events = 0
        for due_s, out in self.pace.steps(self.generation.longest):
            await sleep_until(start + due_s)
            if not events:
                await send_head(send, 200, [*_STREAM_HEAD, *headers])
                await send_bytes(send, self.chunks.opening())
                if self.fault is Fault.cut_before:
                    raise Broken
            await send_bytes(send, self.chunks.content(sent, out))
            self._count(out)
            sent, events = out, events + 1
            if self.fault is not None and (events == _EVENTS_BEFORE_BREAK or (events == 1 and out == self.generation.longest)):
                await self._break(send)
        tail = self.chunks.finish()
        if with_usage and self.fault is not Fault.no_usage:
            tail += self.chunks.usage()
        await send_bytes(send, tail if self.fault is Fault.no_done else tail + DONE, last=True)

    async def _break(self, send: Send) -> None:
        """What the fault does after the first tokens; a malformed event alone leaves the rest to follow."""
        match self.fault:
            case Fault.cut | Fault.stall_stream:
                raise Broken
            case Fault.error_event:
                await send_bytes(send, b"data: " + _ERROR + b"\n\n", last=True)
                raise Broken
            case Fault.malformed:
                await send_bytes(send, _NO_JSON)

    def _count(self, out: int) -> None:
        self.produced.prompt_tokens = self.generation.prompt_tokens
        self.produced.completion_tokens = self.generation.completion_tokens(out)
