"""Try the decided targets in order until one begins to answer. Until its first content token, failing over is free.

An attempt is connecting, waiting for headers, waiting for its first token, streaming; it ends finished, cut, stalled, malformed,
rejected or cancelled. Each wait has its own limit, and one deadline over all attempts stands above them (`handle`).
"""

import asyncio
from collections.abc import Sequence

import msgspec

from freehold.core.conversation import Untranslatable
from freehold.core.decision import Candidate, Decision, Load
from freehold.core.entry import Attempt
from freehold.core.errors import TargetsExhausted, UpstreamRefused
from freehold.core.ports import Codec, UpstreamFailure, UpstreamReply, Verdict
from freehold.core.request import Request
from freehold.core.usage import estimate_tokens
from freehold.rules.holding import all_held
from freehold.rules.order import after_full
from freehold.serve.gateway.answer import Answer
from freehold.serve.gateway.exchange import Exchange, Speech, Untouched
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.record import Record

_ERROR_BODY_BYTES = 1024 * 1024
_UNREACHABLE_COOL_S = 2.0
_MOST_FOLLOWS = 600
_SHORTEST_WAIT_S = 0.02  # a place that says "ask again at once" for ever must not be asked so
_GOOD = range(200, 300)
_SOON_S = 1.0


class Failed(Exception):
    """One attempt ended before its first content token; `verdict` says whether another target may help."""

    def __init__(self, verdict: Verdict, status: int | None = None, body: bytes = b"", *, same_dialect: bool = True) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict
        self.status = status
        self.body = body
        self.same_dialect = same_dialect


def tokens_of(request: Request) -> int:
    """About how many tokens a request takes of a target's quota: its prompt, and the most it asks for."""
    return estimate_tokens(request.input_bytes) + request.choices * (request.most_output_tokens or 0)


class Attempts:
    """What is left to try for one request."""

    def __init__(self, decision: Decision, speech: Speech, gateway: Gateway, record: Record) -> None:
        self.request = speech.request
        self.record = record
        self._decision = decision
        self._speech = speech
        self._gateway = gateway
        self._waiting = list(decision.candidates[: record.policy.bounds.attempts])
        self._failures: list[Failed] = []
        self._held: list[Candidate] = []
        self._tokens = tokens_of(speech.longest(decision))

    @property
    def left(self) -> bool:
        """Whether there is another target to try."""
        return bool(self._waiting)

    def alone(self) -> bytes | None:
        """The answer, where no target is left and none is needed."""
        return None if self._waiting else self._speech.alone()

    async def prepare(self) -> None:
        """What some of the targets may not see is replaced, before anything is sent. Raises BadRequest where it cannot be."""
        if self.record.shield is not None:
            await self.record.shield.prepare(self.request, [candidate.target for candidate in self._waiting])

    async def next(self) -> Answer:
        """The next answer that begins. Raises UpstreamRefused (nobody else could mend it) or TargetsExhausted."""
        gateway, record = self._gateway, self.record
        while self._waiting:
            candidate = self._waiting.pop(0)
            target = candidate.target
            if gateway.board.held_s(target.name, self._tokens) > 0:  # others were faster since the decision
                self._held.append(candidate)
                continue
            record.begin_attempt(candidate)
            try:
                return await _try(candidate, self._speech, gateway, record)
            except Failed as failure:
                record.end_attempt(failure.verdict.outcome, failure.verdict.detail)
                if not failure.verdict.elsewhere:
                    raise _refused(failure) from None
                self._failures.append(failure)
                if failure.verdict.outcome == "overloaded" and not target.rented:
                    gateway.board.read_load(target.name, Load(running=0, waiting=1))
                    self._waiting = after_full(target, self._waiting, spill=self._decision.spill)
        if not self._failures and self._held:
            raise all_held([msgspec.structs.replace(candidate, held_s=_SOON_S) for candidate in self._held])
        raise _exhausted(record.entry.attempts, self._failures)


async def _try(candidate: Candidate, speech: Speech, gateway: Gateway, record: Record) -> Answer:
    """One attempt up to its first content token, or its whole reply. Raises Failed."""
    target, bounds, trial = candidate.target, record.policy.bounds, record.entry.attempts[-1]
    codec = record.policy.codecs[target.name]
    upstream: UpstreamReply | None = None
    exchange: Exchange | None = None
    limit_s, awaited = (
        (min(bounds.headers_s, bounds.first_token_s), "headers") if speech.request.stream else (bounds.whole_s, "whole answer")
    )
    visit = gateway.board.enter(target.name, tokens_of(speech.said_to(target).request))
    try:
        async with asyncio.timeout(limit_s) as limit:
            exchange = _exchange(speech, candidate, codec, record)
            record.left_out = exchange.left_out
            upstream = await gateway.outbound.send(record.traced(exchange.call()))
            trial.status = upstream.status  # should the answer take further calls, this one is on the bill already
            upstream = await _followed(upstream, candidate, codec, gateway, stream=speech.request.stream)
            trial.status = upstream.status
            if not speech.counts:  # what a count used up says nothing of messages
                gateway.board.heard(target.name, upstream.headers)
            if upstream.status not in _GOOD:
                body = await upstream.read(_ERROR_BODY_BYTES)
                verdict = codec.verdict(upstream.status, upstream.headers, body)
                said = _restored(body, candidate, record)
                raise Failed(verdict, upstream.status, said, same_dialect=isinstance(exchange, Untouched))
            answer = Answer(trial, upstream, exchange, gateway.board, visit)
            if speech.request.stream:
                _require_events(upstream, exchange.stream_type)
                limit_s, awaited = bounds.first_token_s, "first token"
                limit.reschedule(asyncio.get_running_loop().time() + limit_s)
                await answer.read_to_first_token(bounds.reply_bytes)
            else:
                await answer.read_whole(bounds.reply_bytes)
    except BaseException as error:  # whatever ended it, the caller's hang-up included: the upstream must stop working
        failed = _failure(error, trial, f"no {awaited} within {limit_s:g} s")
        if failed is not None and not speech.counts:
            gateway.board.failed(visit, failed.verdict)
        gateway.board.leave(visit)
        if upstream is not None:
            upstream.close()
        if failed is None:
            raise
        raise failed from None
    record.first_token()
    gateway.board.ended(visit, "began" if speech.request.stream else "answered")
    return answer


