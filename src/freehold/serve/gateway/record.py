"""The entry while it is being written: opened with the request, filled in by each step, ended once."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from freehold.core.decision import Candidate
from freehold.core.entry import SHADOW, Attempt, AttemptOutcome, Entry, Outcome, Purpose
from freehold.core.ids import request_id
from freehold.core.policy_facts import Demanded
from freehold.core.ports import HttpCall
from freehold.core.request import Ask, Request
from freehold.core.traceparent import Trace
from freehold.serve.access.admission import Pass
from freehold.serve.access.keys import Key
from freehold.serve.gateway.billing import Passed, bill, compare
from freehold.serve.gateway.classify import REPORT
from freehold.serve.gateway.clock import Clock
from freehold.serve.gateway.inspection import Inspection, Shield
from freehold.serve.gateway.policy import Policy


class Record:
    """One request's entry in the making. It has an entry once a known caller's request was read: only those are kept.

    `policy` is the one the request began under, whatever is swapped in meanwhile. `day`: whose prices hold, that of its receipt
    in UTC. `entry` is there once it is `opened`.
    """

    entry: Entry

    def __init__(self, clock: Clock, policy: Policy, trace: Trace | None = None) -> None:
        self.policy = policy
        self.trace = trace or Trace.joined(None)
        self._clock = clock
        self._started = clock.monotonic()
        self.received_at = clock.now()
        self.id = request_id(self.received_at)
        self.day = datetime.fromtimestamp(self.received_at, UTC).date()
        self.ended = False
        self.admitted = Pass()
        self.shield: Shield | None = None
        self.left_out: frozenset[str] = frozenset()
        self.reports_cost = False
        self._request: Request | None = None
        self._workload = ""
        self.opened = False
        self._input_bytes = self._prompt_bytes = self._text_bytes = self._content_events = 0

    def open(
        self, request: Request, ask: Ask, key: Key, headers: Mapping[str, str], purpose: Purpose | None = None
    ) -> None:  # fmt: skip
        """Begin the entry of an admitted, classified request; one of the gateway's own is no traffic of that workload."""
        self._workload = ask.workload
        self._input_bytes = 0 if request.dialect == "anthropic_count_tokens" else request.input_bytes  # counting is free
        self._request, self.reports_cost = request, headers.get(REPORT) == "cost"
        regions = ask.handling.regions
        self.entry = Entry(
            id=self.id, received_at=self.received_at, stands_for=_stands_for(headers, self.received_at),
            workload=ask.workload if purpose is None else f"{SHADOW}{ask.workload}",
            key=key.name, team=key.team, user=key.user, data_class=ask.handling.data_class.name,
            regions=None if regions is None else tuple(sorted(regions)), asked_model=request.model,
            dialect=request.dialect, stream=request.stream, policy=self.policy.version,
            demanded=_demanded(ask), trace=self.trace, purpose=purpose,
        )  # fmt: skip
        self.opened = True

    def found(self, content: Inspection) -> None:
        """What the content holds, as evidence; and placeholders where some of it is to be redacted. Raises ContentBlocked."""
        self.entry.findings = content.evidence()
        content.refuse_blocked(self.entry.workload)
        self.shield = content.shield(self.entry.workload)

    def elapsed_s(self) -> float:
        """Seconds since the request was received."""
        return self._clock.monotonic() - self._started

    def begin_attempt(self, candidate: Candidate) -> Attempt:
        """A new attempt, at whose target the request now is, with the price that holds there today."""
        target, entry = candidate.target, self.entry
        price = self.policy.price(target, self.day)
        attempt = Attempt(
            target=target.name, model=target.model, kind=target.kind, reason=candidate.reason, started_s=self.elapsed_s(),
            price=price, weights=target.weights,
        )  # fmt: skip
        workload = self.policy.workloads.get(self._workload)  # none where the gateway asks for itself
        variant = None if workload is None else workload.prompts.get(target.name)
        if variant is not None:
            attempt.prompt = variant.release
        self._prompt_bytes = variant.text_bytes if variant is not None and self._input_bytes else 0
        entry.attempts.append(attempt)
        entry.target, entry.model, entry.basis = target.name, target.model, target.kind
        entry.prompt, entry.weights = attempt.prompt, attempt.weights
        entry.lab, entry.marginal_nanousd = target.lab, None if target.rented else 0  # a machine's hour costs what it costs
        entry.reason, entry.spilled = candidate.reason, candidate.spill
        self._text_bytes = self._content_events = 0
        return attempt

    def traced(self, call: HttpCall) -> HttpCall:
        """The running attempt's call with the trace it belongs to, of which the attempt is a span of its own. What the caller
        hung on the trace goes no further than our own machines."""
        attempt = self.entry.attempts[-1]
        attempt.trace = self.trace.child()
        sent = attempt.trace.headers(baggage=attempt.kind == "owned")
        return msgspec.structs.replace(call, headers={**call.headers, **sent})

    def first_token(self) -> None:
        """The first content token (or the whole reply) has come."""
        self.entry.attempts[-1].first_token_s = now = self.elapsed_s()
        if self.entry.ttft_s is None:  # of an answer begun anew the caller's first token was the first one's
            self.entry.ttft_s = now

    def count(self, text_bytes: int) -> None:
        """Content of the running attempt seen passing, to estimate from should no usage come."""
        self._text_bytes += text_bytes
        self._content_events += text_bytes > 0

    def end_attempt(self, outcome: AttemptOutcome, detail: str = "") -> None:
        """Close the running attempt and bill it."""
        attempt = self.entry.attempts[-1]
        attempt.outcome, attempt.detail, attempt.ended_s = outcome, detail, self.elapsed_s()
        target = self.policy.targets.get(attempt.target)
        passed = Passed(
            self._input_bytes + self._prompt_bytes, self._text_bytes, self._content_events, self._request,
            "" if target is None else target.codec,
        )  # fmt: skip
        bill(attempt, passed)

    def end(self, outcome: Outcome, status: int, error_code: str | None = None) -> None:
        """Close the entry, and the attempt that was still running if one was."""
        self.ended = True
        if not self.opened:
            return
        entry = self.entry
        if entry.attempts and entry.attempts[-1].ended_s is None:
            self.end_attempt("cancelled" if outcome == "cancelled" else "timed_out")
        entry.outcome, entry.status, entry.error_code, entry.total_s = outcome, status, error_code, self.elapsed_s()
        entry.cost_nanousd = sum(attempt.cost_nanousd for attempt in entry.attempts)
        entry.usage = entry.attempts[-1].usage if entry.attempts else None
        compare(entry, self.policy, self.day)

    def tokens(self) -> int:
        """What all its attempts took together."""
        usages = [attempt.usage for attempt in self.entry.attempts if attempt.usage] if self.opened else []
        return sum(usage.input_tokens + usage.output_tokens for usage in usages)

    def overhead_s(self) -> float:
        """Time spent here rather than at targets, up to the first token."""
        until = self.entry.ttft_s or self.elapsed_s()
        there = sum(min(a.ended_s or until, until) - a.started_s for a in self.entry.attempts)
        return max(0.0, until - there)


def _demanded(ask: Ask) -> Demanded:
    """Demands of all parties and the caller's hints, whichever asks more."""
    demands, zdr = ask.handling.demands, ask.hints.zdr
    return Demanded(
        labels=tuple(sorted(ask.handling.labels)), egress=tuple(sorted(ask.egress)),
        retention_days=0 if zdr else demands.retention_days,
        no_training=demands.no_training or ask.hints.data_collection == "deny", pinned=demands.pinned,
        providers=None if demands.providers is None else tuple(sorted(demands.providers)),
        not_providers=tuple(sorted(demands.not_providers)),
    )  # fmt: skip


def _stands_for(headers: Mapping[str, str], received_at: float) -> float:
    """The time a request stands for: a replayed trace keeps trace time, so that replay speed does not inflate volume."""
    return float(headers.get("x-freehold-stands-for", received_at))  # who may state it, and what, was judged before
