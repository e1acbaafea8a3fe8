"""What a soak came to: every bar, what was measured against it, and what did not hold."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from rich.table import Table

from benchmarks.soak.house import BUDGETS
from benchmarks.soak.reconcile import Comparison
from benchmarks.soak.slope import Slope, slope
from benchmarks.soak.watched import Sample
from freehold.app.cli.output import out

QUIET_S = 12
# A series for each target and fate of an attempt, pools, statements and pages of databases: all that is made once comes first.
_WARM_SHARE, _WARM_S = 0.5, 30.0
# For each request. What is below 512 bytes is a block, anything larger the heap's. Pages are held to less, since those freed in
# pieces stay resident.
RSS_BAR_BYTES, HEAP_BAR_BYTES, BLOCKS_BAR = 1024.0, 128.0, 0.05
_NEVER = ("freehold_observer_failures", "freehold_limit_failures", "freehold_signal_failures_total")


class Rest(NamedTuple):
    """The gateway once its callers have gone, and how it ended. `negative`: series that were ever seen below zero; `accidents`:
    errors in its log."""

    sample: Sample
    metrics: Mapping[tuple[str, tuple[tuple[str, str], ...]], float]
    summary: Any
    budgets: Any
    negative: Sequence[str]
    exit_code: int
    accidents: Sequence[str]


class Seen(NamedTuple):
    """Samples from under load, one from rest before it, and the rest after it."""

    samples: Sequence[Sample]
    fresh: Sample
    rest: Rest


class Growth(msgspec.Struct, frozen=True):
    """Growth for each request after the warm-up, and between what it lies at 95 %; `bar`: the most that its low end may be."""

    per_request: float
    low: float
    high: float
    bar: float
    first: float
    last: float

    @property
    def holds(self) -> bool:
        """Whether it may be no growth at all."""
        return self.low <= self.bar


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The figures and the violations."""

    seconds: float
    requests_per_s: float
    rss: Growth | None
    heap: Growth | None
    blocks: Growth | None
    rss_mib_by_minute: Sequence[float]
    most: Mapping[str, int]
    fresh: Sample
    rest: Sample
    compared: Comparison
    violations: Sequence[str]
    where: str


def quietest(samples: Sequence[Sample], least: Callable[[Iterable[int]], int]) -> Sample:
    """The last sample, with what was open in the last seconds: exports and looks at the ledger come and go."""
    last = samples[-QUIET_S:]
    return msgspec.structs.replace(
        last[-1], descriptors=least(sample.descriptors for sample in last), sockets=least(sample.sockets for sample in last),
        tasks=least(sample.tasks for sample in last),
    )  # fmt: skip


def judge(compared: Comparison, calls: int, seen: Seen, where: str) -> Verdict:
    """All bars. `calls`: how many were made while the samples were taken."""
    samples, fresh, rest = seen.samples, seen.fresh, seen.rest
    seconds = samples[-1].at - samples[0].at if samples else 0.0
    rate = calls / seconds if seconds else 0.0
    swept = [sample for sample in samples if sample.swept]
    growths = {
        "rss": _growth(samples, lambda sample: sample.rss_bytes, rate, RSS_BAR_BYTES),
        "heap": _growth(swept, lambda sample: sample.heap_bytes, rate, HEAP_BAR_BYTES),
        "blocks": _growth(swept, lambda sample: sample.blocks, rate, BLOCKS_BAR),
    }
    wrong = compared.lines()
    wrong += [f"{name} was below zero" for name in rest.negative]
    wrong += [f"{name} grows with every request, by {growth.low:.2f} or more" for name, growth in growths.items()
              if growth is not None and not growth.holds]  # fmt: skip
    wrong += [f"{name}: too few seconds to see a slope in; run longer" for name, growth in growths.items() if growth is None]
    wrong += _left_over(fresh, rest) + _told_otherwise(compared, rest)
    wrong += [f"the gateway ended with {rest.exit_code}"] if rest.exit_code else []
    wrong += [f"in its log: {line[:300]}" for line in rest.accidents[:5]]
    names = ("rss_bytes", "descriptors", "sockets", "tasks")
    most = {name: max((getattr(sample, name) for sample in samples), default=0) for name in names}
    return Verdict(
        seconds=seconds, requests_per_s=rate, rss=growths["rss"], heap=growths["heap"], blocks=growths["blocks"],
        rss_mib_by_minute=_by_minute(samples), most=most, fresh=fresh,
        rest=rest.sample, compared=compared, violations=wrong, where=where,
    )  # fmt: skip


