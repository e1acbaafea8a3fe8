"""What a soak came to: every bar, what was measured against it, and what did not hold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from rich.table import Table

from benchmarks.soak.changes import Changes
from benchmarks.soak.comparison import Comparison
from benchmarks.soak.config import BUDGETS
from benchmarks.soak.house import Metrics
from benchmarks.soak.processes import OPEN, Process, Seen, judge_process
from benchmarks.soak.watched import Sample
from freehold.app.cli.output import out

_NEVER = (
    "freehold_observer_failures",
    "freehold_limit_failures",
    "freehold_signal_failures_total",
    "freehold_worker_restarts_total",
)
_MOST_SERIES = 5_000  # a label that says something new with every request would make ten times as many
_NEVER_OF_A_COPY = frozenset({"unwritten", "lost", "unreadable", "unbounded", "over_cap"})


class Rest(NamedTuple):
    """The gateway once its callers have gone, and how it ended. `samples` by process; `engine`: the (prompt, completion) tokens
    that it counted; `negative`: series that were ever seen below zero; `accidents`: errors in its log."""

    samples: Mapping[str, Sample]
    metrics: Metrics
    summary: Any
    budgets: Any
    migration: Sequence[Mapping[str, Any]]
    engine: tuple[int, int]
    negative: Sequence[str]
    exit_code: int
    accidents: Sequence[str]


class Use(NamedTuple):
    """How long it was used, by how many calls, and its processes meanwhile, by name. `series`: how many its
    metrics had at each look."""

    seconds: float
    calls: int
    series: Sequence[float]
    processes: Mapping[str, Seen]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The figures and the violations."""

    seconds: float
    requests_per_s: float
    series: tuple[float, float]
    processes: Mapping[str, Process]
    compared: Comparison
    engine: tuple[int, int]
    migration: Sequence[Mapping[str, Any]]
    violations: Sequence[str]
    where: str


def judge(compared: Comparison, use: Use, changes: Changes, rest: Rest, where: str) -> Verdict:
    """All bars."""
    rate = use.calls / use.seconds
    processes = {name: judge_process(seen, rate) for name, seen in use.processes.items()}
    wrong = compared.lines() + compared.own.lines(rest.engine) + list(changes.problems)
    wrong += [f"{name} was below zero" for name in rest.negative]
    wrong += [line for name, process in processes.items() for line in process.lines(name)]
    wrong += _in_flight(rest) + _told_otherwise(compared, rest) + _moved_wrongly(rest)
    wrong += [f"{use.series[-1]:,.0f} series of metrics"] if use.series[-1] > _MOST_SERIES else []
    wrong += [] if len(compared.releases) == 2 else [f"requests were asked in {len(compared.releases)} releases, not 2"]
    wrong += [f"the gateway ended with {rest.exit_code}"] if rest.exit_code else []
    wrong += [f"in its log: {line[:300]}" for line in rest.accidents[:5]]
    return Verdict(
        seconds=use.seconds, requests_per_s=rate, series=(use.series[0], use.series[-1]), processes=processes, compared=compared,
        engine=rest.engine, migration=rest.migration, violations=wrong, where=where,
    )  # fmt: skip


def _in_flight(rest: Rest) -> list[str]:
    """What is still under way though nobody calls any more."""
    wrong = [f"{target['name']} has {target['in_flight']} in flight at rest" for target in rest.summary["targets"]
             if target["in_flight"]]  # fmt: skip
    in_flight = rest.metrics[("freehold_inflight", ())]
    return wrong + ([f"{in_flight:g} requests in flight at rest"] if in_flight else [])


def _told_otherwise(compared: Comparison, rest: Rest) -> list[str]:
    """Metrics, budgets and the summary against the ledger."""
    totals = {
        "freehold_requests_total": compared.entries, "freehold_attempts_total": compared.attempts,
        "freehold_cost_nanodollars_total": compared.cost_nanousd + compared.copies_nanousd,
        "freehold_tokens_total": compared.input_tokens + compared.output_tokens,
        **dict.fromkeys(_NEVER, 0),
    }  # fmt: skip
    wrong: list[str] = []
    for name, meant in totals.items():
        told = sum(value for (series, _), value in rest.metrics.items() if series == name)
        if told != meant:
            wrong.append(f"{name} is {told:,.0f}, not {meant:,}")
    spent: Counter[str] = Counter()
    for one in rest.budgets:
        spent[one["budget"]] += one["spent_nanousd"]
    wrong += [f"budget {name} says {told:,} spent, not {compared.cost_nanousd:,}" for name, told in spent.items()
              if told != compared.cost_nanousd]  # fmt: skip
    wrong += [] if len(spent) == len(BUDGETS) else [f"only {len(spent)} budgets have spent anything"]
    wrong += [f"{count} constraint violations"] if (count := rest.summary["violations"]) else []
    return wrong


