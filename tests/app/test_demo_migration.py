"""The migration demo's world is a configuration that serves, and its proof holds of what a gateway wrote and of nothing else."""

from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import msgspec
import pytest
from ledger_entries import entry

from freehold.app import config_file
from freehold.app.cli.demo.moves import MOVES, build_moves, settings
from freehold.app.cli.demo.proof import proof
from freehold.app.migration_log import follow, write_event, write_migration, write_score
from freehold.app.policy import build_policy
from freehold.app.weights import check_weights
from freehold.core.entry import SHADOW, Entry
from freehold.move.migration.lines import PairScore, Served
from freehold.move.migration.machine import Event
from freehold.move.migration.progress import Migration, Progress, event_of
from freehold.serve.stores.migrations import MigrationStore, StoredEvent
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.sqlite import SqliteStore

ONE = Migration(id="mig-1", workload="good", target="box", settings=settings(1.0), made_at=1.0)
PAIRS, SENT = 80, 3
WELL = {"errors": (0.0, 0.0), "refusals": (0.0, 0.0), "late": (0.0, 0.0)}


def pair(n: int) -> PairScore:
    return PairScore(request=f"r{n}", at=2.0, step=-1, candidate=1.0, incumbent=1.0, harms=WELL, cost_nanousd=7)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """What a gateway leaves: requests, their copies, their scores, and the decision that follows."""
    path = tmp_path / "freehold.db"
    with closing(open_store(path)) as store:
        assert isinstance(store, SqliteStore)
        store.write([entry(f"r{n}", workload="good", received_at=10.0 + n) for n in range(PAIRS + SENT)])
        store.write([copy(n) for n in range(PAIRS)])
    kept = MigrationStore(path)
    kept.make(write_migration(ONE), [write_event(Event(kind="start", at=1.0, by="tests"))])
    kept.score(ONE.id, [write_score(pair(n)) for n in range(PAIRS)])
    decide(path)
    served = [Served(request=f"r{PAIRS + n}", at=3.0, step=0, harms={"errors": 0.0}) for n in range(SENT)]
    kept.score(ONE.id, [write_score(score) for score in served])
    return path


def copy(n: int) -> Entry:
    why = f"shadow of r{n}; migration mig-1"
    return entry(f"s{n}", workload=f"{SHADOW}good", reason=why, purpose="shadow", cost_nanousd=7)


def decide(path: Path, at: float = 4.0) -> None:
    """Append what follows, as the gateway does."""
    fold, kept = Progress(ONE), MigrationStore(path)
    follow(fold, kept)
    following = fold.next()
    assert following is not None
    assert kept.append(ONE.id, write_event(event_of(following, at)), fold.events)


def test_what_a_gateway_wrote_is_proven(ledger: Path) -> None:
    found = proof(ledger, ONE)
    assert found.holds
    assert [(step.kind, step.stage, step.pairs, step.follows) for step in found.steps] == [
        ("start", "shadow", 0, True), ("prove", "canary", PAIRS, True),
    ]  # fmt: skip
    assert (found.pairs, found.paired, found.copies, found.served, found.attempted) == (PAIRS, PAIRS, PAIRS, SENT, SENT)
    assert found.copies_nanousd == found.scored_nanousd == 7 * PAIRS
    assert found.still_sent_s is None


def twice(path: Path) -> None:
    MigrationStore(path).score(ONE.id, [write_score(pair(0))])


def of_nobody(path: Path) -> None:
    MigrationStore(path).score(ONE.id, [write_score(msgspec.structs.replace(pair(0), request="r-unknown"))])


def served_to_nobody(path: Path) -> None:
    MigrationStore(path).score(ONE.id, [write_score(Served(request="r-unknown", at=5.0, step=0, harms={"errors": 0.0}))])


def unscored(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.write([copy(PAIRS)])


def too_soon(path: Path) -> None:
    event = StoredEvent(at=5.0, kind="advance", decided_by="guard", why="3 requests.", evidence="[]")
    assert MigrationStore(path).append(ONE.id, event, 2)


@pytest.mark.parametrize("tampered", [twice, of_nobody, served_to_nobody, unscored, too_soon])
def test_a_ledger_that_disagrees_is_noticed(ledger: Path, tampered: Callable[[Path], None]) -> None:
    tampered(ledger)
    assert not proof(ledger, ONE).holds


def test_requests_that_were_still_sent_there_after_a_rollback_are_told(ledger: Path) -> None:
    MigrationStore(ledger).append(ONE.id, StoredEvent(at=100.0, kind="roll_back", decided_by="ann", why="", evidence="null"), 2)
    with closing(SqliteStore(ledger)) as store:
        store.write([entry("late", workload="good", target="box", received_at=100.4)])
    assert proof(ledger, ONE).still_sent_s == pytest.approx(0.4)


def test_its_configuration_serves_and_names_the_weights_of_each_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    world = build_moves()
    file = config_file.load(world.config)
    policy = build_policy(file, date(2026, 11, 21))
    assert {move.workload for move in MOVES} == set(policy.workloads)
    assert {move.target for move in MOVES} | {"rented-api"} == set(policy.targets)
    assert check_weights(file) == [move.target for move in MOVES]
