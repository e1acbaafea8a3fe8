"""A migration's log between its store, which keeps text, and its fold, which knows what a line means."""

from collections.abc import Iterator
from typing import get_args

import msgspec

from freehold.core.assignment import Assignment
from freehold.core.errors import BadSettings
from freehold.move.migration.lines import Score
from freehold.move.migration.machine import Event, Kind, MigrationSettings, State, assignment, replay
from freehold.move.migration.progress import Logged, Migration, Progress
from freehold.serve.stores.migrations import MigrationStore, StoredEvent, StoredMigration, StoredScore


class _AfterLive(msgspec.Struct):
    """Settings kept before a live candidate was compared lack the share: what began without comparing goes on without."""

    after_live: float = 0.0


_scores: msgspec.json.Decoder[Score] = msgspec.json.Decoder(Score)


def read_migration(stored: StoredMigration) -> Migration:
    """Raises BadSettings where its settings cannot be read."""
    try:
        settings = msgspec.json.decode(stored.settings, type=MigrationSettings)
        kept = msgspec.json.decode(stored.settings, type=_AfterLive)
    except msgspec.MsgspecError as error:
        raise BadSettings(f"the settings of migration {stored.id} cannot be read: {error}") from None
    return Migration(
        id=stored.id, workload=stored.workload, target=stored.target,
        settings=msgspec.structs.replace(settings, after_live=kept.after_live), made_at=stored.made_at,
    )  # fmt: skip


def write_migration(migration: Migration) -> StoredMigration:
    """As it is kept."""
    settings = msgspec.json.encode(migration.settings).decode()
    return StoredMigration(migration.id, migration.workload, migration.target, settings, migration.made_at)


def read_line(line: StoredEvent | StoredScore) -> Logged:
    """Raises BadSettings on what none of us writes."""
    if isinstance(line, StoredEvent):
        if line.kind not in get_args(Kind):
            raise BadSettings(f"line {line.n} of a migration is {line.kind!r}; it was written by a newer version")
        kind: Kind = line.kind  # type: ignore[assignment]
        return Event(kind=kind, at=line.at, by=line.decided_by, why=line.why, evidence=msgspec.Raw(line.evidence.encode()))
    try:
        return _scores.decode(line.score)
    except msgspec.MsgspecError as error:
        raise BadSettings(f"line {line.n} of a migration cannot be read: {error}") from None


def write_event(event: Event) -> StoredEvent:
    """As it is kept."""
    return StoredEvent(
        at=event.at, kind=event.kind, decided_by=event.by, why=event.why, evidence=bytes(event.evidence).decode()
    )  # fmt: skip


def write_score(score: Score) -> str:
    """As it is kept."""
    return msgspec.json.encode(score).decode()


def follow(progress: Progress, store: MigrationStore) -> None:
    """Take what was written since. Raises BadSettings."""
    for line in store.lines(progress.migration.id, progress.lines):
        progress.take(line.n, read_line(line))


def events_of(store: MigrationStore, migration: str) -> Iterator[tuple[int, Event]]:
    """Only what was decided, with the numbers of the lines. Raises BadSettings."""
    for line in store.events(migration):
        event = read_line(line)
        assert isinstance(event, Event)
        yield line.n, event


def state_of(store: MigrationStore, migration: Migration) -> State:
    """Where it stands. Raises BadSettings."""
    return replay((event for _, event in events_of(store, migration.id)), migration.settings)


def assigned(migrations: list[tuple[Migration, State]]) -> dict[str, tuple[Assignment, ...]]:
    """By workload, what its migrations ask of the request line: those under way, newest first, down to the last that is live.
    `migrations`: oldest first."""
    found: dict[str, tuple[Assignment, ...]] = {}
    for one, state in migrations:
        if state.stage in {"shadow", "canary", "live"}:
            before = () if state.stage == "live" else found.get(one.workload, ())
            found[one.workload] = (assignment(one.id, one.workload, one.target, state, one.settings), *before)
    return found
