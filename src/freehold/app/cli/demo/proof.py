"""What the ledger proves of one migration: each decision told again from the log alone, each score held against the entries."""

from collections.abc import Iterable, Iterator

import msgspec

from freehold.app.migration_log import read_line
from freehold.core.assignment import Stage
from freehold.core.entry import SHADOW
from freehold.move.migration.lines import PairScore, Served, Unscored
from freehold.move.migration.machine import Event
from freehold.move.migration.progress import CANARY, GATE, GUARD, Logged, Migration, Progress
from freehold.serve.stores.migrations import MigrationStore
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.reader import LedgerReader

_ALL = 10_000_000


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, with the stage and the canary's share behind it, and the log as it stood: pairs in all, and requests that
    the candidate was sent at that share. `follows`: whoever reads the log up to there comes to the same decision, on the same
    evidence; of what a person asked for there is nothing to come to."""

    at: float
    kind: str
    by: str
    why: str
    stage: Stage
    share: float
    pairs: int
    served: int
    follows: bool
    evidence: msgspec.Raw


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """One migration in the ledger. Of `pairs` in its log, `paired` are about as many requests, each with one answered entry of a
    caller's and one of a copy; of `copies`, `lost` are those that its log says nothing of. Of `served` scores, `attempted` are
    about requests of callers. `at_candidate`: callers that it answered. `still_sent_s`: how long after the end, in seconds, a
    request still came to be sent there; None where none was. `callers_nanousd` and `copies_nanousd` are of the entries,
    `scored_nanousd` of the log."""

    steps: tuple[Step, ...]
    pairs: int
    paired: int
    copies: int
    lost: int
    served: int
    attempted: int
    at_candidate: int
    callers_nanousd: int
    copies_nanousd: int
    scored_nanousd: int
    still_sent_s: float | None

    @property
    def holds(self) -> bool:
        """Whether all of it agrees."""
        counts = self.pairs == self.paired and self.lost == 0 and self.served == self.attempted
        return counts and self.copies_nanousd == self.scored_nanousd and all(step.follows for step in self.steps)


def proof(ledger: LedgerPlace, migration: Migration) -> Proof:
    """Of the ledger as it is now. Raises BadSettings."""
    lines = [read_line(line) for line in MigrationStore(ledger).lines(migration.id)]
    compared = [line for line in lines if isinstance(line, PairScore | Unscored)]
    pairs = [line.request for line in compared if isinstance(line, PairScore)]
    served = [line.request for line in lines if isinstance(line, Served)]
    rows = LedgerReader(ledger).recent(_ALL)
    callers = {row["id"]: row for row in rows if row["workload"] == migration.workload}
    copies = {_of_request(row): row for row in rows if row["workload"] == SHADOW + migration.workload}
    answered = {ident for ident, row in callers.items() if row["outcome"] == "finished"}
    there = [row for row in callers.values() if row["target"] == migration.target]
    steps = tuple(_steps(migration, lines))
    after_s = [_seconds(row["received_at"]) - steps[-1].at for row in there] if steps[-1].stage == "rolled_back" else []
    return Proof(
        steps=steps, pairs=len(pairs), paired=len(set(pairs) & answered & copies.keys()), copies=len(copies),
        lost=len(copies.keys() - {line.request for line in compared}), served=len(served),
        attempted=len(callers.keys() & set(served)), at_candidate=len(there),
        callers_nanousd=sum(_whole(row["cost_nanousd"]) for row in callers.values()),
        copies_nanousd=sum(_whole(row["cost_nanousd"]) for row in copies.values()),
        scored_nanousd=sum(line.cost_nanousd for line in compared),
        still_sent_s=max((late_s for late_s in after_s if late_s > 0), default=None),
    )  # fmt: skip


def _steps(migration: Migration, lines: Iterable[Logged]) -> Iterator[Step]:
    """The decisions, each held against what a fresh fold of the lines before it comes to."""
    fold = Progress(migration)
    for n, line in enumerate(lines, 1):
        following, pairs, served = fold.next(), fold.pairs, fold.served
        fold.take(n, line)
        if not isinstance(line, Event):
            continue
        told = None if following is None else (following.kind, following.by, following.why, bytes(following.evidence))
        follows = line.by not in {GATE, GUARD, CANARY} or told == (line.kind, line.by, line.why, bytes(line.evidence))
        yield Step(
            at=line.at, kind=line.kind, by=line.by, why=line.why, stage=fold.state.stage, share=fold.assignment.share,
            pairs=pairs, served=served, follows=follows, evidence=line.evidence,
        )  # fmt: skip


def _of_request(row: dict[str, object]) -> str:
    """The request whose copy it is, as the reason of a copy's entry names it."""
    return str(row["reason"]).removeprefix("shadow of ").partition(";")[0]


def _seconds(value: object) -> float:
    assert isinstance(value, float)
    return value


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value
