"""What the demo tells a person: where each workload went and why, what it cost, what the plan says, where to look."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from freehold.app.cli.demo.evidence import Evidence
from freehold.app.cli.demo.world import World
from freehold.app.cli.handled_tables import budgets_table, findings_table, refusals_table, removals_table
from freehold.app.cli.ledger import slices_table
from freehold.app.cli.output import notes, out
from freehold.app.cli.plan_report import show_plan, write_page
from freehold.app.cli.replay import progress_bar
from freehold.app.cli.report import write_residency
from freehold.app.spending import Spending
from freehold.lab.report import Progress, ReplayReport

_WHY_LENGTH = 90
_LINE_EVERY_S = 5.0


class Told(msgspec.Struct, frozen=True):
    """What there is to tell after the replay: the clients' account, the ledger's, and the figures of the JSON."""

    report: ReplayReport
    spent: Spending
    seen: Evidence
    recent: Sequence[Mapping[str, Any]]
    figures: Mapping[str, Any]


class Story:
    """Tells on stdout; quiet: nothing but notes on stderr, so that JSON stands alone."""

    def __init__(self, *, quiet: bool) -> None:
        self._out: Console = Console(quiet=True) if quiet else out
        self.today = datetime.now(UTC).date()

    def starting(self, world: World) -> None:
        """Before the processes start."""
        notes.print("Starting four processes: a real llama.cpp engine, a lab engine, a rented API, the gateway.")
        if world.live:
            notes.print(f"[bold]Live:[/bold] rented traffic goes to {world.live} with your key, and is billed.")
        else:
            notes.print("The rented API and the assistant's engine are [bold]lab stand-ins[/bold]: real bytes, made-up text.")
        notes.print(f"Configuration, ledger and logs: {world.folder}", soft_wrap=True)

    def replaying(self, requests: int, minutes: float, speed: float) -> None:
        """Once all of them answer."""
        notes.print(
            f"All of them answer. Replaying {requests:,} requests, {minutes:g} minutes of the trace, in about "
            f"{minutes * 60 / speed:.0f} s.",
            highlight=False,
        )

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[Progress], None]]:
        """The replay's bar on stderr; plain lines where that is no terminal."""
        if notes.is_terminal:
            with progress_bar(total) as told:
                yield told
        else:
            yield _Lines(total).tell

    def reading(self) -> None:
        """Between the replay and what it shows."""
        notes.print("Reading the ledger, judging where data went, making the plan.")

    def told(self, told: Told, folder: Path) -> None:
        """After the replay: the ledger, the reasons, the constraints, the plan."""
        report, seen, figures = told.report, told.seen, told.figures
        page, proof = folder / "plan.html", folder / "residency.html"
        write_page(page, figures["plan"])
        write_residency(proof, seen.residency)
        notes.print(f"Written: {page} and {proof}", soft_wrap=True, highlight=False, markup=False)
        self._out.rule("Where each workload went, from the ledger")
        self._out.print(slices_table(told.spent.slices, told.spent.machines))
        if figures["lab_targets"]:
            names = " and ".join(figures["lab_targets"])
            self._out.print(
                f"Lab stand-ins: {names}. Their words are made up, and their waits are shortened by the replay's speed."
            )
        if figures["spill"] is not None:
            self._out.print(figures["spill"].words, soft_wrap=True, highlight=False)
        self._out.print(_why(told.recent))
        self._constraints(seen)
        meant = ", ".join(f"{count:,} {code}" for code, count in seen.meant.items()) or "none"
        self._out.print(
            f"{report.sent:,} sent, {report.answered:,} answered whole, refused as meant: {meant}; {figures['errors']} errors; "
            f"answered without an entry: [bold]{figures['lost']}[/bold]; "
            f"constraint violations: [bold]{figures['constraint_violations']}[/bold]; "
            f"tickets labelled right: {report.tickets_right} of {report.tickets_total} (the model knows these phrases only)",
            highlight=False,
        )
        self._out.print(seen.residency.answer, soft_wrap=True, highlight=False, markup=False)
        self._out.print(f"The report behind that, as a security review reads it: {proof}", soft_wrap=True)
        self._out.rule("The plan, from that ledger")
        show_plan(figures["plan"], self._out, brief=True)
        self._out.print(
            "Note: the lab engine has 16 slots, so that this short replay spills; the plan counts with what a real L40S is "
            "expected to carry."
        )
        self._out.print(f"The checklist behind each answer, pictures, every assumption with its source: {page}", soft_wrap=True)

    def _constraints(self, seen: Evidence) -> None:
        self._out.rule("What was kept from whom, and why")
        self._out.print(
            "A few prompts hold made-up sensitive values. What is found tightens the rules: health and payment data may not be "
            "rented, secrets go nowhere, personal data is replaced by placeholders before it leaves.",
            soft_wrap=True,
        )
        self._out.print(findings_table(seen.handled.findings))
        self._out.print(f"Requests that left with placeholders in place of personal data: {seen.redacted:,}", highlight=False)
        self._out.print(removals_table(seen.handled.removals))
        self._out.print(refusals_table(seen.handled.refusals))
        self._out.print(budgets_table(seen.budgets))

    def serving(self, world: World) -> None:
        """While it keeps serving."""
        self._out.rule("Still serving; Ctrl-C ends it")
        self._out.print(f"API        http://127.0.0.1:{world.gateway}/v1   key {world.key}", soft_wrap=True)
        self._out.print(f"Dashboard  http://127.0.0.1:{world.admin}/     admin key {world.admin_key}", soft_wrap=True)
        self._out.print(
            f"curl http://127.0.0.1:{world.gateway}/v1/chat/completions -H 'authorization: Bearer {world.key}' "
            '-d \'{"model":"ticket-triage","max_tokens":24,"temperature":0,'
            '"messages":[{"role":"user","content":"I was charged twice for my invoice. Thanks."}]}\'',
            soft_wrap=True,
        )


class _Lines:
    """The progress of a replay as a plain line every few seconds."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._next_s = 0.0

    def tell(self, now: Progress) -> None:
        """Hears of it much more often than it says so."""
        done = now.answered + now.failed
        if now.elapsed_s < self._next_s and done < self._total:
            return
        self._next_s = now.elapsed_s + _LINE_EVERY_S
        notes.print(
            f"{now.elapsed_s:.0f} s: {done:,} of {self._total:,} done, {now.in_flight:,} in flight, "
            f"{now.failed:,} refused or failed",
            highlight=False,
        )


def _why(recent: Sequence[Mapping[str, Any]]) -> Table:
    """The commonest reasons for each workload and target, numbers in them left out so that like goes with like."""
    reasons: Counter[tuple[str, str, str]] = Counter()
    for row in recent:
        reason = "".join("#" if letter.isdigit() else letter for letter in str(row["reason"] or ""))
        reasons[str(row["workload"]), str(row["target"] or "none"), reason.replace("##", "#")] += 1
    table = Table("workload", "went to", "because", "requests", title="Why, over all entries (# stands for a number)")
    for (workload, target, reason), count in sorted(reasons.items(), key=lambda item: (item[0][0], -item[1]))[:12]:
        table.add_row(workload, target, reason[:_WHY_LENGTH], str(count))
    return table
