"""The watch over owned machines: from the first moment to the last, under whichever policy holds, and felt by no request."""

import asyncio
import threading
from collections.abc import Iterable
from typing import Any, cast

import msgspec
import pytest
from structlog.testing import capture_logs

from freehold.core.data import DataClass
from freehold.core.errors import LedgerUnavailable
from freehold.core.machine import OwnedMachine
from freehold.core.target import Hardware, Target
from freehold.serve.access.keys import Keyring
from freehold.serve.gateway import machine_hours
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.machine_hours import machines_on_record, owned_machine
from freehold.serve.gateway.policy import Bounds, Policy

PAID = Hardware(
    gpu="L40S",
    count=1,
    provider="aws",
    plan="on_demand",
    price_nanousd_h=1_861_000_000,
    price_source="x",
    price_date="2026-07-20",
)
BOX = Target(
    name="box", kind="owned", codec="vllm", url="http://x", model="m", clearance=DataClass.public, hardware=PAID, concurrency=4
)
UNPAID = Target(name="lap", kind="owned", codec="vllm", url="http://x", model="m", clearance=DataClass.public)


def policy(*targets: Target) -> Policy:
    return Policy(
        version="v", targets={t.name: t for t in targets}, workloads={}, codecs={}, engines={}, keys=Keyring([]), bounds=Bounds(),
        price=lambda target, day: None,
    )  # fmt: skip


class Seen:
    """Keeps what it was told; fails as often as `failures` says."""

    def __init__(self, failures: int = 0) -> None:
        self.told: list[tuple[list[str], float]] = []
        self._failures = failures
        self._news = threading.Semaphore(0)

    async def more(self, times: int) -> None:
        """Wait until it was told so often again."""
        for _ in range(times):
            assert await asyncio.to_thread(self._news.acquire, timeout=10)

    def seen(self, machines: Iterable[OwnedMachine], now: float) -> None:
        if self._failures:
            self._failures -= 1
            raise LedgerUnavailable("disk full")
        self.told.append(([f"{m.target} {m.price_nanousd_h}" for m in machines], now))
        self._news.release()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_hours, "_EVERY_S", 0.01)


def gateway(*targets: Target) -> Gateway:
    return Gateway(policy(*targets), cast("Any", None), cast("Any", None))


async def test_from_the_first_moment_to_the_last_and_through_a_reload() -> None:
    house, store = gateway(BOX, UNPAID), Seen()
    async with machines_on_record(house, store):
        await store.more(3)
        dearer = msgspec.structs.replace(PAID, price_nanousd_h=2)
        house.policy = policy(msgspec.structs.replace(BOX, hardware=dearer))
        await store.more(len(store.told))
        inside = len(store.told)
    names, times = [names for names, _ in store.told], [now for _, now in store.told]
    assert names[0] == ["box 1861000000"], "what has no cost is not there"
    assert names[-1] == ["box 2"]
    assert times == sorted(times)
    assert len(store.told) > inside, "and once more at the end"


async def test_a_store_that_fails_is_tried_again() -> None:
    store = Seen(failures=2)
    with capture_logs() as logged:
        async with machines_on_record(gateway(BOX), store):
            await store.more(1)
    assert [line["problem"] for line in logged] == ["disk full"] * 2


async def test_it_ends_with_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_hours, "_EVERY_S", 60.0)
    store = Seen()

    async def serve() -> None:
        async with machines_on_record(gateway(BOX), store):
            await store.more(1)
            raise RuntimeError("port taken")

    with pytest.raises(RuntimeError, match="port taken"):
        await serve()
    assert len(store.told) == 2


def test_what_stands_behind_a_target() -> None:
    machine = owned_machine(BOX)
    assert machine is not None
    assert (machine.slots, machine.gpu_count, machine.lab) == (4, 1, False)
    assert owned_machine(UNPAID) is None
    assert owned_machine(msgspec.structs.replace(BOX, kind="rented")) is None