def _moved_wrongly(rest: Rest) -> list[str]:
    """The candidate answers as the incumbents do, so it goes on or waits, and never back. Copies that fail met a fault."""
    wrong = [f"the migration went to {rest.migration[-1]['stage']}: {rest.migration[-1]['why']}"
             ] if rest.migration[-1]["stage"] == "rolled_back" else []  # fmt: skip
    copies = {dict(labels)["outcome"]: value for (name, labels), value in rest.metrics.items() if name == "freehold_shadow_total"}
    wrong += [f"{count:g} copies of requests were {fate}" for fate, count in copies.items() if fate in _NEVER_OF_A_COPY and count]
    return wrong if copies.get("compared") else [*wrong, "the migration compared nothing"]


def _of_each(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda one: -one[1]))


def show(verdict: Verdict) -> None:
    """For a person."""
    table = Table("", "measured", "bar", title="Soak", title_justify="left")
    for name, process in verdict.processes.items():
        _add_process(table, name, process)
    compared, own = verdict.compared, verdict.compared.own
    table.add_row("requests", f"{compared.requests:,}; {verdict.requests_per_s:.0f}/s for {verdict.seconds:.0f} s", "")
    entries = f"{compared.entries:,}: {_of_each(compared.outcomes)}, {compared.copies:,} copies"
    table.add_row("entries", entries, "one for each that was answered or copied")
    table.add_row("attempts", f"{compared.attempts:,}; {compared.counted:,} counted by who answered", "its own count")
    estimates = (
        f"{compared.exact_estimates:,} by the rule exactly, {compared.bounded_estimates:,} between what came and what was sent"
    )
    table.add_row("estimated", estimates, "the documented rule")
    most = own.prompt + own.open_prompt, own.completion + own.open_completion
    engine = f"{own.attempts:,} attempts; {verdict.engine[0]:,} and {verdict.engine[1]:,} tokens"
    table.add_row("engine", engine, f"{own.prompt:,} to {most[0]:,} and {own.completion:,} to {most[1]:,}")
    table.add_row("series", f"{verdict.series[0]:,.0f} at first, {verdict.series[-1]:,.0f} at last", f"{_MOST_SERIES:,}")
    table.add_row("releases", _of_each(compared.releases), "the one in force")
    stages = ", ".join(f"{event['stage']} ({event['kind']})" for event in verdict.migration)
    table.add_row("migration", stages, "not rolled back")
    table.add_row("faults", f"{sum(compared.faults.values()):,}: {_of_each(compared.faults)}", "")
    table.add_row("cost", f"{compared.cost_nanousd:,} nano-dollars", "tokens times price; metrics, budgets")
    out.print(table)
    out.print(verdict.where, highlight=False)
    for line in verdict.violations:
        out.print(f"VIOLATION {line}", style="red", soft_wrap=True, markup=False)
    if not verdict.violations:
        out.print("No violation.")


def _add_process(table: Table, name: str, process: Process) -> None:
    table.add_row(name, f"{process.requests_per_s:.1f} requests/s", "")
    for what, growth in process.growths.items():
        if growth is not None:
            shown = f"{growth.per_request:+.3f} a request ({growth.low:+.3f} to {growth.high:+.3f})"
            table.add_row(f"  {what}", shown, f"low end at most {growth.bar:,.4g}")
    table.add_row("  by minute, MiB", ", ".join(f"{size:.1f}" for size in process.rss_mib_by_minute), "")
    opened = [f"{getattr(process.fresh, one)}, {process.most[one]}, {getattr(process.rest, one)}" for one in OPEN]
    table.add_row(
        "  fresh, most, at rest", "; ".join(f"{one} {sizes}" for one, sizes in zip(OPEN, opened, strict=True)), "at rest as fresh"
    )
