"""What of a ledger file stands in a bill: every rented attempt of the time, what a stand-in served, imported use with a cost."""

from pathlib import Path

import msgspec
import pytest
from bill_ledger import BOX, CARD, HOUR, NOON, asked, fill, imported, logged, owned, stood, tried, usage, write
from ledger_entries import ledger_of_before

from freehold.core.errors import BadSettings
from freehold.core.price import Rate
from freehold.core.usage import Usage
from freehold.rules.charges import TOKEN_METERS, ImportedUse, charges
from freehold.rules.price import cost_nanousd
from freehold.serve.stores.charges import ChargesReader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def test_every_attempt_that_used_or_cost_anything_bills_and_no_owned_one(path: Path) -> None:
    write(
        path,
        asked(NOON + 1, tried(None, outcome="unreachable"), tried(usage(5, read=2, write=1, answer=3, reasoning=4)), key="app"),
        asked(NOON + 2, tried(usage(5), outcome="cut"), tried(usage(6), target="other"), workload="w"),
        owned(NOON + 3, 1.0, usage(9)),
    )
    found = list(ChargesReader(path).attempts())
    assert [(a.target, a.workload, a.tokens) for a in found] == [
        ("api", "triage", (5, 2, 1, 3, 4, 0, 0, 0, 0)), ("api", "w", (5, *[0] * 8)), ("other", "w", (6, *[0] * 8)),
    ]  # fmt: skip
    assert {a.price for a in found} == {CARD}
    assert {a.hour for a in found} == {NOON}


def test_kinds_of_token_that_are_priced_apart_are_told_apart_and_none_counts_twice(path: Path) -> None:
    used = Usage(
        input_tokens=100, output_tokens=50, cache_read=30, cache_write=20, reasoning=10, cache_write_1h=15, input_audio=40,
        cache_read_audio=7, output_audio=25, source="provider",
    )  # fmt: skip
    card = msgspec.structs.replace(CARD, cache_write_1h=Rate(5_000_000_000), service_tier="flex")
    write(path, asked(NOON, tried(used, card, service_tier="flex")))
    (attempt,) = ChargesReader(path).attempts()
    assert dict(zip(TOKEN_METERS, attempt.tokens, strict=True)) == used.buckets()
    assert sum(attempt.tokens) == 150
    assert attempt.price == card
    lines = list(charges([attempt]))
    assert sum(line.cost_nanousd for line in lines) == cost_nanousd(card, used)
    assert {line.meter: line.quantity for line in lines if line.meter != "request"} == used.buckets()


def test_the_time_is_that_of_receipt_and_its_end_is_outside(path: Path) -> None:
    times = [NOON - 0.001, NOON, NOON + HOUR - 0.001, NOON + HOUR]
    write(path, *(asked(at, tried(usage(n)), stands_for=0.0) for n, at in enumerate(times, 1)))
    reader = ChargesReader(path, NOON, NOON + HOUR)
    assert [a.tokens[0] for a in reader.attempts()] == [2, 3]
    assert {a.hour for a in reader.attempts()} == {NOON}
    assert 2 <= reader.entries() <= 3  # ids know milliseconds
    assert [a.hour for a in ChargesReader(path).attempts()] == [NOON - HOUR, NOON, NOON, NOON + HOUR]


def test_a_stand_in_is_known_even_where_the_entry_ended_elsewhere(path: Path) -> None:
    write(
        path,
        asked(NOON, tried(usage(1), target="pretend"), lab=True),
        asked(NOON + 1, tried(usage(2), target="pretend"), tried(usage(3))),
        asked(NOON + 2, tried(usage(4), target="pretend"), policy="later"),  # another policy's target of the same name
        asked(NOON + 3, tried(usage(5), target="pretend"), tried(usage(6)), policy="later"),
    )
    assert {a.tokens[0] for a in ChargesReader(path).attempts() if a.lab} == {1, 2}


def test_a_ledger_of_before_is_read(path: Path) -> None:
    ledger_of_before(path, 1, asked(NOON, tried(usage(5, answer=1))))
    reader = ChargesReader(path)
    (attempt,) = reader.attempts()
    assert (attempt.tokens, attempt.lab, attempt.price) == ((5, 0, 0, 1, *[0] * 5), False, None)
    assert attempt.cost_nanousd > 0
    assert reader.machines_seen() is None
    assert (list(reader.imported()), reader.imported_without_cost()) == ([], 0)


def test_machines_were_seen_within_the_time_asked_for(path: Path) -> None:
    write(path)
    assert ChargesReader(path).machines_seen() is None
    stood(path, NOON + 60, NOON + 2 * HOUR, BOX)
    assert ChargesReader(path).machines_seen() == (NOON, NOON + 2 * HOUR)
    assert ChargesReader(path, NOON + HOUR, NOON + 9 * HOUR).machines_seen() == (NOON + HOUR, NOON + 2 * HOUR)
    assert ChargesReader(path, NOON + 5 * HOUR).machines_seen() is None


def test_imported_use_is_summed_by_the_hour_and_longer_sums_stay_as_they_are(path: Path) -> None:
    day = 24 * HOUR
    imported(
        path,
        logged(NOON + 1.5),
        logged(NOON + 2.5, requests=None),
        logged(NOON + 3, output_tokens=0, cache_read=0),
        logged(NOON + HOUR - 60, bucket_s=60.0, input_tokens=0, cache_read=0),
        logged(NOON + HOUR - 60, bucket_s=120.0),  # reaches into the next hour
        logged(NOON, bucket_s=float(day)),
        logged(NOON, cost_nanousd=None),
    )
    reader = ChargesReader(path)
    who = ("openai", "gpt-4o", "old")
    assert sorted(reader.imported(), key=lambda u: (u.start, u.end, u.meter or "")) == [
        ImportedUse(NOON, NOON + HOUR, *who, None, None, 200, 40, 20, 550_000),
        ImportedUse(NOON, NOON + HOUR, *who, "input", 1, 100, 0, 0, 275_000),
        ImportedUse(NOON, NOON + HOUR, *who, "output", 1, 0, 0, 10, 275_000),
        ImportedUse(NOON, NOON + day, *who, None, 1, 100, 20, 10, 275_000),
        ImportedUse(NOON + HOUR - 60, NOON + HOUR + 60, *who, None, 1, 100, 20, 10, 275_000),
    ]
    assert reader.imported_without_cost() == 1
    assert list(ChargesReader(path, NOON + day).imported()) == []


def test_no_ledger_and_a_damaged_one_are_one_line(path: Path) -> None:
    with pytest.raises(BadSettings, match="no ledger at"):
        ChargesReader(path)
    path.write_bytes(b"no ledger" * 1000)
    with pytest.raises(BadSettings, match="cannot read the ledger"):
        ChargesReader(path)


def test_the_example_holds_what_its_name_says(path: Path) -> None:
    fill(path)
    assert len(list(ChargesReader(path).attempts())) == 11
    assert ChargesReader(path).machines_seen() == (NOON, NOON + 2.5 * HOUR)
