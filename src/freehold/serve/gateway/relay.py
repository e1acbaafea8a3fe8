"""Pass an answer to its caller, counting as it goes, and hold its last part back until the entry is durable."""

from freehold.core.errors import StreamBroken
from freehold.core.ports import Sink, UpstreamFailure
from freehold.core.request import Request
from freehold.serve.gateway.answer import Answer
from freehold.serve.gateway.closing import Closing
from freehold.serve.gateway.exchange import Events
from freehold.serve.gateway.pulse import Pulse
from freehold.serve.gateway.record import Record
from freehold.serve.gateway.reply_headers import reply_headers


async def relay(answer: Answer, request: Request, sink: Sink, record: Record) -> Closing:
    """Send everything but the end. Raises StreamBroken when the answer breaks off."""
    if answer.whole is not None:
        body, reply = answer.whole
        record.count(reply.text_bytes)
        answer.attempt.usage, answer.attempt.raw_usage = reply.usage, reply.raw_usage
        answer.attempt.service_tier = reply.service_tier
        closing = Closing(body, 200, [("content-type", "application/json")])
    else:
        if not sink.started:
            stream = [("content-type", "text/event-stream"), ("cache-control", "no-cache")]
            await sink.head(200, [*stream, *reply_headers(record)])
        try:
            closing = Closing(await _Stream(answer, request, sink, record).pass_on())
        except UpstreamFailure as failure:
            outcome = failure.outcome if failure.outcome in {"stalled", "malformed", "broken"} else "cut"
            answer.ended("failed")
            record.end_attempt(outcome, failure.detail)
            raise StreamBroken(f"{answer.attempt.target} broke off: {failure.detail}") from None
    answer.ended("answered")
    answer.leave()
    record.end_attempt("finished")
    return closing


class _Stream:
    """One stream under way."""

    def __init__(self, answer: Answer, request: Request, sink: Sink, record: Record) -> None:
        self._answer = answer
        self._choices = request.choices
        self._sink = sink
        self._record = record
        self._finished = 0
        self._done = False
        self._tail = bytearray()

    async def pass_on(self) -> bytes:
        """Relay until the end; what was held back is returned: everything from the last choice's finish on."""
        bounds = self._record.policy.bounds
        await self._take(self._answer.begun)
        async with Pulse(bounds.idle_s, bounds.slow_s, bounds.slow_events) as pulse:
            while not self._done:
                pulse.waits()
                events = await self._answer.next_events()
                if events is None:
                    break
                pulse.beats(sum(delta.content for _, delta in events))
                await self._take(events)
        if not self._done:
            raise UpstreamFailure("cut", "the stream ended without its end")
        return bytes(self._tail)

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
            if delta.service_tier is not None:
                self._answer.attempt.service_tier = delta.service_tier
            self._done = self._done or (delta.done and self._finished >= self._choices)
            if delta.done or self._finished >= self._choices:
                self._tail += event
            elif event:
                ready.append(event)
            if delta.done:
                if not self._done:
                    problem = UpstreamFailure("cut", "the stream ended without a finish")
                break
        if ready:
            await self._sink.write(b"".join(ready))
        if problem is None and len(self._tail) > self._record.policy.bounds.reply_bytes:
            problem = UpstreamFailure("malformed", "the stream does not end after its finish")
        if problem is not None:
            raise problem
