"""Settled entries as Prometheus series. Labels are bounded by the configuration: never a user, key or prompt."""

import math
from collections.abc import Iterable, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from freehold.core.decision import Phase, TargetState
from freehold.core.entry import Entry
from freehold.plan.signals.signals import Signal
from freehold.serve.sinks.tallies import Spread, Tally

_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)

_PHASES: Mapping[Phase, int] = {"closed": 0, "half_open": 1, "open": 2}


class PrometheusSink:
    """An observer with its own registry, rendered by `render`."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry, namespace="freehold")
        tally = partial(Tally, registry=self.registry)
        spread = partial(Spread, bounds=_SECONDS, registry=self.registry)
        where = ("workload", "target")
        self._requests = tally("freehold_requests", "Requests settled.", (*where, "outcome"))
        self._attempts = tally("freehold_attempts", "Attempts at targets.", ("target", "outcome"))
        self._tokens = tally("freehold_tokens", "Tokens by bucket.", ("target", "kind"))
        self._cost = tally("freehold_cost_nanodollars", "Rented cost.", where)
        self._spilled = tally("freehold_spilled", "Requests that left full owned capacity.", ("workload",))
        self._duration = spread("freehold_request_duration_seconds", "Whole request.", where)
        self._ttft = spread("freehold_time_to_first_byte_seconds", "First content token.", where)
        gauge = partial(Gauge, registry=self.registry, namespace="freehold")
        self._in_flight = gauge("inflight", "Requests being served.")
        self._up = gauge("target_up", "1 unless the target is cooling down or its breaker is open.", ("target",))
        self._breakers = gauge("breaker_state", "Of the target's breaker: 0 closed, 1 half-open, 2 open.", ("target",))
        self._shares = gauge("target_share_ratio", "Share of its requests that a recovering target takes.", ("target",))
        self._quotas = gauge("target_quota_wait_seconds", "Until the target's own limits have room.", ("target",))
        self._failures = gauge("observer_failures", "Times an optional observer failed since start.")
        which = ("workload", "signal")
        self._signal_state = gauge("signal_state", "1 while a signal of the build threshold is on.", which)
        self._signal_value = gauge("signal_value", "Its value in its own unit; NaN where there is too little to measure.", which)
        self._failed_looks = counter("signal_failures_total", "Times the signals could not be judged.")
        self._reloads = counter(
            "config_reloads_total", "Configurations read again while serving, loaded or refused.", ("result",)
        )
        self._content = counter("content_records_total", "Kept content: kept, expired, too_large, or lost.", ("outcome",))
        self._telemetry = counter(
            "telemetry_total", "Spans, and exports of metrics, for the collector: sent or lost.", ("kind", "outcome")
        )
        self._events = counter("webhook_events_total", "Changes of signals for the webhook, sent or lost.", ("outcome",))

        self._shadow = counter("shadow_total", "Requests asked once more for a migration, by what became of them.", ("outcome",))
        self._limited = counter("limited_total", "Requests turned away by a limit or a budget.", ("scope", "reason"))
        self._budgets = gauge("budget_remaining_ratio", "Least share of its limit that an owner has left.", ("budget",))
        self._workers = gauge("workers", "Processes that serve.")
        self._restarts = counter("worker_restarts_total", "Workers that ended and were put another in the place of.")
        self._uncounted = gauge("limit_failures", "Times limits could not be counted and let requests pass, since start.")
        self._overrun = gauge("budget_overrun_nanodollars", "What requests cost beyond what was set aside, since start.")

    def __call__(self, entry: Entry) -> None:
        """Count one settled entry."""
        where = entry.workload, entry.target or "none"
        self._requests.add((*where, entry.outcome))
        self._duration.observe(where, entry.total_s)
        if entry.ttft_s is not None:
            self._ttft.observe(where, entry.ttft_s)
        self._cost.add(where, entry.cost_nanousd)
        if entry.spilled:
            self._spilled.add((entry.workload,))
        for attempt in entry.attempts:
            self._attempts.add((attempt.target, attempt.outcome))
            if attempt.usage is not None:
                self._tokens.add((attempt.target, "input"), attempt.usage.input_tokens)
                self._tokens.add((attempt.target, "output"), attempt.usage.output_tokens)

    def show_signals(self, signals: Iterable[Signal]) -> None:
        """Put these in place of the signals before."""
        self._signal_state.clear()
        self._signal_value.clear()
        for signal in signals:
            self._signal_state.labels(signal.workload, signal.name).set(signal.state == "on")
            self._signal_value.labels(signal.workload, signal.name).set(math.nan if signal.value is None else signal.value)

    def count_failed_look(self) -> None:
        """The signals could not be judged this time."""
        self._failed_looks.inc()

    def count_event(self, outcome: str) -> None:
        """What became of a webhook's event."""
        self._events.labels(outcome).inc()

    def count_telemetry(self, kind: str, outcome: str, times: int) -> None:
        """What became of spans, or of an export of metrics; from any thread."""
        self._telemetry.labels(kind, outcome).inc(times)

    def count_reload(self, result: str) -> None:
        """What became of a configuration that was read again."""
        self._reloads.labels(result).inc()

    def count_content(self, outcome: str, times: int) -> None:
        """What became of content that was to be kept, or was."""
        self._content.labels(outcome).inc(times)

    def count_shadow(self, outcome: str) -> None:
        """What became of a request that a migration's candidate was to answer too."""
        self._shadow.labels(outcome).inc()

    def count_limited(self, scope: str, reason: str) -> None:
        """A request was turned away."""
        self._limited.labels(scope, reason).inc()

    def show_money(self, remaining: Mapping[str, float], overrun_nanousd: int, limit_failures: int) -> None:
        """The state of budgets and limits at this moment."""
        for budget, share in remaining.items():
            self._budgets.labels(budget).set(share)
        self._overrun.set(overrun_nanousd)
        self._uncounted.set(limit_failures)

    def show_targets(self, states: Mapping[str, TargetState]) -> None:
        """The health of every target at this moment."""
        for gauge in (self._up, self._breakers, self._shares, self._quotas):
            gauge.clear()  # of targets that a reload removed nothing is known
        for target, state in states.items():
            self._up.labels(target).set(state.phase != "open" and state.cooling_s == 0)
            self._breakers.labels(target).set(_PHASES[state.phase])
            self._shares.labels(target).set(state.share)
            self._quotas.labels(target).set(state.quota_s)

    def count_restart(self) -> None:
        """A worker ended, and another takes its place."""
        self._restarts.inc()

    def show_process(self, in_flight: int, observer_failures: int) -> None:
        """The state of this process at this moment."""
        self._workers.set(1)
        self._in_flight.set(in_flight)
        self._failures.set(observer_failures)

    def render(self, in_flight: int, observer_failures: int) -> bytes:
        """The exposition text, with the live values of this moment."""
        self.show_process(in_flight, observer_failures)
        return generate_latest(self.registry)
