"""Imported use beside the entries of one ledger file."""

from contextlib import closing
from pathlib import Path

import pytest
from ledger_entries import entry, ledger_of_before

from freehold.core.errors import BadSettings
from freehold.plan.logs.usage import LoggedUsage
from freehold.serve.stores.imported import ImportedRow, ImportStore, Source
from freehold.serve.stores.reader import LedgerReader
from freehold.serve.stores.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def row(line: int, usage: LoggedUsage, workload: str = "w") -> ImportedRow:
    return ImportedRow(line, 0, workload, "confidential", usage)


def single(time: float) -> LoggedUsage:
    return LoggedUsage(time=time, input_tokens=100, cache_read=30, output_tokens=20)


def bucket(time: float, model: str = "m", requests: int | None = None, **tokens: int) -> LoggedUsage:
    counts = {"input_tokens": 0, "cache_read": 0, "output_tokens": 0} | tokens
    return LoggedUsage(
        time=time,
        bucket_s=3600.0,
        model=model,
        requests=requests,
        input_tokens=counts["input_tokens"],
        cache_read=counts["cache_read"],
        output_tokens=counts["output_tokens"],
    )


def kept(path: Path, *rows: ImportedRow, finished: bool = True) -> Source:
    with closing(ImportStore(path)) as store:
        return store.add(store.begin("a" * 64, "log.csv", "{}"), rows, finished=finished)


def test_traffic_is_entries_then_single_requests_then_buckets(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.write([entry("fh-1", stands_for=500.0)])
    kept(path, row(1, bucket(0.0, requests=2, input_tokens=10, output_tokens=4)), row(2, single(900.0)), row(3, single(100.0)))
    found = LedgerReader(path).columns()
    assert (found["triage"].unix_s.tolist(), found["w"].unix_s.tolist()) == ([500.0], [900.0, 100.0, 900.0, 2700.0])
    traffic = found["w"]
    assert [traffic.classes[code] for code in traffic.data_class] == ["confidential"] * 4
    assert traffic.input_tokens.tolist() == [100, 100, 5, 5]
    assert traffic.cache_read.tolist() == [30, 30, 0, 0]
    assert traffic.output_tokens.tolist() == [20, 20, 2, 2]


def test_pieces_of_one_bucket_are_one_bucket(path: Path) -> None:
    kept(
        path,
        row(1, bucket(0.0, requests=None, input_tokens=3000, cache_read=1000)),
        row(2, bucket(0.0, requests=None, output_tokens=1000)),
        row(3, bucket(0.0, "other", requests=None, output_tokens=1000)),
    )
    found = LedgerReader(path).columns()["w"]
    assert found.input_tokens.tolist() == [1500, 1500, 0]
    assert found.cache_read.tolist() == [500, 500, 0]
    assert found.output_tokens.tolist() == [500, 500, 1000]


def test_doubts(path: Path) -> None:
    kept(path, row(1, single(1.0), "fine"), row(2, bucket(0.0, requests=1, output_tokens=1), "sums"), finished=False)
    reader = LedgerReader(path)
    assert [(b.workload, b.longest_s, b.uncounted) for b in reader.bucketed_workloads()] == [("sums", 3600.0, False)]
    doubts = reader.doubts()
    assert doubts["fine"] == ["log.csv is imported only in part; run freehold import on it again"]
    assert "sums of 1 hour" in doubts["sums"][0]
    assert len(doubts["sums"]) == 2


def test_imported_use_is_not_a_row_of_the_ledger(path: Path) -> None:
    kept(path, row(1, single(1.0)))
    assert LedgerReader(path).slices() == []
    assert LedgerReader(path).recent(5) == []


def test_a_ledger_of_before_is_read_as_it_is_and_mended_by_an_import(path: Path) -> None:
    ledger_of_before(path, 1, entry("fh-1"))
    reader = LedgerReader(path)
    assert (list(reader.columns()), reader.bucketed_workloads(), reader.doubts()) == (["triage"], [], {})
    kept(path, row(1, single(1.0)))
    assert set(reader.columns()) == {"triage", "w"}


def test_a_batch_is_kept_whole_or_not_at_all(path: Path) -> None:
    with closing(ImportStore(path)) as store:
        source = store.begin("a" * 64, "log.csv", "{}")
        with pytest.raises(BadSettings, match="being imported by another process"):
            store.add(source, [row(1, single(1.0)), row(1, single(2.0))])
        assert store.begin("a" * 64, "log.csv", "{}").records == 0
    assert LedgerReader(path).columns() == {}


def test_forgetting_takes_the_rows_along(path: Path) -> None:
    kept(path, row(1, single(1.0)))
    with closing(ImportStore(path)) as store:
        store.forget("a" * 64)
        store.forget("b" * 64)
    assert LedgerReader(path).columns() == {}
    assert LedgerReader(path).doubts() == {}


def test_other_files_of_the_same_time_and_workload(path: Path) -> None:
    with closing(ImportStore(path)) as store:
        for name, times, workload in (
            ("a", (0.0, 10.0), "w"),
            ("b", (10.0, 20.0), "w"),
            ("c", (5.0,), "other"),
            ("d", (15.0,), "w"),
        ):
            source = store.begin(name, f"{name}.csv", "{}")
            store.add(source, [row(n, single(time), workload) for n, time in enumerate(times)])
        assert store.overlapping(store.begin("b", "", "")) == ["a.csv", "d.csv"]
        assert store.overlapping(store.begin("c", "", "")) == []
