"""What only PostgreSQL can do to a ledger: roles, settings, lost connections, other programs' tables, text it does not take."""

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import structlog.testing
from hypothesis import given
from hypothesis import strategies as st
from ledger_entries import entry
from postgres_cluster import PASSWORD, Cluster

from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.core.target import Secret
from freehold.core.usage import Usage
from freehold.serve.stores import postgres_columns, postgres_schema
from freehold.serve.stores.opening import reading
from freehold.serve.stores.place import PostgresPlace, postgres_place
from freehold.serve.stores.postgres import PostgresStore
from freehold.serve.stores.postgres_sql import to_postgres
from freehold.serve.stores.reader import LedgerReader


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.fresh()


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(place_of(url))) as store:
        yield store


def place_of(url: str) -> PostgresPlace:
    return postgres_place(Secret(url))


# Opening


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{quote(PASSWORD)}@127.0.0.1:1/x",
        f"postgresql://u:{quote(PASSWORD, safe='')}@127.0.0.1:1/x?nonsense={quote(PASSWORD)}",
        f"postgresql://u:{quote(PASSWORD, safe='')}@127.0.0.1:port/x",
        f"postgresql://u:{quote(PASSWORD, safe='')}@[::1/x",
        f"postgresql://u:{PASSWORD}@127.0.0.1:1/x",
        f"postgresql://127.0.0.1:1/x?user=u&password={quote(PASSWORD, safe='')}",
        f"mysql://u:{quote(PASSWORD, safe='')}@127.0.0.1/x",
    ],
)
def test_no_message_holds_the_password(url: str) -> None:
    with pytest.raises(BadSettings) as caught:
        PostgresStore(place_of(url)).close()
    for secret in (PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), "s3cret"):
        assert secret not in caught.value.message
    assert len(caught.value.message.splitlines()) == 1


def test_a_place_is_shown_without_what_is_secret() -> None:
    place = place_of("postgresql://me:word@db-1:5432,db-2/ledger?password=word&sslmode=require")
    assert str(place) == "postgresql://me@db-1:5432,db-2/ledger"
    assert "word" not in repr(place)
    assert place_of("postgresql://h/x?sslpassword=a%20b").masked("a b") == "***"
    assert place.masked("word said\n  'word'") == "*** said '***'"


def test_another_programs_schema_is_refused_and_left_alone(cluster: Cluster, url: str) -> None:
    cluster.rows("CREATE TABLE bookmarks (url TEXT)", url)
    with pytest.raises(BadSettings, match="this is another program's schema, not a ledger"):
        PostgresStore(place_of(url))
    assert tables(cluster, url) == ["bookmarks"]


def test_what_an_extension_brought_is_no_other_program(cluster: Cluster, url: str) -> None:
    cluster.rows("CREATE TABLE spatial_ref_sys (id INT)", url)
    cluster.rows("CREATE EXTENSION IF NOT EXISTS plpgsql", url)
    cluster.rows("ALTER EXTENSION plpgsql ADD TABLE spatial_ref_sys", url)
    try:
        PostgresStore(place_of(url)).close()
    finally:
        cluster.rows("ALTER EXTENSION plpgsql DROP TABLE spatial_ref_sys", url)


def test_a_newer_schema_is_refused_and_left_alone(cluster: Cluster, url: str, store: PostgresStore) -> None:
    cluster.rows("UPDATE freehold_ledger SET version = 99", url)
    with pytest.raises(BadSettings, match=r"newer version \(schema 99, known is \d+\)"):
        PostgresStore(place_of(url))
    assert cluster.rows("SELECT version FROM freehold_ledger", url) == [{"version": 99}]


