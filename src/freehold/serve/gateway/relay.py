"""Pass an answer to its caller untouched, counting as it goes, and hold its last part back until the entry is durable."""

from collections.abc import Sequence

from freehold.core.errors import StreamBroken
from freehold.core.ports import Delta, Sink, UpstreamFailure
from freehold.core.request import Request
from freehold.serve.gateway.attempt import Answer
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
        record.end_attempt("finished")
        return Closing(body, 200, [("content-type", "application/json")])
    kind = answer.upstream.headers.get("content-type", "text/event-stream")
    await sink.head(200, [("content-type", kind), ("cache-control", "no-cache"), *reply_headers(record)])
    try:
        tail = await _relay_events(answer, request, sink, record)
    except UpstreamFailure as failure:
        outcome = failure.outcome if failure.outcome in {"stalled", "malformed", "broken"} else "cut"
        record.end_attempt(outcome, failure.detail)
        raise StreamBroken(f"{answer.attempt.target} broke off: {failure.detail}") from None
    record.end_attempt("finished")
    return Closing(tail)


async def _relay_events(answer: Answer, request: Request, sink: Sink, record: Record) -> bytes:
    """Relay until the end and return what was held back: everything from the last choice's finish on."""
    tail = bytearray()
    finished = 0

    def take(events: Sequence[tuple[bytes, Delta]]) -> tuple[bytes, bool]:
        nonlocal finished
        now: list[bytes] = []
        for event, delta in events:
            if delta.error is not None:
                raise UpstreamFailure("broken", f"error event: {delta.error}")
            record.count(delta.text_bytes)
            finished += delta.finished
            if delta.raw_usage is not None:
                answer.attempt.usage, answer.attempt.raw_usage = delta.usage, delta.raw_usage
            if delta.usage_only and not request.wants_usage:
                continue
            if delta.done or finished >= request.choices:
                tail.extend(event)
            else:
                now.append(event)
            if delta.done:
                return b"".join(now), True
        return b"".join(now), False

    now, done = take(answer.begun)
    if now:
        await sink.write(now)
    if not done:
        async for events in answer.batches():
            now, done = take(events)
            if now:
                await sink.write(now)
            if done:
                break
    if not done:
        if finished < request.choices:
            raise UpstreamFailure("cut", "the stream ended without a finish")
        tail += _DONE  # some servers end a finished stream without it; callers wait for it
    return bytes(tail)
