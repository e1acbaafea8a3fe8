"""Try the decided targets in order until one begins to answer. Until its first content token, failing over is free."""

import asyncio
from collections.abc import Sequence

from freehold.core.decision import Candidate, Decision, Load
from freehold.core.entry import Attempt
from freehold.core.errors import TargetsExhausted, UpstreamRefused
from freehold.core.ports import UpstreamFailure, UpstreamReply, Verdict
from freehold.core.request import Request
from freehold.rules.order import after_full
from freehold.serve.gateway.answer import Answer
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.record import Record

_ERROR_BODY_BYTES = 1024 * 1024
_UNREACHABLE_COOL_S = 2.0


class Failed(Exception):
    """One attempt ended before its first content token; `verdict` says whether another target may help."""

    def __init__(self, verdict: Verdict, status: int | None = None, body: bytes = b"") -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict
        self.status = status
        self.body = body


async def attempt(decision: Decision, request: Request, gateway: Gateway, record: Record) -> Answer:
    """The first answer that begins. Raises UpstreamRefused (nobody else could mend it) or TargetsExhausted."""
    failures: list[Failed] = []
    waiting = list(decision.candidates[: record.policy.bounds.attempts])
    if record.shield is not None:
        await record.shield.prepare(request, [candidate.target for candidate in waiting])
    while waiting:
        candidate = waiting.pop(0)
        target = candidate.target
        record.begin_attempt(candidate)
        began_at = gateway.clock.monotonic()
        try:
            answer = await _try(candidate, request, gateway, record)
        except Failed as failure:
            record.end_attempt(failure.verdict.outcome, failure.verdict.detail)
            if not failure.verdict.elsewhere:
                raise UpstreamRefused(failure.verdict.detail, status=failure.status or 400, body=failure.body) from None
            failures.append(failure)
            if failure.verdict.outcome == "overloaded" and not target.rented:
                gateway.board.read_load(target.name, Load(running=0, waiting=1))
                waiting = after_full(target, waiting, spill=decision.spill)
            else:
                gateway.board.cool(target.name, failure.verdict.cool_s)
        else:
            record.first_token()
            gateway.board.recovered(target.name, since=began_at)
            return answer
    raise _exhausted(record.entry.attempts, failures)


async def _try(candidate: Candidate, request: Request, gateway: Gateway, record: Record) -> Answer:
    """One attempt up to its first content token, or its whole reply. Raises Failed."""
    target, bounds, trial = candidate.target, record.policy.bounds, record.entry.attempts[-1]
    codec = record.policy.codecs[target.name]
    limit_s = bounds.first_token_s if request.stream else bounds.whole_s
    upstream: UpstreamReply | None = None
    gateway.board.enter(target.name)
    try:
        async with asyncio.timeout(limit_s):
            shield = record.shield
            call = codec.encode(request if shield is None else shield.towards(request, target), target)
            upstream = await gateway.outbound.send(call)
            trial.status = upstream.status
            if upstream.status != 200:
                body = await upstream.read(_ERROR_BODY_BYTES)
                raise Failed(codec.verdict(upstream.status, upstream.headers, body), upstream.status, body)
            answer = Answer(trial, upstream, codec, gateway.board, None if shield is None else shield.restorer(target))
            if request.stream:
                _require_events(upstream)
                await answer.read_to_first_token(bounds.reply_bytes)
            else:
                await answer.read_whole(bounds.reply_bytes)
    except BaseException as error:  # whatever ended it, the caller's hang-up included: the upstream must stop working
        gateway.board.leave(target.name)
        if upstream is not None:
            upstream.close()
        if isinstance(error, TimeoutError):
            detail = f"no first token within {limit_s:g} s"
            raise Failed(Verdict(True, "timed_out", detail, _UNREACHABLE_COOL_S), trial.status) from None
        if isinstance(error, UpstreamFailure):
            cool = _UNREACHABLE_COOL_S if error.outcome in {"unreachable", "timed_out"} else 0.0
            raise Failed(Verdict(True, error.outcome, error.detail, cool), trial.status) from None
        raise
    return answer


def _require_events(upstream: UpstreamReply) -> None:
    kind = upstream.headers.get("content-type", "none")
    if not kind.lower().startswith("text/event-stream"):
        raise UpstreamFailure("malformed", f"a stream was asked for, {kind[:60]} came")


def _exhausted(attempts: Sequence[Attempt], failures: Sequence[Failed]) -> TargetsExhausted:
    """One error for all of them: 429 or 503 where all were busy, 504 where all timed out, else 502."""
    outcomes = {failure.verdict.outcome for failure in failures}
    busy = outcomes == {"overloaded"}
    status = 504 if outcomes <= {"timed_out", "stalled"} else 502
    if busy:
        status = 429 if {failure.status for failure in failures} == {429} else 503
    told = "; ".join(f"{a.target}: {a.outcome} ({a.detail})" for a in attempts)
    waits = [failure.verdict.retry_after_s for failure in failures]
    known = [wait for wait in waits if wait is not None]
    retry_after = min(known) if known and len(known) == len(waits) else (1.0 if busy else None)
    return TargetsExhausted(f"every allowed target failed: {told}", status=status, retry_after_s=retry_after)