def test_a_later_step_is_taken_once_whoever_starts(
    cluster: Cluster, url: str, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write([entry("fh-1")])
    known = len(postgres_schema._MIGRATIONS)
    later = "ALTER TABLE entries ADD COLUMN mood TEXT; CREATE TABLE moods (name TEXT); INSERT INTO moods VALUES ('fine');"
    monkeypatch.setattr(postgres_schema, "_MIGRATIONS", (*postgres_schema._MIGRATIONS, later))
    with ThreadPoolExecutor(5) as pool:
        for opened in pool.map(PostgresStore, [place_of(url)] * 5):
            opened.close()
    assert cluster.rows("SELECT version FROM freehold_ledger", url) == [{"version": known + 1}]
    assert cluster.rows("SELECT name FROM moods", url) == [{"name": "fine"}]
    store.write([entry("fh-2")])  # a gateway of before writes on beside those of after
    assert cluster.rows("SELECT id, mood FROM entries ORDER BY id", url) == [{"id": f"fh-{n}", "mood": None} for n in (1, 2)]


def test_a_step_that_fails_leaves_the_ledger_as_it_was(cluster: Cluster, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (*postgres_schema._MIGRATIONS, "CREATE TABLE more (a INT); CREATE TABLE entries (b INT);")
    monkeypatch.setattr(postgres_schema, "_MIGRATIONS", broken)
    with pytest.raises(BadSettings, match='relation "entries" already exists'):
        PostgresStore(place_of(url))
    assert tables(cluster, url) == []


def test_a_schema_that_does_not_exist_is_said_to_be_missing(cluster: Cluster) -> None:
    with pytest.raises(BadSettings, match="its search_path names no schema that exists"):
        PostgresStore(place_of(cluster.url("nowhere")))


def test_a_server_that_does_not_keep_what_it_commits_is_refused(cluster: Cluster, url: str) -> None:
    def fsync(value: str) -> None:
        cluster.rows(f"ALTER SYSTEM SET fsync = {value}")
        cluster.rows("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 10
        while cluster.rows("SHOW fsync") != [{"fsync": value}] and time.monotonic() < deadline:
            time.sleep(0.02)

    fsync("off")
    try:
        with pytest.raises(BadSettings, match="fsync = off"):
            PostgresStore(place_of(url))
    finally:
        fsync("on")


def test_a_commit_is_on_disk_whatever_the_role_is_used_to(url: str) -> None:
    with closing(PostgresStore(place_of(url + quote(" -csynchronous_commit=off", safe="")))) as store:
        assert store._session.rows("SHOW synchronous_commit") == [("on",)]
    with closing(PostgresStore(place_of(url + quote(" -csynchronous_commit=remote_apply", safe="")))) as store:
        assert store._session.rows("SHOW synchronous_commit") == [("remote_apply",)]


def test_without_its_driver_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(BadSettings, match=r"pip install 'freehold\[postgres\]'"):
        PostgresStore(place_of("postgresql://127.0.0.1/x"))


# Writing


def test_a_connection_that_was_cut_is_made_again_without_a_word(cluster: Cluster, url: str, store: PostgresStore) -> None:
    store.write([entry("fh-1")])
    cut(cluster)
    store.write([entry("fh-2")])
    cut(cluster)
    store.probe()
    assert [row["id"] for row in cluster.rows("SELECT id FROM entries ORDER BY id", url)] == ["fh-1", "fh-2"]


def test_a_database_that_is_gone_is_not_asked_all_the_time(cluster: Cluster, store: PostgresStore) -> None:
    with cluster.away(), structlog.testing.capture_logs() as logs:
        for _ in range(50):
            with pytest.raises(LedgerUnavailable) as caught:
                store.probe()
            assert caught.value.message == "the ledger cannot be written: its database cannot be reached"
    assert 1 <= len(logs) < 10
    assert PASSWORD not in str(logs)


def test_a_database_that_came_back_without_its_ledger_is_not_filled(cluster: Cluster, url: str, store: PostgresStore) -> None:
    (row,) = cluster.rows("SELECT current_schema AS name", url)
    cluster.rows(f"ALTER SCHEMA {row['name']} RENAME TO {row['name']}_lost")
    cluster.rows(f"CREATE SCHEMA {row['name']}")
    cut(cluster)
    with pytest.raises(LedgerUnavailable):
        store.write([entry("fh-1")])
    assert tables(cluster, url) == []


def test_a_lock_of_another_program_is_waited_for(cluster: Cluster, url: str, store: PostgresStore) -> None:
    with psycopg.connect(url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("LOCK TABLE entries")
        writing = pool.submit(store.write, [entry("fh-1")])
        assert not threading.Event().wait(0.2)
        assert not writing.done()
        other.rollback()
        writing.result(10)
    assert len(cluster.rows("SELECT id FROM entries", url)) == 1


def test_text_that_it_does_not_take_is_kept_as_far_as_it_can_be(cluster: Cluster, url: str, store: PostgresStore) -> None:
    """What a provider says may be anything, and costs no entry."""
    said = entry("fh-1")
    said.attempts[0].detail = "a\0b"
    store.write([said])
    assert cluster.rows("SELECT detail FROM attempts", url) == [{"detail": "a\ufffdb"}]
    with pytest.raises(LedgerUnavailable):
        store.write([entry("fh-2", reason="\ud800")])
    store.write([entry("fh-3", reason='tab\t, \\N, \\., new\nline, "')])
    assert cluster.rows("SELECT reason FROM entries WHERE id = 'fh-3'", url) == [{"reason": 'tab\t, \\N, \\., new\nline, "'}]


# Reading


@pytest.fixture(scope="module")
def filled(cluster: Cluster) -> Iterator[PostgresStore]:
    with closing(PostgresStore(place_of(cluster.fresh()))) as store:
        yield store


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "B", "it's", ""]), st.sampled_from(["public", "internal"]), st.floats(-1e18, 1e18),
            st.one_of(st.integers(0, 9), st.sampled_from([2**31 - 1, 2**31, 2**62])), st.none() | st.integers(0, 2**40),
        ),
        max_size=30,
    )
)  # fmt: skip
@pytest.mark.long
def test_columns_say_what_the_rows_say(
    cluster: Cluster, filled: PostgresStore, rows: list[tuple[str, str, float, int, int | None]]
) -> None:
    """In the order they were written, in chunks of a few rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_columns, "_CHUNK_BYTES", 300)
        cluster.rows("TRUNCATE entries, attempts", filled._place.url.reveal())
        filled.write([
            entry(f"fh-{n}", workload=w, data_class=c, stands_for=at,
                  usage=Usage(input_tokens=tokens + (read or 0), output_tokens=n, cache_read=read, source="provider"))
            for n, (w, c, at, tokens, read) in enumerate(rows)
        ])  # fmt: skip
        found = LedgerReader(filled._place).columns()
    assert found.keys() == {row[0] for row in rows}
    for name, own in found.items():
        columns = (own.unix_s.tolist(), own.input_tokens.tolist(), own.cache_read.tolist(), own.output_tokens.tolist())
        assert list(zip(*columns, strict=True)) == [
            (at, tokens + (read or 0), read or 0, n) for n, (w, _, at, tokens, read) in enumerate(rows) if w == name
        ]
        assert [own.classes[code] for code in own.data_class] == [c for w, c, *_ in rows if w == name]


def test_a_view_is_of_one_moment_and_changes_nothing(url: str, store: PostgresStore) -> None:
    store.write([entry("fh-1")])
    with reading(place_of(url)) as db:
        before = db.rows("SELECT id FROM entries")
        store.write([entry("fh-2")])
        assert db.rows("SELECT id FROM entries") == before
        assert list(db.stream("SELECT id FROM entries")) == before
    with pytest.raises(BadSettings, match="read-only"), reading(place_of(url)) as db:
        db.run("DELETE FROM entries")


@pytest.mark.parametrize(
    ("sql", "there"),
    [
        ("SELECT a FROM t WHERE b = ? AND c LIKE 'x%'", "SELECT a FROM t WHERE b = %s AND c LIKE 'x%%'"),
        ("a >= :low AND b = ':' || :high", "a >= %(low)s AND b = ':' || %(high)s"),
        ("x IN (SELECT value FROM json_each(:ids))", "x IN (SELECT json_array_elements_text(%(ids)s::json))"),
        ("x IN (SELECT value FROM json_each(?))", "x IN (SELECT json_array_elements_text(%s::json))"),
        ("CAST(round((a + b) * 1e6) AS INTEGER)", "trunc(floor(0.5 + (a + b) * 1e6))::bigint"),
    ],
)
def test_what_differs_is_put_into_its_words(sql: str, there: str) -> None:
    assert to_postgres(sql).decode() == there


@pytest.mark.parametrize("values", [{"x": x} for x in (0.0, 0.49999999999999994, 0.5, 1.5, 2.5, 1_795_003_200_123_456.5)])
def test_numbers_are_cut_and_rounded_as_in_a_file(store: PostgresStore, values: Mapping[str, Any]) -> None:
    """Halves go up, casts cut off: as SQLite has it, up to where doubles have no halves any more."""
    sql = "SELECT CAST(:x AS INTEGER), CAST(round(:x) AS INTEGER)"
    assert store._session.rows(sql, values) == [(int(values["x"]), int(values["x"] + 0.5))]


def tables(cluster: Cluster, url: str) -> list[str]:
    rows = cluster.rows("SELECT relname FROM pg_class WHERE relnamespace = current_schema::regnamespace AND relkind = 'r'", url)
    return sorted(row["relname"] for row in rows)


def cut(cluster: Cluster) -> None:
    """End every connection of a store."""
    cluster.rows("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'freehold'")
