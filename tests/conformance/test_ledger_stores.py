"""The contract of a ledger, held by every store: what is written, what is refused, what the views say of it."""

import random
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from bill_ledger import BOX, HOUR, LAB_BOX, NOON, fill, logged, owned, stood, usage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_entries import CARD, USAGE, entry, ledger_of_before
from postgres_cluster import PASSWORD, Cluster

from freehold.app.billing_lines import Bill
from freehold.app.spending import recent_entries, spending
from freehold.core.decision import Removed
from freehold.core.entry import Attempt, Entry
from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.core.ids import request_id
from freehold.core.target import Secret
from freehold.core.usage import Usage
from freehold.serve.stores import postgres_schema, sqlite
from freehold.serve.stores.allocation import AllocationReader
from freehold.serve.stores.charges import ChargesReader
from freehold.serve.stores.entry_rows import ATTEMPT_COLUMNS, ENTRY_COLUMNS, attempt_row, entry_row
from freehold.serve.stores.handling import By, HandlingReader
from freehold.serve.stores.imported import ImportedRow, ImportStore
from freehold.serve.stores.machines import MachineRecord
from freehold.serve.stores.opening import connected, open_store, reading
from freehold.serve.stores.place import LedgerPlace, PostgresPlace, postgres_place
from freehold.serve.stores.postgres import PostgresStore
from freehold.serve.stores.postgres_session import PostgresSession
from freehold.serve.stores.reader import LedgerReader
from freehold.serve.stores.residency import ResidencyReader
from freehold.serve.stores.signals import Asked, SignalReader
from freehold.serve.stores.sqlite import SqliteStore
from freehold.serve.stores.use import uses

Store = SqliteStore | PostgresStore


class Ledger:
    """A place for a ledger, and what a store's own tools say of it."""

    def __init__(self, place: LedgerPlace, rows: Callable[[str], list[dict[str, Any]]], broken: Any) -> None:
        self.place = place
        self.rows = rows
        self._broken = broken

    def broken(self, store: Store) -> AbstractContextManager[None]:
        """While inside, nothing can be written."""
        found: AbstractContextManager[None] = self._broken(store)
        return found


def sqlite_ledger(folder: Path) -> Ledger:
    path = folder / "ledger.db"

    def rows(sql: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql)]

    @contextmanager
    def broken(store: SqliteStore) -> Iterator[None]:
        store._db.execute("PRAGMA query_only = ON")
        yield
        store._db.execute("PRAGMA query_only = OFF")

    return Ledger(path, rows, broken)


def postgres_ledger(cluster: Cluster) -> Ledger:
    url = cluster.fresh()
    return Ledger(postgres_place(Secret(url)), lambda sql: cluster.rows(sql, url), lambda store: cluster.away())


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    return sqlite_ledger(tmp_path) if request.param == "sqlite" else postgres_ledger(request.getfixturevalue("cluster"))


@pytest.fixture
def store(ledger: Ledger) -> Iterator[Store]:
    with closing(open_store(ledger.place)) as store:
        yield store


# Writing


texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)
numbers = st.one_of(st.integers(0, 2**63 - 1), st.sampled_from([0, 2**31, 2**53 + 1, 2**63 - 1]))
floats = st.floats(allow_nan=False)
usages = st.none() | st.builds(
    lambda fresh, read, written, answer, reasoning, source: Usage(
        input_tokens=fresh + (read or 0) + (written or 0), output_tokens=answer + (reasoning or 0), cache_read=read,
        cache_write=written, reasoning=reasoning, cache_write_1h=written, input_audio=None if read is None else fresh,
        cache_read_audio=read, output_audio=None if written is None else answer, source=source,
    ),
    *[numbers, st.none() | numbers, st.none() | numbers, numbers, st.none() | numbers],
    st.sampled_from(["provider", "engine", "estimated"]),
)  # fmt: skip
attempts = st.builds(
    Attempt, target=texts, model=texts, kind=st.sampled_from(["rented", "owned"]), reason=texts, started_s=floats,
    outcome=st.sampled_from(["finished", "cut", "overloaded"]), status=st.none() | st.integers(100, 599), detail=texts,
    first_token_s=st.none() | floats, ended_s=st.none() | floats, usage=usages, raw_usage=st.none() | texts,
    cost_nanousd=numbers, price=st.none() | st.just(CARD), service_tier=st.none() | texts,
)  # fmt: skip
whole_entries = st.builds(
    Entry, id=st.just(""), received_at=floats, stands_for=floats, workload=texts, key=texts, data_class=texts,
    regions=st.none() | st.lists(texts, max_size=2).map(tuple), asked_model=texts, dialect=texts, stream=st.booleans(),
    policy=texts, outcome=st.sampled_from(["finished", "refused", "cut"]), status=st.integers(0, 599),
    error_code=st.none() | texts, reason=texts, spilled=st.booleans(), target=st.none() | texts, model=st.none() | texts,
    basis=st.none() | st.sampled_from(["rented", "owned"]), usage=usages, cost_nanousd=numbers,
    marginal_nanousd=st.none() | numbers, shadow_nanousd=st.none() | numbers, shadow_at=st.none() | texts, lab=st.booleans(),
    ttft_s=st.none() | floats, total_s=floats, attempts=st.lists(attempts, max_size=3),
    removed=st.lists(st.builds(Removed, texts, st.sampled_from(["region", "terms"]), texts), max_size=2).map(tuple),
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(written=whole_entries)
def test_every_field_is_read_back_as_it_was_written(ledger: Ledger, written: Entry) -> None:
    with closing(open_store(ledger.place)) as store:
        written.id = request_id(NOON)
        store.write([written])
    with reading(ledger.place) as db:
        (found,) = db.rows(f"SELECT {', '.join(ENTRY_COLUMNS)} FROM entries WHERE id = ?", (written.id,))
        tried = db.rows(f"SELECT {', '.join(ATTEMPT_COLUMNS)} FROM attempts WHERE entry_id = ? ORDER BY n", (written.id,))
        prices = db.rows("SELECT id, card FROM prices")
    assert found == entry_row(written)
    assert tried == [attempt_row(written.id, n, attempt) for n, attempt in enumerate(written.attempts)]
    cards = {ident: msgspec.json.decode(card, type=type(CARD)) for ident, card in prices}
    assert [cards.get(row[ATTEMPT_COLUMNS.index("price_id")]) for row in tried] == [attempt.price for attempt in written.attempts]


@pytest.mark.parametrize(
    "bad",
    [
        entry("fh-0"),  # there already
        entry("fh-1"),  # in the same batch
        entry("fh-3", usage=Usage(input_tokens=2**63, output_tokens=0, source="provider")),
        entry("fh-3", cost_nanousd=2**70),
        entry("fh-3", workload=None),
    ],
    ids=["twice", "twice at once", "tokens past 2**63", "cost past 2**63", "no workload"],
)
def test_a_batch_is_written_whole_or_not_at_all(store: Store, ledger: Ledger, bad: Any) -> None:
    store.write([entry("fh-0")])
    with pytest.raises(LedgerUnavailable, match="cannot be written"):
        store.write([entry("fh-1"), bad, entry("fh-2")])
    assert [row["id"] for row in ledger.rows("SELECT id FROM entries")] == ["fh-0"]
    assert len(ledger.rows("SELECT * FROM attempts")) == 1
    store.write([entry("fh-1"), entry("fh-2")])
    assert len(ledger.rows("SELECT * FROM entries")) == 3


def test_an_entry_is_written_once_whoever_writes_it(store: Store, ledger: Ledger) -> None:
    store.write([entry("fh-1")])
    with closing(open_store(ledger.place)) as other, pytest.raises(LedgerUnavailable):
        other.write([entry("fh-1", cost_nanousd=1)])
    assert [row["cost_nanousd"] for row in ledger.rows("SELECT cost_nanousd FROM entries")] == [450_000]


def test_a_price_is_kept_once(store: Store, ledger: Ledger) -> None:
    later = entry("fh-4")
    later.attempts[0].price = msgspec.structs.replace(CARD, valid_from="2026-12-01")
    with pytest.raises(LedgerUnavailable):
        store.write([entry("fh-1"), entry("fh-1")])
    for batch in ([entry("fh-1"), entry("fh-2")], [entry("fh-3")], [later]):
        store.write(batch)
    with closing(open_store(ledger.place)) as again:  # one that does not know which is written
        again.write([entry("fh-5")])
    assert sorted(row["valid_from"] for row in ledger.rows("SELECT * FROM prices")) == ["2026-11-01", "2026-12-01"]
    used = ledger.rows("SELECT price_id, count(*) AS n FROM attempts GROUP BY 1")
    assert sorted(row["n"] for row in used) == [1, 4]


def test_it_is_unavailable_and_then_available_again(store: Store, ledger: Ledger) -> None:
    store.write([entry("fh-1")])
    with ledger.broken(store):
        for _ in range(2):
            with pytest.raises(LedgerUnavailable, match="cannot be written"):
                store.write([entry("fh-2")])
            with pytest.raises(LedgerUnavailable, match="cannot be written"):
                store.probe()
    done = threading.Event()
    for _ in range(100):
        try:
            store.probe()
        except LedgerUnavailable:
            done.wait(0.05)  # a database that comes back is not asked all the time
        else:
            break
    store.write([entry("fh-2")])
    store.probe()
    assert [row["id"] for row in ledger.rows("SELECT id FROM entries ORDER BY id")] == ["fh-1", "fh-2"]
    assert ledger.rows("SELECT count(*) AS n FROM probe") == [{"n": 1}]


def test_writers_beside_each_other_lose_nothing(store: Store, ledger: Ledger) -> None:
    """Gateways over one ledger, with readers beside them."""
    writers, batches = 4, 8

    def write(writer: int) -> None:
        with closing(open_store(ledger.place)) as own:
            for batch in range(batches):
                own.write([entry(f"fh-{writer}-{batch}-{n}") for n in range(5)])

    with ThreadPoolExecutor(writers) as pool:
        writing = [pool.submit(write, writer) for writer in range(writers)]
        while not all(future.done() for future in writing):
            seen = LedgerReader(ledger.place).slices()
            assert all(piece.requests % 5 == 0 for piece in seen), "a batch is seen whole"
        for future in writing:
            future.result()
    assert ledger.rows("SELECT count(*) AS n FROM entries") == [{"n": writers * batches * 5}]
    assert ledger.rows("SELECT count(*) AS n FROM attempts") == [{"n": writers * batches * 5}]
    assert len(ledger.rows("SELECT * FROM prices")) == 1


# Opening


def test_several_that_start_at_once_make_one_ledger(ledger: Ledger) -> None:
    start = threading.Barrier(6)

    def begin(n: int) -> None:
        start.wait()
        with closing(open_store(ledger.place)) as own:
            own.write([entry(f"fh-{n}")])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(begin, range(6)))
    assert ledger.rows("SELECT count(*) AS n FROM entries") == [{"n": 6}]


