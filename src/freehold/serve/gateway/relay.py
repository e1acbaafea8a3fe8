"""Pass an answer to its caller untouched, counting as it goes, and hold its last part back until the entry is durable."""

import asyncio

from freehold.core.errors import StreamBroken
from freehold.core.ports import Sink, UpstreamFailure
from freehold.core.request import Request
from freehold.rules.sensitivity.chat_stream import ChatStream
from freehold.serve.gateway.answer import Answer, Events
from freehold.serve.gateway.closing import Closing
from freehold.serve.gateway.record import Record
from freehold.serve.gateway.reply_headers import reply_headers

_DONE = b"data: [DONE]\n\n"


async def relay(answer: Answer, request: Request, sink: Sink, record: Record) -> Closing:
    """Send everything but the end. Raises StreamBroken when the answer breaks off."""
    if answer.whole is not None:
        body, reply = answer.whole
        record.count(reply.text_bytes)
        answer.attempt.usage, answer.attempt.raw_usage = reply.usage, reply.raw_usage
        closing = Closing(body, 200, [("content-type", "application/json")])
    else:
        await sink.head(200, [("content-type", "text/event-stream"), ("cache-control", "no-cache"), *reply_headers(record)])
        try:
            closing = Closing(await _Stream(answer, request, sink, record).pass_on())
        except UpstreamFailure as failure:
            outcome = failure.outcome if failure.outcome in {"stalled", "malformed", "broken"} else "cut"
            record.end_attempt(outcome, failure.detail)
            raise StreamBroken(f"{answer.attempt.target} broke off: {failure.detail}") from None
    answer.leave()
    record.end_attempt("finished")
    return closing


class _Stream:
    """One stream under way."""

    def __init__(self, answer: Answer, request: Request, sink: Sink, record: Record) -> None:
        self._answer = answer
        self._request = request
        self._sink = sink
        self._record = record
        self._finished = 0
        self._done = False
        self._tail = bytearray()
        self._restored = None if answer.restorer is None else ChatStream(answer.restorer)

    async def pass_on(self) -> bytes:
        """Relay until the end; what was held back is returned: everything from the last choice's finish on."""
        await self._take(self._answer.begun)
        while not self._done and (events := await self._next_events()) is not None:
            await self._take(events)
        if self._finished < self._request.choices:
            raise UpstreamFailure("cut", "the stream ended without a finish")
        if not self._done and self._restored is not None:
            self._tail += self._restored.end()
        if not self._done:
            self._tail += _DONE  # some servers end a finished stream without it; callers wait for it
        return bytes(self._tail)

    async def _next_events(self) -> Events | None:
        idle_s = self._record.policy.bounds.idle_s
        try:
            async with asyncio.timeout(idle_s):
                return await self._answer.next_events()
        except TimeoutError:
            raise UpstreamFailure("stalled", f"no bytes for {idle_s:g} s") from None

    async def _take(self, events: Events) -> None:
        """Count events and pass them on in one write; good ones go out before a bad one breaks the stream off."""
        ready: list[bytes] = []
        problem: UpstreamFailure | None = None
        for event, delta in events:
            if delta.error is not None:
                problem = UpstreamFailure("broken", f"error event: {delta.error}")
                break
            self._record.count(delta.text_bytes)
            self._finished += delta.finished
            if delta.raw_usage is not None:
                self._answer.attempt.usage, self._answer.attempt.raw_usage = delta.usage, delta.raw_usage
            self._done = self._done or delta.done
            if delta.usage_only and not self._request.wants_usage:
                continue
            try:
                seen = self._as_sent(event, done=delta.done)
            except RecursionError:
                problem = UpstreamFailure("malformed", "a stream event nests too deeply to be restored")
                break
            if delta.done or self._finished >= self._request.choices:
                self._tail += seen
            else:
                ready.append(seen)
            if self._done:
                break
        if ready:
            await self._sink.write(b"".join(ready))
        if problem is None and len(self._tail) > self._record.policy.bounds.reply_bytes:
            problem = UpstreamFailure("malformed", "the stream does not end after its finish")
        if problem is not None:
            raise problem

    def _as_sent(self, event: bytes, *, done: bool) -> bytes:
        """The event with the caller's own values in place of placeholders; what they still held goes out before [DONE]."""
        if self._restored is None:
            return event
        return self._restored.end() + event if done else self._restored.event(event)
