"""What a policy said is written once, never changed, and moves on only with the gateway that loaded it."""

from pathlib import Path

import msgspec
import pytest
from ledger_entries import entry, ledger_of_before
from residency_ledger import API, BOX, change

from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.core.policy_facts import PolicyFacts, PolicySpan, TargetFacts, stretches
from freehold.serve.stores.opening import reading
from freehold.serve.stores.policies import PolicyRecord, kept_policies, kept_spans
from freehold.serve.stores.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    SqliteStore(tmp_path / "ledger.db").close()
    return tmp_path / "ledger.db"


def kept(path: Path) -> tuple[dict[str, PolicyFacts], list[PolicySpan]]:
    with reading(path) as db:
        return kept_policies(db), kept_spans(db)


def spans(path: Path) -> list[tuple[str, float, float]]:
    return [(span.version, span.began_at, span.seen_until) for span in kept(path)[1]]


def test_every_fact_is_read_back_as_it_was_written(path: Path) -> None:
    odd = msgspec.structs.replace(
        API, target="ä,b", labels=("phi", "x"), egress={"files": "public", "store": "restricted"}, trains_on_data=True, lab=True
    )
    bare = msgspec.structs.replace(BOX, target="bare", regions=(), labels=(), egress={})
    PolicyRecord(path).loaded("v", [odd, bare, API], 5.0)
    (policy,) = kept(path)[0].values()
    assert policy == PolicyFacts(version="v", loaded_at=5.0, targets={facts.target: facts for facts in (API, bare, odd)})


def test_the_first_load_counts_and_others_must_say_the_same(path: Path) -> None:
    first, second = PolicyRecord(path), PolicyRecord(path)
    first.loaded("v", [API, BOX], 5.0)
    second.loaded("v", [BOX, API], 9.0)
    third = msgspec.structs.replace(API, target="third")
    for targets in ([API], [API, msgspec.structs.replace(BOX, clearance="public")], [API, BOX, third]):
        with pytest.raises(BadSettings, match="the ledger has other facts about the targets of policy v; change the config"):
            second.loaded("v", targets, 10.0)
    assert kept(path)[0]["v"].loaded_at == 5.0
    assert len(kept(path)[0]["v"].targets) == 2
    assert spans(path) == [("v", 5.0, 5.0), ("v", 9.0, 9.0)], "a policy that was refused was never served"


def test_spans_move_on_with_their_own_gateway_and_policy(path: Path) -> None:
    one, other = PolicyRecord(path), PolicyRecord(path)
    one.seen("a", 1.0)
    one.loaded("a", [API], 10.0)
    other.loaded("b", [API], 12.0)
    one.seen("a", 25.0)
    one.seen("a", 24.0)
    other.seen("a", 99.0)
    one.loaded("c", [BOX], 30.0)
    one.seen("a", 31.0)
    one.seen("c", 40.0)
    assert spans(path) == [("a", 10.0, 25.0), ("b", 12.0, 12.0), ("c", 30.0, 40.0)]


def test_what_cannot_be_written_or_read_is_said(path: Path, tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="the policy cannot be put on record"):
        PolicyRecord(tmp_path / "no" / "ledger.db").loaded("v", [API], 1.0)
    PolicyRecord(path).loaded("v", [API], 1.0)
    change(path, "UPDATE policies SET clearance = 'everything'")
    with pytest.raises(BadSettings, match="the record of policy v cannot be read: unknown data class 'everything'"):
        kept(path)


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_a_ledger_of_before_has_no_record(tmp_path: Path, schema: int) -> None:
    ledger_of_before(tmp_path / "old.db", schema, entry("fh-1"))
    assert kept(tmp_path / "old.db") == ({}, [])


def test_stretches_join_what_touches() -> None:
    def span(began: float, until: float) -> PolicySpan:
        return PolicySpan(version="v", began_at=began, seen_until=until)

    assert stretches([], 5.0) == []
    assert stretches([span(50, 60), span(0, 10), span(15, 20), span(1, 2)], 5.0) == [(0, 20), (50, 60)]
    assert stretches([span(0, 10), span(15.1, 20)], 5.0) == [(0, 10), (15.1, 20)]


def test_facts_name_no_credential() -> None:
    assert {"secret", "key", "url"}.isdisjoint(TargetFacts.__struct_fields__)
