"""`freehold replay`: send a trace's traffic through a gateway and account for every request."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

from freehold.app.cli.output import emit_json, notes, out
from freehold.core.errors import BadSettings
from freehold.core.trace import TracedRequest
from freehold.lab.mix import DEFAULT_MIX, parse_mix
from freehold.lab.replay import ReplayOptions, replay
from freehold.lab.report import Latency, Progress, ReplayReport
from freehold.lab.traces import open_trace, window

app = cyclopts.App(name="replay", help="Send a trace's traffic through a gateway and account for every request.")

_FAILED, _INTERRUPTED = 1, 130


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Choices:
    """What to replay, where to and how."""

    url: str = "http://127.0.0.1:8400"
    """The gateway."""
    key: Annotated[str | None, Parameter(env_var="FREEHOLD_KEY")] = None
    """Bearer key of the caller."""
    speed: float = 1.0
    """How many times faster than the trace."""
    start: float = 0.0
    """Seconds of the trace to skip."""
    duration: float | None = None
    """Seconds of the trace to replay; to its end where not given."""
    limit: int | None = None
    """At most so many requests."""
    mix: str = DEFAULT_MIX
    """Workloads: NAME=SHARE[:DATA CLASS[:words or tickets]],..."""
    max_in_flight: int = 2000
    """Requests under way at once; those beyond wait and count as late."""
    timeout_s: float = 600.0
    """Seconds after which a request has failed."""
    stream: bool = True
    """Ask for streams or, with --no-stream, for whole bodies."""

    def options(self) -> ReplayOptions:
        """The same as the lab takes it. Raises BadSettings."""
        return ReplayOptions(
            url=self.url, key=self.key, speed=self.speed, mix=parse_mix(self.mix), max_in_flight=self.max_in_flight,
            timeout_s=self.timeout_s, stream=self.stream,
        )  # fmt: skip

    def requests(self, trace: Path) -> list[TracedRequest]:
        """The part of the trace that was asked for. Raises BadSettings."""
        if self.limit is not None and self.limit < 1:
            raise BadSettings(f"limit is {self.limit}; use 1 or more requests")
        return list(islice(window(open_trace(trace), self.start, self.duration), self.limit))


_DEFAULTS = Choices()


@app.default
def run(trace: Path, *, choices: Choices = _DEFAULTS, json: bool = False) -> int:
    """Send a trace's requests at its own rhythm, and say what became of each.

    Exit code 1 if any request was not answered whole.

    Parameters
    ----------
    trace
        Azure 2023 CSV or Mooncake JSONL, plain or gzipped.
    json
        Print the account as one JSON document.
    """
    options, requests = choices.options(), choices.requests(trace)
    with progress_bar(len(requests)) as show:
        report = asyncio.run(replay(requests, options, show))
    if json:
        emit_json(report)
    else:
        _print(report)
    if report.interrupted:
        return _INTERRUPTED
    return _FAILED if report.errors else 0


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr with the live rates, where that is a terminal; what it gives takes a replay's progress."""
    columns = (
        BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[rate]:.1f} req/s · {task.fields[in_flight]} in flight · {task.fields[failed]} failed"),
    )  # fmt: skip
    with RichProgress(*columns, console=notes, disable=not notes.is_terminal) as bar:
        task = bar.add_task("replay", total=total, rate=0.0, in_flight=0, failed=0)

        def show(now: Progress) -> None:
            rate = now.sent / now.elapsed_s if now.elapsed_s else 0.0
            done = now.answered + now.failed
            bar.update(task, completed=done, rate=rate, in_flight=now.in_flight, failed=now.failed)

        yield show


def _print(report: ReplayReport) -> None:
    title = "Replay, broken off" if report.interrupted else "Replay"
    table = Table("target", "answered", "TTFT p50", "TTFT p99", "tickets right", title=title, title_justify="left")
    for name, target in report.by_target.items():
        table.add_row(name, f"{target.answered:,}", *_shown(target.ttft), _tickets(target.tickets_right, target.tickets_total))
    table.add_section()
    table.add_row("all", f"{report.answered:,}", *_shown(report.ttft), _tickets(report.tickets_right, report.tickets_total))
    out.print(table)
    for workload, targets in report.by_workload.items():
        out.print(f"{workload}: {', '.join(f'{count:,} by {name}' for name, count in targets.items())}", highlight=False)
    failed = ", ".join(f"{count:,} {kind}" for kind, count in report.errors.items()) or "none"
    out.print(f"{report.sent:,} sent in {report.wall_s:.1f} s · failed: {failed} · {report.late:,} late", highlight=False)
    if report.unfinished:
        out.print(f"{report.unfinished:,} were still under way", highlight=False)


def _shown(latency: Latency | None) -> tuple[str, str]:
    return (f"{latency.p50_ms:,.0f} ms", f"{latency.p99_ms:,.0f} ms") if latency else ("-", "-")


def _tickets(right: int, total: int) -> str:
    return f"{right:,} of {total:,}" if total else "-"
