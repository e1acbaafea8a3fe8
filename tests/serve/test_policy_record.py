"""A policy is on record before it serves, or does not serve; while it does, the record moves on and disturbs no request."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from structlog.testing import capture_logs

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.core.policy_facts import TargetFacts
from freehold.core.releases import Release
from freehold.core.target import Secret, Target, Terms
from freehold.serve.gateway import policy_record
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.policy import Policy
from freehold.serve.gateway.policy_record import facts_of, policies_on_record, put_on_record
from freehold.serve.stores.policies import PolicyRecord

TARGET = Target(
    name="api", kind="rented", codec="openai", url="https://who:word@eu.example:8443/v1?key=abc", model="m",
    clearance=DataClass.confidential, secret=Secret("sk-hidden"), regions=frozenset({"us", "eu"}), terms=Terms(30, False, True),
    provider="openai", labels=frozenset({"phi", "pii"}), pinned=True, egress={"store": DataClass.public}, lab=True,
)  # fmt: skip


class Store:
    """Keeps what it was told; fails as often as `failures` says."""

    def __init__(self, failures: int = 0) -> None:
        self.told: list[str] = []
        self._failures = failures
        self._news = threading.Semaphore(0)

    async def more(self, times: int) -> None:
        """Wait until it was told so often again."""
        for _ in range(times):
            assert await asyncio.to_thread(self._news.acquire, timeout=10)

    def loaded(self, version: str, targets: Sequence[TargetFacts], now: float, releases: Sequence[Release] = ()) -> None:
        raise LedgerUnavailable("disk full")

    def seen(self, version: str, now: float) -> None:
        self._news.release()
        if self._failures:
            self._failures -= 1
            raise LedgerUnavailable("disk full")
        self.told.append(version)


class Clock:
    def now(self) -> float:
        return 5.0


def gateway(version: str) -> Gateway:
    """Only what the record looks at."""
    made = Gateway.__new__(Gateway)
    made.policy = policy(version)
    made.clock = cast("Any", Clock())
    return made


def policy(version: str) -> Policy:
    made: Any = type("Loaded", (), {"version": version, "targets": {"api": TARGET}, "workloads": {}})()
    return cast("Policy", made)


def test_the_facts_of_a_target_without_its_credentials() -> None:
    facts = facts_of(TARGET)
    assert facts == TargetFacts(
        target="api", kind="rented", codec="openai", provider="openai", model="m", pinned=True, host="eu.example:8443",
        regions=("eu", "us"), clearance="confidential", retention_days=30, trains_on_data=False, baa=True, labels=("phi", "pii"),
        egress={"store": "public"}, lab=True,
    )  # fmt: skip
    for secret in ("sk-hidden", "word", "abc", "/v1"):
        assert secret not in msgspec.json.encode(facts).decode()


def test_a_policy_that_cannot_be_put_on_record_is_refused(tmp_path: Path) -> None:
    for store in (Store(), PolicyRecord(tmp_path / "none.db")):
        with pytest.raises(BadSettings, match="without that record nothing is served"):
            put_on_record(policy("v"), store, 1.0)


async def test_the_record_moves_on_under_whichever_policy_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_record, "_EVERY_S", 0.01)
    store, serving = Store(failures=1), gateway("a")
    with capture_logs() as logs:
        async with policies_on_record(serving, store):
            await store.more(3)
            serving.policy = policy("b")
            await store.more(3)
    assert [line["problem"] for line in logs] == ["disk full"]
    assert store.told[0] == "a"
    assert store.told[-1] == "b", "and once more at the end"
