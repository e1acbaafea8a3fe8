"""A move of the migration demo once it is over: its history, what the ledger proves of it, and how its callers fared."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.markup import escape
from rich.table import Table

from freehold.app.cli.demo.callers import Callers
from freehold.app.cli.demo.moves import Move
from freehold.app.cli.demo.proof import Proof
from freehold.app.cli.migration_picture import moment
from freehold.app.cli.output import out
from freehold.core.money import dollars, show
from freehold.move.migration.machine import MigrationSettings

BY = "the demo"


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """`afterwards`: who answered those that came once it was over."""

    move: Move
    settings: MigrationSettings
    callers: Callers
    afterwards: dict[str, int]
    proof: Proof

    @property
    def as_expected(self) -> bool:
        """Whether it ended as such a candidate should, and callers were answered accordingly."""
        last, expected = self.proof.steps[-1], self.move.target if self.move.ends == "live" else "rented-api"
        return last.stage == self.move.ends and last.by in self.move.by and set(self.afterwards) == {expected}

    def figures(self) -> dict[str, Any]:
        """For programs; money in dollars."""
        found = self.proof
        return {
            "workload": self.move.workload, "target": self.move.target, "stage": found.steps[-1].stage,
            "as_expected": self.as_expected, "proven": found.holds, "late_s": self.settings.late_s, "history": found.steps,
            "callers": self.callers.statuses.total(), "longest_s": self.callers.longest_s, "afterwards": self.afterwards,
            "ledger": {
                "pairs": found.pairs, "paired": found.paired, "copies": found.copies, "lost": found.lost,
                "served": found.served, "attempted": found.attempted, "at_candidate": found.at_candidate,
                "callers_usd": float(dollars(found.callers_nanousd)), "copies_usd": float(dollars(found.copies_nanousd)),
                "scored_usd": float(dollars(found.scored_nanousd)), "still_sent_s": found.still_sent_s,
            },
        }  # fmt: skip


def figures_of(moved: Sequence[Moved]) -> dict[str, Any]:
    """All of them, and how the callers of all were answered, by status."""
    statuses = sum((one.callers.statuses for one in moved), Counter[int]())
    return {
        "moves": [one.figures() for one in moved],
        "callers": {str(status): count for status, count in sorted(statuses.items())},
        "unanswered": sum(count for status, count in statuses.items() if status != 200),
    }


def show_moved(one: Moved) -> None:
    """For people."""
    found, move = one.proof, one.move
    table = Table("when", "what", "by", "then", "why", "again from the log", title=escape(f"{move.workload} to {move.target}"))
    for step in found.steps:
        then = f"{step.stage.replace('_', ' ')}{f' {step.share:.0%}' if step.stage == 'canary' else ''}"
        again = "-" if step.by == BY else "the same" if step.follows else "DIFFERENT"
        table.add_row(moment(step.at)[11:], step.kind, step.by, then, escape(step.why), again)
    out.print(table)
    last = "none" if found.still_sent_s is None else f"the last {found.still_sent_s:.2f} s"
    sent = f", {last} after the end" if found.at_candidate and move.ends == "rolled_back" else ""
    _tell(
        f"In the ledger: {found.pairs:,} pairs of answers to {found.paired:,} requests, from {found.copies:,} copies for "
        f"{show(found.copies_nanousd, 4)}; {found.served:,} requests scored in the canary; {found.at_candidate:,} answered by "
        f"{move.target}{sent}."
    )
    callers = one.callers
    failed = callers.statuses.total() - callers.statuses[200]
    after = ", ".join(f"{count} by {name}" for name, count in one.afterwards.items())
    _tell(
        f"Callers: {callers.statuses.total():,} requests for {show(found.callers_nanousd, 4)}, {failed} without an answer, the "
        f"longest wait {callers.longest_s:.2f} s. Once it was over, the last were answered: {after}."
    )
    if not (one.as_expected and found.holds):
        _tell("This is not how it should end." if found.holds else "The ledger disagrees with itself.")


def _tell(line: str) -> None:
    out.print(line, soft_wrap=True, highlight=False, markup=False)
