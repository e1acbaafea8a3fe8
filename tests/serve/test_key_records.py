"""Keys in a ledger: made, ended and rotated; and how a running gateway learns of it."""

from pathlib import Path

import msgspec
import pytest
from postgres_cluster import Cluster

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings, LedgerUnavailable, Unauthenticated
from freehold.core.target import Secret
from freehold.serve.access.keys import admit, digest
from freehold.serve.access.stored_keys import StoredKeys
from freehold.serve.stores import key_records
from freehold.serve.stores.connection import Connection
from freehold.serve.stores.key_records import FollowedKeys, Grants, KeyRecord, KeyRecords, new_key_id
from freehold.serve.stores.opening import connected, open_store
from freehold.serve.stores.place import LedgerPlace, postgres_place

NOW = 1_800_000_000.0
GRANTS = Grants(team="red", user="ann", workloads=("triage",), models=("m",), classes="internal")


@pytest.fixture
def records(tmp_path: Path) -> KeyRecords:
    open_store(tmp_path / "ledger.db").close()
    return KeyRecords(tmp_path / "ledger.db")


def record(key: str, name: str = "app", grants: Grants = GRANTS, **more: float | str | None) -> KeyRecord:
    fields = {"role": None, "made_at": NOW} | more
    return KeyRecord(id=new_key_id(), name=name, sha256=digest(key), grants=grants, **fields)  # type: ignore[arg-type]


def opens(ring: StoredKeys, key: str, now: float = NOW) -> bool:
    try:
        admit({"x-api-key": key}, [ring], now)
    except Unauthenticated:
        return False
    return True


async def test_a_gateway_follows(records: KeyRecords) -> None:
    ring = StoredKeys(records, lambda: 0.0)
    records.make(record("one"))
    assert not opens(ring, "one"), "no request asks the database"
    await ring.refresh()
    key = admit({"x-api-key": "one"}, [ring], NOW)
    assert (key.name, key.team, key.user, key.up_to) == ("app", "red", "ann", DataClass.internal)
    assert (key.workloads, key.targets, key.models) == (frozenset({"triage"}), None, frozenset({"m"}))
    fresh, _ = records.rotate("app", digest("two"), NOW, 60)
    assert fresh.grants == GRANTS
    await ring.refresh()
    assert opens(ring, "one", NOW + 59)
    assert not opens(ring, "one", NOW + 60)
    assert opens(ring, "two", NOW + 1e9)
    records.revoke(fresh.id, NOW)
    await ring.refresh()
    assert not opens(ring, "two")
    assert opens(ring, "one")


async def test_the_keys_are_read_when_they_change_and_not_else(records: KeyRecords) -> None:
    class Counted:
        reads = 0
        version = staticmethod(records.version)

        def all(self) -> list[KeyRecord]:
            self.reads += 1
            return records.all()

    store = Counted()
    ring = StoredKeys(store, lambda: 0.0)
    for _ in range(3):
        await ring.refresh()
    assert store.reads == 1
    records.make(record("one"))
    await ring.refresh()
    assert store.reads == 2


async def test_keys_that_cannot_be_checked_open_nothing(records: KeyRecords, tmp_path: Path) -> None:
    at = [0.0]
    ring = StoredKeys(records, lambda: at[0])
    records.make(record("one"))
    await ring.refresh()
    (tmp_path / "ledger.db").rename(tmp_path / "gone.db")
    at[0] = 29.0
    await ring.refresh()
    assert opens(ring, "one")
    at[0] = 31.0
    with pytest.raises(LedgerUnavailable):
        opens(ring, "one")
    assert not opens(ring, "unknown")


async def test_a_role_or_class_of_a_later_version_opens_nothing(records: KeyRecords) -> None:
    records.make(record("one", "a", role="emperor"))
    records.make(record("two", "b", grants=Grants(classes="cosmic")))
    ring = StoredKeys(records, lambda: 0.0)
    await ring.refresh()
    assert not opens(ring, "one")
    assert not opens(ring, "two")


def test_a_name_in_use_is_refused_until_it_is_free(records: KeyRecords) -> None:
    records.make(record("one"))
    with pytest.raises(BadSettings, match="a key of that name is in use"):
        records.make(record("two"))
    records.revoke("app", NOW)
    records.make(record("two"))
    assert sorted(one.state(NOW) for one in records.all()) == ["good", "revoked"]


@pytest.mark.parametrize("name", ["app", "nobody"])
def test_nothing_left_to_end(records: KeyRecords, name: str) -> None:
    records.make(record("one", expires_at=NOW + 5))
    before = records.version()
    with pytest.raises(BadSettings, match="has expired" if name == "app" else "no key 'nobody'"):
        records.revoke(name, NOW + 5)
    assert records.version() == before, "nothing half-done"


def test_a_rotation_never_lengthens_a_key(records: KeyRecords) -> None:
    records.make(record("one", expires_at=NOW + 5))
    fresh, _ = records.rotate("app", digest("two"), NOW, 3600)
    assert {one.expires_at for one in records.all()} == {NOW + 5}
    assert fresh.expires_at == NOW + 5


def test_a_key_that_replays(records: KeyRecords) -> None:
    records.make(record("one", grants=Grants(replays=True)))
    (fresh, _) = records.rotate("app", digest("two"), NOW, 0)
    assert fresh.grants.replays
    assert msgspec.json.decode(b'{"team":"red"}', type=Grants) == Grants(team="red"), "as versions before wrote it"


async def test_a_server_is_asked_over_one_connection_until_that_is_lost(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = postgres_place(Secret(cluster.fresh()))
    open_store(place).close()
    records, followed = KeyRecords(place), FollowedKeys(place)
    ring = StoredKeys(followed, lambda: 0.0)
    opened: list[bool] = []

    def counted(place: LedgerPlace, *, read_only: bool) -> Connection:
        opened.append(read_only)
        return connected(place, read_only=read_only)

    monkeypatch.setattr(key_records, "connected", counted)
    for n in range(5):
        records.make(record(f"key-{n}", name=f"app-{n}"))
        await ring.refresh()
        assert opens(ring, f"key-{n}"), "what was written since is seen"
    assert opened.count(True) == 1
    cluster.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'freehold'")
    records.revoke("app-0", NOW)
    await ring.refresh()
    assert (opens(ring, "key-0"), opens(ring, "key-1"), opened.count(True)) == (False, True, 2)
    followed.close()


async def test_a_server_that_is_away_is_told_of_and_found_again(cluster: Cluster) -> None:
    place = postgres_place(Secret(cluster.fresh()))
    open_store(place).close()
    clock = [0.0]
    followed = FollowedKeys(place)
    ring = StoredKeys(followed, lambda: clock[0])
    KeyRecords(place).make(record("one"))
    await ring.refresh()
    with cluster.away():
        clock[0] = 31.0
        await ring.refresh()
        with pytest.raises(LedgerUnavailable):
            opens(ring, "one")
    await ring.refresh()
    assert opens(ring, "one")
    followed.close()
