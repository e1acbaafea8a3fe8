"""Try the decided targets in order until one begins to answer. Until its first content token, failing over is free."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeAlias

from freehold.core.decision import Candidate
from freehold.core.entry import Attempt, AttemptOutcome
from freehold.core.errors import TargetsExhausted, UpstreamRefused
from freehold.core.ports import Codec, Delta, Reply, UpstreamFailure, UpstreamReply, Verdict
from freehold.core.request import Request
from freehold.serve.gateway.board import Board
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.record import Record
from freehold.wire.sse import EventSplitter

_Events: TypeAlias = list[tuple[bytes, Delta]]
_ERROR_BODY_BYTES = 1024 * 1024
_UNREACHABLE_COOL_S = 2.0


class Failed(Exception):
    """One attempt ended before its first content token; `verdict` says whether another target may help."""

    def __init__(self, verdict: Verdict, status: int | None = None, body: bytes = b"") -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict
        self.status = status
        self.body = body


class Answer:
    """An answer that has begun: its whole reply, or the events that led to the first content token and those to come."""

    def __init__(self, attempt: Attempt, upstream: UpstreamReply, codec: Codec, board: Board) -> None:
        self.attempt = attempt
        self.upstream = upstream
        self._board = board
        self.begun: Sequence[tuple[bytes, Delta]] = ()
        self.whole: tuple[bytes, Reply] | None = None
        self._codec = codec
        self._splitter = EventSplitter()
        self._chunks = upstream.chunks()

    def close(self) -> None:
        """Stop the upstream's work if it is not done, and give its place back."""
        self.upstream.close()
        self._board.leave(self.attempt.target)

    async def batches(self) -> AsyncIterator[_Events]:
        """Events as they complete, those of one chunk together. Raises UpstreamFailure, also on malformed data."""
        async for chunk in self._chunks:
            try:
                events = [(event, self._codec.delta(event)) for event in self._splitter.feed(chunk)]
            except ValueError as error:
                raise UpstreamFailure("malformed", f"a stream event cannot be read: {error}") from None
            if events:
                yield events

    async def read_whole(self, limit: int) -> None:
        """The whole reply of a call without streaming. Raises UpstreamFailure."""
        body = await self.upstream.read(limit)
        try:
            self.whole = (body, self._codec.decode(body))
        except ValueError as error:
            raise UpstreamFailure("malformed", f"the reply cannot be read: {error}") from None

    async def read_to_first_token(self) -> None:
        """Hold lifecycle events back until content, or a stream that ends rightly without any. Raises UpstreamFailure."""
        held: _Events = []
        async for events in self.batches():
            held += events
            for _, delta in events:
                if delta.error is not None:
                    raise UpstreamFailure("broken", f"error event: {delta.error}")
                if delta.content or delta.finished or delta.done:
                    self.begun = held
                    return
        raise UpstreamFailure("broken", "the stream ended before its first token")


async def attempt(candidates: Sequence[Candidate], request: Request, gateway: Gateway, record: Record) -> Answer:
    """The first answer that begins. Raises UpstreamRefused (nobody else could mend it) or TargetsExhausted."""
    failures: list[Failed] = []
    for candidate in candidates[: gateway.policy.bounds.attempts]:
        trial = record.begin_attempt(candidate)
        try:
            answer = await _try(candidate, request, gateway, trial)
        except Failed as failure:
            record.end_attempt(failure.verdict.outcome, failure.verdict.detail)
            gateway.board.cool(candidate.target.name, failure.verdict.cool_s)
            if not failure.verdict.elsewhere:
                raise UpstreamRefused(failure.verdict.detail, status=failure.status or 400, body=failure.body) from None
            failures.append(failure)
        else:
            record.first_token()
            gateway.board.recovered(candidate.target.name)
            return answer
    raise _exhausted(record, failures)


async def _try(candidate: Candidate, request: Request, gateway: Gateway, trial: Attempt) -> Answer:
    """One attempt up to its first content token (or whole reply), within the first-token limit. Raises Failed."""
    target, bounds = candidate.target, gateway.policy.bounds
    codec = gateway.policy.codecs[target.name]
    upstream: UpstreamReply | None = None
    gateway.board.enter(target.name)
    try:
        async with asyncio.timeout(bounds.first_token_s):
            call = codec.encode(request, target)
            upstream = await gateway.outbound.send(call, head_timeout_s=bounds.first_token_s)
            trial.status = upstream.status
            if upstream.status != 200:
                body = await upstream.read(_ERROR_BODY_BYTES)
                raise Failed(codec.verdict(upstream.status, upstream.headers, body), upstream.status, body)
            answer = Answer(trial, upstream, codec, gateway.board)
            if request.stream:
                _require_events(upstream)
                await answer.read_to_first_token()
            else:
                await answer.read_whole(bounds.reply_bytes)
    except BaseException as error:  # whatever ended it, the caller's hang-up included: the upstream must stop working
        gateway.board.leave(target.name)
        if upstream is not None:
            upstream.close()
        if isinstance(error, TimeoutError):
            detail = f"no first token within {bounds.first_token_s:g} s"
            raise Failed(Verdict(True, "timed_out", detail, _UNREACHABLE_COOL_S)) from None
        if isinstance(error, UpstreamFailure):
            cool = _UNREACHABLE_COOL_S if error.outcome in {"unreachable", "timed_out"} else 0.0
            raise Failed(Verdict(True, error.outcome, error.detail, cool)) from None
        raise
    return answer


def _require_events(upstream: UpstreamReply) -> None:
    kind = upstream.headers.get("content-type", "none")
    if not kind.lower().startswith("text/event-stream"):
        raise UpstreamFailure("malformed", f"a stream was asked for, {kind} came")


def _exhausted(record: Record, failures: Sequence[Failed]) -> TargetsExhausted:
    """One error for all of them: 429 where all were rate limits, 504 where all timed out, else 502."""
    outcomes: set[AttemptOutcome] = {failure.verdict.outcome for failure in failures}
    statuses = {failure.status for failure in failures}
    status = 429 if statuses == {429} else 504 if outcomes <= {"timed_out", "stalled"} else 502
    told = "; ".join(f"{a.target}: {a.outcome} ({a.detail})" for a in record.entry.attempts)
    waits = [failure.verdict.retry_after_s for failure in failures]
    known = [wait for wait in waits if wait is not None]
    retry_after = min(known) if known and len(known) == len(waits) else None
    return TargetsExhausted(f"every allowed target failed: {told}", status=status, retry_after_s=retry_after)