def _restored(body: bytes, candidate: Candidate, record: Record) -> bytes:
    """A refusal may repeat what was sent: its caller gets its own words back."""
    restorer = None if record.shield is None else record.shield.restorer(candidate.target)
    if restorer is None:
        return body
    try:
        return restorer.body(body)
    except (ValueError, RecursionError):
        return body


def _failure(error: BaseException, trial: Attempt, late: str) -> Failed | None:
    """What kept an attempt from beginning to answer; None where it was none of the target's doing."""
    if isinstance(error, Failed):
        return error
    if isinstance(error, TimeoutError):
        return Failed(Verdict(True, "timed_out", late, _UNREACHABLE_COOL_S), trial.status)
    if isinstance(error, UpstreamFailure):
        cool = _UNREACHABLE_COOL_S if error.outcome in {"unreachable", "timed_out"} else 0.0
        return Failed(Verdict(True, error.outcome, error.detail, cool), trial.status)
    if isinstance(error, RecursionError):
        return Failed(Verdict(True, "malformed", "an error reply nests too deeply to be read"), trial.status)
    return None


def _exchange(speech: Speech, candidate: Candidate, codec: Codec, record: Record) -> Exchange:
    """With placeholders where this target may not see everything. Raises Failed where those cannot be said to it."""
    shield, target = record.shield, candidate.target
    try:
        if shield is None or not target.rented:
            return speech.towards(target, codec)
        redacted = Speech(shield.towards(speech.request, target), speech.surface, speech.prompts)
        return redacted.towards(target, codec, shield.restorer(target))
    except Untranslatable as error:
        raise Failed(Verdict(True, "rejected", f"cannot be said to it: {error}")) from None


async def _followed(
    upstream: UpstreamReply, candidate: Candidate, codec: Codec, gateway: Gateway, *, stream: bool
) -> UpstreamReply:
    """The reply that is the answer, or tells its error: where an API takes several calls for one answer, that of the last."""
    if codec.follow is None:
        return upstream
    for _ in range(_MOST_FOLLOWS):
        if upstream.status not in _GOOD or upstream.headers.get("content-type", "").startswith("text/event-stream"):
            return upstream
        try:
            body = await upstream.read(gateway.policy.bounds.reply_bytes)
            following = codec.follow(body, candidate.target, stream)
        except (ValueError, RecursionError) as error:
            raise UpstreamFailure("malformed", f"the reply cannot be read: {error}") from None
        finally:
            upstream.close()
        if following is None:
            return _Read(upstream, body)
        await asyncio.sleep(max(following.after_s, _SHORTEST_WAIT_S))
        # On another host of that API too, what reaches the target reaches its answer: the same certificates, the same proxy.
        upstream = await gateway.outbound.send(msgspec.structs.replace(following.call, of=candidate.target.url))
    upstream.close()
    raise UpstreamFailure("timed_out", f"no answer after {_MOST_FOLLOWS} questions for it")


class _Read:
    """A reply whose body was read already."""

    def __init__(self, upstream: UpstreamReply, body: bytes) -> None:
        self.status = upstream.status
        self.headers = upstream.headers
        self._upstream = upstream
        self._body = body

    async def chunk(self) -> bytes:
        chunk, self._body = self._body, b""
        return chunk

    async def read(self, limit: int) -> bytes:
        return await self.chunk()

    def close(self) -> None:
        self._upstream.close()


def _require_events(upstream: UpstreamReply, stream_type: str) -> None:
    kind = upstream.headers.get("content-type", "none").lower()
    if not kind.startswith(stream_type):
        what = "JSON" if kind.startswith("application/json") else "something else"  # in words of ours: the target's are not kept
        raise UpstreamFailure("malformed", f"a stream was asked for, {what} came")


class _Message(msgspec.Struct):
    message: str = ""


class _ErrorBody(msgspec.Struct):
    error: _Message | str | None = None
    message: str = ""


def _refused(failure: Failed) -> UpstreamRefused:
    """In its own words, which only the caller sees; of another dialect only the message is passed on."""
    status = failure.status or 400
    if status in _GOOD:  # it answered, and we cannot use it
        return UpstreamRefused(failure.verdict.detail, status=502, body=b"")
    if failure.same_dialect:
        return UpstreamRefused(failure.verdict.detail, status=status, body=failure.body)
    try:
        said = msgspec.json.decode(failure.body, type=_ErrorBody)
    except (ValueError, RecursionError):
        said = _ErrorBody()
    message = said.error.message if isinstance(said.error, _Message) else said.error or said.message
    return UpstreamRefused(message or failure.verdict.detail, status=status, body=b"")


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
