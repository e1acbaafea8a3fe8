"""Recorded requests read back from either kind of ledger, with all that bound them."""

from contextlib import closing
from pathlib import Path

import pytest
from ledger_entries import entry
from postgres_cluster import Cluster

from freehold.core.data import DataClass, Demands, Handling
from freehold.core.policy_facts import Demanded
from freehold.core.target import Secret
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.place import LedgerPlace, postgres_place
from freehold.serve.stores.recorded import RecordedRequest, Span, recorded_ids, recorded_requests


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerPlace:
    if request.param == "sqlite":
        return tmp_path / "ledger.db"
    cluster: Cluster = request.getfixturevalue("cluster")
    return postgres_place(Secret(cluster.fresh()))


def test_what_bound_a_request_is_read_back(ledger: LedgerPlace) -> None:
    demanded = Demanded(labels=("phi",), no_training=True, retention_days=0, not_providers=("x",), providers=("y",), pinned=True)
    told = [
        entry("fh-1", demanded=demanded, regions=("eu",), received_at=10.0),
        entry("fh-2", regions=None, received_at=20.0),
        entry("fh-3", regions=(), received_at=20.5),
        entry("fh-4", received_at=30.0),
        entry("fh-5", received_at=15.0, workload="other"),
        entry("fh-6", received_at=15.0, purpose="shadow"),
        entry("fh-7", received_at=15.0, outcome="cut"),
    ]
    with closing(open_store(ledger)) as store:
        store.write(told)
    assert recorded_ids(ledger, Span("triage", "box", 10.0, 30.0)) == ["fh-1", "fh-2", "fh-3"]
    assert recorded_ids(ledger, Span("triage", "api", 10.0, 30.0)) == [], (
        "what the candidate served itself is compared with nobody"
    )
    first, second, third = recorded_requests(ledger, ["fh-1", "gone", "fh-2", "fh-3"])
    demands = Demands(
        retention_days=0, no_training=True, providers=frozenset({"y"}), not_providers=frozenset({"x"}), pinned=True
    )  # fmt: skip
    assert first == RecordedRequest(
        id="fh-1", key="app", dialect="openai_chat", answer_s=1.0 - 0.001, attempts=1,
        handling=Handling(DataClass.internal, frozenset({"eu"}), frozenset({"phi"}), demands),
    )  # fmt: skip
    assert (second.handling.regions, third.handling.regions) == (None, frozenset()), "nowhere is not anywhere"
