"""The request line: one request, start to end, as a straight line. Start reading here.

admit the caller · read the bytes · count them against its limits · scan and classify the data · decide the targets · attempt
them · relay the answer · settle it durably · release its end · observe · mirror · keep.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import structlog
from structlog.contextvars import bind_contextvars

from freehold.core.entry import Outcome
from freehold.core.errors import (
    BadRequest,
    BudgetSpent,
    CallerGone,
    ContentBlocked,
    FreeholdError,
    LedgerUnavailable,
    NoTargetAllowed,
    Saturated,
    StreamBroken,
    TargetsExhausted,
    UpstreamRefused,
)
from freehold.core.ports import Sink, Surface
from freehold.core.request import Ask, Request
from freehold.core.traceparent import Trace
from freehold.serve.access.keys import Key
from freehold.serve.deadline import within
from freehold.serve.gateway.answering import Answering
from freehold.serve.gateway.attempt import Attempts
from freehold.serve.gateway.classify import classify
from freehold.serve.gateway.closing import Closing, refusal
from freehold.serve.gateway.exchange import Speech
from freehold.serve.gateway.holding import decided_in_time
from freehold.serve.gateway.house import Copied, Gateway
from freehold.serve.gateway.inspection import Inspection, inspect
from freehold.serve.gateway.paying import paid
from freehold.serve.gateway.policy import Policy
from freehold.serve.gateway.record import Record
from freehold.serve.gateway.reply_headers import cost_comment, reply_headers
from freehold.serve.gateway.scope import scoped

_RELEASE_S = 30.0
_SETTLE_S = 1.0  # also where the overall deadline is over: its end has an entry, too
_log = structlog.get_logger("freehold.gateway")


Body: TypeAlias = Callable[[], Awaitable[bytes]]


async def handle(surface: Surface, headers: Mapping[str, str], body: Body, sink: Sink, gateway: Gateway) -> None:
    """Serve one request of a dialect: whatever happens, the caller is answered in it and the entry settled.

    The end of an answer (its last byte, its final events) leaves only after its entry is durable.
    """
    policy = gateway.policy
    trace = Trace.joined(*(headers.get(name) for name in ("traceparent", "tracestate", "baggage")))
    record = Record(gateway.clock, policy, trace)
    bind_contextvars(request_id=record.id, traceparent=record.trace.header())  # every line logged from here on carries them
    answering: Answering | None = None
    copy: Copied | None = None
    gateway.in_flight += 1
    try:
        async with asyncio.timeout(policy.bounds.total_s):
            key = gateway.admit(headers)
            _require_room(gateway)
            request = surface.read(await body(), headers)
            workload, ask = classify(request, key, headers, policy)
            record.admitted = await gateway.admission.enter(key, ask.workload, request, policy.limits, record.received_at)
            content, ask = await _inspected(request, ask, key, headers, policy)
            speech = Speech(request, surface, workload.prompts)
            ask = gateway.drawn(scoped(ask, workload, key, policy.targets), record.id, key.name)
            record.open(request, ask, key, headers)
            record.found(content)
            speech.redacted = record.shield is not None
            decision = await decided_in_time(speech, ask, gateway, record)
            decision = await paid(decision, speech.longest(decision), gateway, record)
            copy = gateway.mirror.overhear(sink, decision, speech, record) if gateway.mirror is not None else None
            sink = copy or sink
            if gateway.keeper is not None:
                kept = content.kept(workload.name, ask.handling)
                sink = gateway.keeper.copying(sink, request.fields, policy.keep.get(workload.name), kept, headers)
            answering = Answering(Attempts(decision, speech, gateway, record), headers)
            async with sink.cancelled_by_hang_up():
                closing: Closing | None = await answering.pass_on(sink)
            record.end("finished", 200)
    except (Exception, asyncio.CancelledError) as error:  # the request's boundary: nothing may leave it unsettled
        closing = _end_badly(error, surface, sink, record)
        if answering is not None:
            answering.close()
    try:
        try:
            settled = await _settle(closing, surface, sink, record, gateway)
        finally:
            gateway.admission.settle(record.admitted, record.entry.cost_nanousd if record.opened else 0)
        await _release(settled, sink, record)
    finally:
        gateway.in_flight -= 1
        if answering is not None:
            await answering.finish()
        await gateway.admission.correct(record.admitted, record.tokens())
    _afterwards(gateway, record, sink, copy, written=settled is closing)


async def _inspected(request: Request, ask: Ask, key: Key, headers: Mapping[str, str], policy: Policy) -> tuple[Inspection, Ask]:
    """What the content is found to hold, and the question with what that demands in it."""
    content = await inspect(request, policy.inspector, lambda found: classify(request, key, headers, policy, found)[1])
    demands = content.party(ask.workload) is not None
    return content, classify(request, key, headers, policy, content)[1] if demands else ask


def _require_room(gateway: Gateway) -> None:
    if not gateway.ledger.healthy():
        raise LedgerUnavailable("the ledger cannot be written, so no request is taken", retry_after_s=1)
    if gateway.in_flight > gateway.policy.bounds.in_flight:
        raise Saturated(f"{gateway.policy.bounds.in_flight} requests are in flight already", retry_after_s=1)


def _end_badly(error: BaseException, surface: Surface, sink: Sink, record: Record) -> Closing | None:
    """Close the record for an error and say what the caller still gets; None for one who hung up."""
    if isinstance(error, asyncio.CancelledError | CallerGone):
        record.end("cancelled", 499, "cancelled")
        return None
    if isinstance(error, TimeoutError):
        late = "not finished within the overall deadline"
        error = StreamBroken(late) if sink.started else TargetsExhausted(late, status=504)
    if not isinstance(error, FreeholdError):
        _log.error("internal error", request_id=record.id, kind=type(error).__name__, exc_info=error)
        error = FreeholdError("internal error; the log has it under this request id")
    outcome: Outcome = "failed"
    if sink.started:
        outcome = "cut"
    elif isinstance(error, BadRequest | BudgetSpent | ContentBlocked | NoTargetAllowed | UpstreamRefused):
        outcome = "refused"
    record.end(outcome, error.status, error.code)
    return refusal(error, surface, record.id, started=sink.started)


async def _settle(closing: Closing | None, surface: Surface, sink: Sink, record: Record, gateway: Gateway) -> Closing | None:
    """The closing, once the entry is durable; an error in its place where it cannot be. What was spent is at least logged."""
    if not record.opened:
        return closing
    entry = record.entry
    try:
        async with asyncio.timeout(max(_SETTLE_S, record.policy.bounds.total_s - record.elapsed_s())):
            await gateway.ledger.append(entry)
        return closing
    except LedgerUnavailable as failure:
        told, error = "entry not written", failure
    except TimeoutError:  # it stays queued: a ledger that comes back writes it
        late = "the ledger did not confirm the entry within the overall deadline"
        told, error = "entry not confirmed", LedgerUnavailable(late, retry_after_s=1)
    spent = {a.target: a.cost_nanousd for a in entry.attempts}
    _log.error(told, request_id=entry.id, problem=error.message, spent_nanousd=spent, usage=entry.usage)
    return refusal(error, surface, record.id, started=sink.started)


async def _release(closing: Closing | None, sink: Sink, record: Record) -> None:
    """Send what was held back. Without a closing, or to a caller who does not read, the connection is broken instead."""
    if closing is None:
        sink.abort()
        return
    try:
        await within(_RELEASE_S, _send(closing, sink, record))
    except TimeoutError:
        sink.abort()


async def _send(closing: Closing, sink: Sink, record: Record) -> None:
    if closing.status is None:
        await sink.end(cost_comment(record) + closing.data)
    else:
        length = ("content-length", str(len(closing.data)))
        await sink.head(closing.status, [*closing.headers, length, *reply_headers(record)])
        await sink.end(closing.data)


def _afterwards(gateway: Gateway, record: Record, sink: Sink, copy: Copied | None, *, written: bool) -> None:
    """Those who look at a request once it is over. None of them is felt; without a written entry there is nothing to go by."""
    if not record.opened:
        return
    gateway.show(record.entry)
    if written and copy is not None:
        copy.hand_over()
    if written and gateway.keeper is not None:
        gateway.keeper.take(sink, record.entry)
