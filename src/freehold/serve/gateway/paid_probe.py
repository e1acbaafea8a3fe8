"""Ask rented targets, where the settings say so, whether they are back before a caller is sent to find out. Each is an entry.

Only a target whose breaker is half-open is asked, and never twice at once; so the breaker's own delays bound their number.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeAlias

import structlog

from freehold.core.data import Handling
from freehold.core.decision import Candidate
from freehold.core.entry import Outcome
from freehold.core.errors import LedgerUnavailable
from freehold.core.ports import HttpCall, Reply, UpstreamFailure, UpstreamReply, Verdict
from freehold.core.request import Ask, Request
from freehold.core.target import Target
from freehold.rules.breaker import Ending, ending_of
from freehold.serve.access.keys import Key
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.policy import Policy
from freehold.serve.gateway.record import Record

PROBE_WORKLOAD = "freehold-probe"
# Small, yet with room for a model that thinks before it answers.
QUESTION = b'{"model":"freehold-probe","messages":[{"role":"user","content":"Reply with the word ok."}],"max_tokens":64}'

_EVERY_S = 0.5
_PATIENCE_S = 20.0
_GOOD = range(200, 300)
_REPLY_BYTES = 1024 * 1024
_KEY = Key(name="freehold", sha256="")
_log = structlog.get_logger("freehold.health")


class Question(Protocol):
    """The probe's question as one target understands it, and how its answer is read."""

    def call(self) -> HttpCall:
        """What is sent."""
        ...

    def whole(self, body: bytes) -> tuple[bytes, Reply]:
        """A whole reply. Raises ValueError on a body that is none."""
        ...


# None where the target cannot be asked this, as one that serves no chat: then callers find out.
Asking: TypeAlias = Callable[[Target, Policy], Question | None]


async def watch_paid(gateway: Gateway, asking: Asking) -> None:
    """Until cancelled. Nothing is asked while the ledger cannot be written: what is paid for is booked."""
    while True:
        targets = gateway.policy.targets.values() if gateway.ledger.healthy() else ()
        due = [target for target in targets if target.rented and gateway.board.wants_probe(target.name)]
        await asyncio.gather(*(probe(target, gateway, asking) for target in due))
        await asyncio.sleep(_EVERY_S)


async def probe(target: Target, gateway: Gateway, asking: Asking) -> None:
    """One probe of one target, onto the board and into the ledger."""
    question = asking(target, gateway.policy)
    if question is None:
        return
    record = Record(gateway.clock, gateway.policy)
    request = Request(dialect="openai_chat", model=target.name, fields={}, input_bytes=len(QUESTION))
    record.open(request, Ask(workload=PROBE_WORKLOAD, handling=Handling()), _KEY, {})
    attempt = record.begin_attempt(Candidate(target, "a probe of ours, after its breaker opened"))
    visit = gateway.board.enter(target.name)
    outcome: Outcome = "cancelled"
    try:
        verdict = await _ask(target, question, gateway, record)
        if verdict is None:
            record.end_attempt("finished")
            gateway.board.ended(visit, "answered")
            outcome = "finished"
        else:
            record.end_attempt(verdict.outcome, verdict.detail)
            outcome = "failed"
            # One that read the question and does not like it is back. One that is too busy even for this is not.
            ending: Ending = "answered" if ending_of(verdict) == "refused" else "failed"
            gateway.board.ended(visit, ending, verdict.cool_s, asked=verdict.retry_after_s is not None)
    finally:
        gateway.board.leave(visit)
        record.end(outcome, attempt.status or 0)
        await _book(record, gateway)


async def _ask(target: Target, question: Question, gateway: Gateway, record: Record) -> Verdict | None:
    """None where it answered; what to make of it where it did not."""
    attempt, codec, reply = record.entry.attempts[-1], record.policy.codecs[target.name], None
    try:
        async with asyncio.timeout(_PATIENCE_S):
            reply = await gateway.outbound.send(question.call())
            attempt.status = reply.status
            gateway.board.heard(target.name, reply.headers)
            body = await reply.read(_REPLY_BYTES)
        if reply.status not in _GOOD:
            return codec.verdict(reply.status, reply.headers, body)
        if codec.follow is None:  # else the answer itself takes more calls, and that it took the first is enough
            answer = question.whole(body)[1]
            attempt.usage, attempt.raw_usage, attempt.service_tier = answer.usage, answer.raw_usage, answer.service_tier
        record.first_token()
    except UpstreamFailure as failure:
        return Verdict(True, failure.outcome, failure.detail)
    except TimeoutError:
        return Verdict(True, "timed_out", f"no answer within {_PATIENCE_S:g} s")
    except (ValueError, RecursionError) as error:
        return Verdict(True, "malformed", f"the reply cannot be read: {error}")
    finally:
        _close(reply)
    return None


def _close(reply: UpstreamReply | None) -> None:
    if reply is not None:
        reply.close()


async def _book(record: Record, gateway: Gateway) -> None:
    entry = record.entry
    try:
        await gateway.ledger.append(entry)
    except LedgerUnavailable as error:
        _log.error("probe not written", target=entry.target, problem=error.message, spent_nanousd=entry.cost_nanousd)
        return
    gateway.show(entry)
