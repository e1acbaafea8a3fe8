"""What a plan says an API would bill of a ledger's requests is what the gateway billed, whichever store holds them."""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ledger_entries import entry
from postgres_cluster import Cluster

from freehold.core.data import DataClass
from freehold.core.price import PriceCard, Rate
from freehold.core.target import Secret
from freehold.core.usage import Usage
from freehold.plan.renting.rented import request_costs_nanousd
from freehold.rules.price import cost_nanousd
from freehold.serve.stores import postgres_columns, sqlite_columns
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.place import LedgerPlace, postgres_place
from freehold.serve.stores.reader import LedgerReader

MOMENT = 1_795_000_000.0
CARD = PriceCard(
    provider="p", model="m", valid_from="2026-11-01", source="tests", nanousd_per_request=7,
    input=Rate(3_000_000_000, ((900, 6_000_000_000),)), output=Rate(15_000_000_000), cache_read=Rate(300_000_000),
    cache_write=Rate(3_750_000_000), cache_write_1h=Rate(6_000_000_000), input_audio=Rate(40_000_000_001),
    cache_read_audio=Rate(2_500_000_000), reasoning=Rate(20_000_000_000), output_audio=Rate(80_000_000_000),
)  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LedgerPlace]:
    """An empty ledger, read a few rows at a time."""
    monkeypatch.setattr(sqlite_columns, "CHUNK_ROWS", 5)
    monkeypatch.setattr(postgres_columns, "_CHUNK_BYTES", 400)
    if request.param == "sqlite":
        yield tmp_path / "ledger.db"
    else:
        cluster: Cluster = request.getfixturevalue("cluster")
        yield postgres_place(Secret(cluster.fresh()))


def usage(chance: random.Random, kinds: frozenset[str], most: int = 400) -> Usage:
    """Of each of those kinds maybe some tokens."""

    def some(kind: str, of: int) -> int | None:
        return chance.choice((None, 0, chance.randint(0, of))) if kind in kinds else None

    fresh, read, written, answer, thought = (chance.randint(0, most) for _ in range(5))
    read, written = read * chance.randint(0, 1), written if "cache_write" in kinds else 0
    thought = thought if "reasoning" in kinds else 0
    return Usage(
        input_tokens=fresh + read + written, output_tokens=answer + thought, cache_read=read, cache_write=written or None,
        reasoning=thought or None, cache_write_1h=some("cache_write_1h", written), input_audio=some("input_audio", fresh),
        cache_read_audio=some("cache_read_audio", read), output_audio=some("output_audio", answer), source="provider",
    )  # fmt: skip


KINDS = [
    frozenset[str](), frozenset({"cache_write"}), frozenset({"reasoning"}), frozenset({"cache_write", "cache_write_1h"}),
    frozenset({"input_audio", "output_audio"}), frozenset({"cache_read_audio"}),
    frozenset("cache_write reasoning cache_write_1h input_audio cache_read_audio output_audio".split()),
]  # fmt: skip


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: "+".join(sorted(kinds)) or "none")
@pytest.mark.parametrize("odd", [False, True], ids=["", "a huge count"])
def test_every_request_costs_in_the_plan_what_it_cost_on_the_bill(
    place: LedgerPlace, kinds: frozenset[str], odd: bool
) -> None:  # fmt: skip
    """Where all rows hold a kind, where few do, and where a chunk has to be read row by row."""
    chance = random.Random(len(kinds))
    used = [usage(chance, kinds if chance.random() < 0.5 else frozenset()) for _ in range(47)]
    if odd:
        used[23] = usage(chance, kinds, most=2**21)
    with closing(open_store(place)) as store:
        store.write([_entry(n, one, used[(n + 1) % len(used)]) for n, one in enumerate(used)])
    (requests,) = LedgerReader(place).columns().values()
    traffic = requests.traffic(DataClass.restricted)
    assert request_costs_nanousd(CARD, traffic).tolist() == [cost_nanousd(CARD, one) for one in used]
    buckets = {bucket: column.tolist() for bucket, column in traffic.buckets().items()}
    for bucket in used[0].buckets():
        assert buckets.get(bucket, [0] * len(used)) == [one.buckets()[bucket] for one in used]
    assert traffic.kinds.keys() == {kind for kind in traffic.kinds if any(buckets[kind])}, (
        "nothing is kept of a kind that is not there"
    )
    assert traffic.kinds.keys() <= kinds


def _entry(n: int, used: Usage, given_up: Usage) -> Any:
    """An entry whose last attempt's usage is that; the one before it used something else."""
    made = entry(f"fh-{n:03}", stands_for=MOMENT + n, usage=used)
    last = made.attempts[0]
    made.attempts = [
        msgspec.structs.replace(last, outcome="cut", usage=given_up), msgspec.structs.replace(last, usage=used)
    ]  # fmt: skip
    return made