@pytest.mark.parametrize("schema", range(1, len(sqlite._MIGRATIONS)))
def test_a_file_of_before_gains_what_is_new_and_keeps_what_it_has(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "ledger.db"
    ledger_of_before(path, schema, entry("fh-1"))
    gains_what_is_new(path)


@pytest.mark.parametrize("schema", range(1, len(postgres_schema._MIGRATIONS)))
def test_a_database_of_before_gains_what_is_new_and_keeps_what_it_has(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, schema: int
) -> None:
    ledger = postgres_ledger(cluster)
    assert isinstance(ledger.place, PostgresPlace)
    with monkeypatch.context() as patch, closing(PostgresSession(ledger.place, read_only=False)) as session:
        patch.setattr(postgres_schema, "_MIGRATIONS", postgres_schema._MIGRATIONS[:schema])
        postgres_schema.prepare(session)
        columns = [row["c"] for row in ledger.rows("SELECT attname AS c FROM pg_attribute WHERE attrelid = 'entries'::regclass "
                                                   "AND attnum > 0 ORDER BY attnum")]  # fmt: skip
        with session.transaction():
            session.copy_in("entries", columns, [entry_row(entry("fh-1"))[: len(columns)]])
    gains_what_is_new(ledger.place)


def gains_what_is_new(place: LedgerPlace) -> None:
    before = (LedgerReader(place).slices(), LedgerReader(place).recent(5))
    with closing(open_store(place)) as store:
        assert (LedgerReader(place).slices(), LedgerReader(place).recent(5)) == before
        store.write([entry("fh-2", shadow_nanousd=5)])
    stood(place, NOON, NOON + HOUR, BOX)
    assert sum(share.cost_nanousd for share in AllocationReader(place).shares()) == BOX.price_nanousd_h
    assert LedgerReader(place).slices()[0].requests == 2
    assert len(views(place)["recent"]) == 2


def test_both_have_the_same_tables_and_columns(tmp_path: Path, cluster: Cluster) -> None:
    """Who adds a step to the one adds it to the other."""
    file, database = sqlite_ledger(tmp_path), postgres_ledger(cluster)
    for ledger in (file, database):
        open_store(ledger.place).close()
    there = database.rows(
        "SELECT table_name AS t, column_name AS c FROM information_schema.columns WHERE table_schema = current_schema "
        "AND table_name <> 'freehold_ledger'"
    )
    here = file.rows(
        "SELECT m.name AS t, c.name AS c FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
    )
    assert {(row["t"], row["c"]) for row in there} == {(row["t"], row["c"]) for row in here if row["t"] != "sqlite_sequence"}


# Views


def views(place: LedgerPlace) -> dict[str, Any]:
    """Everything that is ever read of a ledger. Floats that are sums may differ in their last digits."""
    reader, allocation, handling = LedgerReader(place), AllocationReader(place), HandlingReader(place)
    ids = [str(row["id"]) for row in reader.recent(1000)]
    columns = {
        name: sorted(zip(
            r.unix_s.tolist(), [r.classes[n] for n in r.data_class], r.input_tokens.tolist(), r.cache_read.tolist(),
            r.output_tokens.tolist(), strict=True,
        ))
        for window in ((None, None), (NOON, NOON + HOUR), (NOON - 86_400.0, NOON + 5))
        for name, r in reader.columns(*window).items()
    }  # fmt: skip
    charges = [ChargesReader(place), ChargesReader(place, NOON + 3, NOON + HOUR), ChargesReader(place, NOON - 86_400)]
    bill = Bill(place, None, None, "freehold")
    asked = [Asked(0.3), Asked(clock="stands_for"), Asked(0.1, clock="received_at")]
    found = {
        "slices": reader.slices(), "sent": sorted(ResidencyReader(place).sent()[0], key=repr),
        "recent": reader.recent(7), "missing": reader.missing([*ids[:2], "x"]),
        "groups": [handling.groups(by) for by in get_args(By)], "removals": handling.removals(), "findings": handling.findings(),
        "refusals": handling.refusals(), "columns": columns, "doubts": reader.doubts(), "bucketed": reader.bucketed_workloads(),
        "hours": allocation.hours_and_shares(), "later hours": allocation.hours_and_shares(NOON + HOUR, NOON + 2 * HOUR),
        "costs": allocation.slices(), "entries": allocation.of_entries(ids), "spending": spending(place),
        "recent entries": recent_entries(place, 1000), "uses": uses(place),
        "signals": [SignalReader(place).observe(NOON + 2 * HOUR, 1.5 * HOUR, each) for each in asked],
        "charges": [
            (list(c.attempts()), list(c.imported()), c.imported_without_cost(), c.machines_seen(), c.entries()) for c in charges
        ],
        "bill": [*bill.lines(lab=True, imported=True, progress=lambda read: None), bill.totals],
    }  # fmt: skip
    return {name: rounded(msgspec.to_builtins(value, str_keys=True, enc_hook=str)) for name, value in found.items()}


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def random_entries(source: random.Random) -> list[Entry]:
    """Of all kinds: streams and others, failovers, lab, owned work over several hours, targets removed, names of any letter."""
    made: list[Entry] = []
    for _ in range(250):
        at = NOON + source.uniform(-2 * HOUR, 4 * HOUR)
        who: dict[str, Any] = {
            "workload": source.choice(["a", "B", "c", "Ä"]), "key": source.choice(["x", "Y"]),
            "team": source.choice([None, "red", "Blue"]), "findings": source.choice([{}, {"email": 2}, {"iban": 1, "email": 1}]),
        }  # fmt: skip
        used = usage(source.randrange(900), source.randrange(90), source.randrange(9), source.randrange(99))
        removed = tuple(
            Removed("t", source.choice(["region", "data_class", "hint", "terms"]), "w'\"") for _ in range(source.randrange(3))
        )
        if source.random() < 0.3:
            made.append(owned(at, source.choice([0.25, 30.0, 4000.0, 9000.0]), used, marginal_nanousd=0, shadow_at="api", **who,
                              shadow_nanousd=source.choice([None, 7]), lab=source.random() < 0.2))  # fmt: skip
            continue
        tries = [
            Attempt(
                target=source.choice(["api", "API", "pretend"]), model=source.choice(["m-1", "m-2"]), kind="rented", reason="r",
                started_s=n + source.random(), first_token_s=source.choice([None, n + 1.2]),
                ended_s=source.choice([None, n + 2.5]),
                outcome=source.choice(["finished", "overloaded", "cut", "cancelled"]), status=source.choice([None, 200, 429]),
                usage=source.choice([None, USAGE, msgspec.structs.replace(USAGE, source="estimated")]), price=CARD,
                cost_nanousd=source.randrange(10**9),
            )
            for n in range(source.randrange(3))
        ]  # fmt: skip
        last = tries[-1] if tries else None
        made.append(entry(
            request_id(at), received_at=at, stands_for=source.choice([at, NOON + source.random() * HOUR]), attempts=tries,
            target=last and last.target, model=last and last.model, basis=last and last.kind, usage=last and last.usage, **who,
            outcome=source.choice(["finished", "refused", "failed"]), error_code=source.choice([None, "no_target_allowed"]),
            regions=source.choice([None, (), ("eu",)]), data_class=source.choice(["public", "internal", "confidential"]),
            stream=source.random() < 0.5, spilled=source.random() < 0.5, removed=removed, lab=source.random() < 0.2,
            ttft_s=source.choice([None, 0.2, 0.4]), total_s=source.uniform(0, 2), cost_nanousd=source.randrange(10**9),
        ))  # fmt: skip
    return made


def test_both_say_the_same_of_the_same_entries(tmp_path: Path, cluster: Cluster) -> None:
    file, database = sqlite_ledger(tmp_path), postgres_ledger(cluster)
    fill(file.place, database.place)
    assert views(database.place) == views(file.place)
    seed = random.randrange(2**32)
    batch = random_entries(random.Random(seed))
    for ledger in (file, database):
        with closing(open_store(ledger.place)) as store:
            store.write(batch)
        stood(ledger.place, NOON - HOUR, NOON + 3.5 * HOUR, BOX, LAB_BOX)
    expected, found = views(file.place), views(database.place)
    for name, view in expected.items():
        assert found[name] == view, f"{name}, seed {seed}"


def test_both_say_nothing_of_an_empty_ledger(ledger: Ledger) -> None:
    open_store(ledger.place).close()
    said = views(ledger.place)
    assert said["slices"] == said["recent"] == said["sent"] == said["findings"] == said["removals"] == said["refusals"] == []
    assert said["columns"] == said["uses"] == {}


def test_what_is_no_ledger_is_told_in_one_line_without_its_password(ledger: Ledger) -> None:
    with pytest.raises(BadSettings, match="no ledger") as caught:
        LedgerReader(ledger.place).slices()
    assert len(caught.value.message.splitlines()) == 1
    assert PASSWORD not in caught.value.message


# What is no entry


def test_imports_go_on_where_they_were_and_count_once(ledger: Ledger) -> None:
    rows = [ImportedRow(n, 0, "old", "internal", logged(NOON + n)) for n in range(1, 7)]
    with closing(ImportStore(ledger.place)) as store:
        source = store.begin("aa", "a.csv", "{}")
        source = store.add(msgspec.structs.replace(source, records=3, rows=3), rows[:3])
        with pytest.raises(BadSettings, match=r"a\.csv is being imported by another process"):
            store.add(source, [*rows[3:5], rows[0]])
        assert LedgerReader(ledger.place).doubts() == {"old": ["a.csv is imported only in part; run freehold import on it again"]}
    with closing(ImportStore(ledger.place)) as store:
        again = store.begin("aa", "b.csv", "")
        assert (again.id, again.name, again.rows, again.finished_at) == (source.id, "a.csv", 3, None)
        store.add(msgspec.structs.replace(again, records=6, rows=6), rows[3:], finished=True)
        other = store.begin("bb", "b.csv", "{}")
        store.add(other, [ImportedRow(1, 0, "old", "internal", logged(NOON + 2))])
        assert store.overlapping(other) == ["a.csv"]
        assert len(LedgerReader(ledger.place).columns()["old"].unix_s) == 7
        store.forget("aa")
        assert store.overlapping(other) == []
    assert [row["line"] for row in ledger.rows("SELECT line FROM imported")] == [1]


def test_machines_are_seen_from_when_till_when(ledger: Ledger) -> None:
    open_store(ledger.place).close()
    machines, others = MachineRecord(ledger.place), MachineRecord(ledger.place)
    for now in (10.0, 25.0, 24.0):
        machines.seen([BOX], now)
    others.seen([LAB_BOX], 12.0)
    machines.seen([LAB_BOX], 30.0)
    spans = ledger.rows("SELECT target, slots, lab, began_at, seen_until FROM machine_spans ORDER BY id")
    assert [tuple(row.values()) for row in spans] == [
        ("box", 4, 0, 10.0, 30.0), ("lab-box", 4, 1, 12.0, 12.0), ("lab-box", 4, 1, 30.0, 30.0),
    ]  # fmt: skip


def test_a_transaction_that_breaks_off_leaves_nothing(ledger: Ledger) -> None:
    open_store(ledger.place).close()

    def half(statements: Sequence[str]) -> None:
        with db.transaction():
            for statement in statements:
                db.run(statement)
            raise ValueError

    with closing(connected(ledger.place, read_only=False)) as db:
        with pytest.raises(ValueError, match=r"^$"):
            half(["INSERT INTO sources (sha256, name, settings, started_at) VALUES ('a', 'b', 'c', 0)"])
        with db.transaction():
            db.run("INSERT INTO sources (sha256, name, settings, started_at) VALUES ('d', 'e', 'f', 0)")
    assert [row["sha256"] for row in ledger.rows("SELECT sha256 FROM sources")] == ["d"]