def _growth(samples: Sequence[Sample], read: Callable[[Sample], int], rate: float, bar: float) -> Growth | None:
    if not samples:
        return None
    warm = samples[0].at + max(_WARM_S, _WARM_SHARE * (samples[-1].at - samples[0].at))
    kept = [sample for sample in samples if sample.at >= warm]
    try:
        found: Slope = slope([sample.at for sample in kept], [read(sample) for sample in kept])
    except ValueError:
        return None
    return Growth(found.per_s / rate, found.low / rate, found.high / rate, bar, read(kept[0]), read(kept[-1]))


def _by_minute(samples: Sequence[Sample]) -> list[float]:
    minutes: dict[int, list[int]] = {}
    for sample in samples:
        minutes.setdefault(int((sample.at - samples[0].at) // 60), []).append(sample.rss_bytes)
    return [round(statistics.median(found) / 2**20, 1) for found in minutes.values()]


def _left_over(fresh: Sample, rest: Rest) -> list[str]:
    """What is still there though nobody calls any more."""
    wrong = [
        f"{name} at rest: {getattr(rest.sample, name)}, and {getattr(fresh, name)} before the first request"
        for name in ("descriptors", "sockets", "tasks")
        if getattr(rest.sample, name) > getattr(fresh, name)
    ]
    wrong += [f"{target['name']} has {target['in_flight']} in flight at rest" for target in rest.summary["targets"]
              if target["in_flight"]]  # fmt: skip
    in_flight = rest.metrics[("freehold_inflight", ())]
    return wrong + ([f"{in_flight:g} requests in flight at rest"] if in_flight else [])


def _told_otherwise(compared: Comparison, rest: Rest) -> list[str]:
    """Metrics, budgets and the summary against the ledger."""
    totals = {
        "freehold_requests_total": compared.entries, "freehold_attempts_total": compared.attempts,
        "freehold_cost_nanodollars_total": compared.cost_nanousd,
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


def _of_each(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda one: -one[1]))


def show(verdict: Verdict) -> None:
    """For a person."""
    compared, table = verdict.compared, Table("", "measured", "bar", title="Soak", title_justify="left")
    for name, growth in (("RSS, bytes", verdict.rss), ("heap in use, bytes", verdict.heap), ("live blocks", verdict.blocks)):
        if growth is not None:
            shown = f"{growth.per_request:+.3f} a request ({growth.low:+.3f} to {growth.high:+.3f})"
            table.add_row(name, shown, f"low end at most {growth.bar:g}")
    table.add_row("RSS", f"{verdict.fresh.rss_bytes / 2**20:.1f} MiB fresh, {verdict.most['rss_bytes'] / 2**20:.1f} at most", "")
    table.add_row("by minute, MiB", ", ".join(f"{size:.1f}" for size in verdict.rss_mib_by_minute), "")
    for name in ("descriptors", "sockets", "tasks"):
        at_rest = f"{getattr(verdict.rest, name)} at rest"
        table.add_row(name, f"{verdict.most[name]} at most, {at_rest}", f"{getattr(verdict.fresh, name)} at rest")
    table.add_row("requests", f"{compared.requests:,}; {verdict.requests_per_s:.0f}/s for {verdict.seconds:.0f} s", "")
    table.add_row("entries", f"{compared.entries:,}: {_of_each(compared.outcomes)}", "one for each that was answered")
    table.add_row("attempts", f"{compared.attempts:,}; {compared.counted:,} counted by the provider", "its own count")
    estimates = (
        f"{compared.exact_estimates:,} by the rule exactly, {compared.bounded_estimates:,} between what came and what was sent"
    )
    table.add_row("estimated", estimates, "the documented rule")
    table.add_row("faults", f"{sum(compared.faults.values()):,}: {_of_each(compared.faults)}", "")
    table.add_row("cost", f"{compared.cost_nanousd:,} nano-dollars", "tokens times price; metrics, budgets")
    out.print(table)
    out.print(verdict.where, highlight=False)
    for line in verdict.violations:
        out.print(f"VIOLATION {line}", style="red", soft_wrap=True, markup=False)
    if not verdict.violations:
        out.print("No violation.")
