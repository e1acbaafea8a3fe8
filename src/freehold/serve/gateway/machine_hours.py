"""Keep on record which owned machines stand there: they are paid by the hour, used or not."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

from freehold.core.errors import LedgerUnavailable
from freehold.core.machine import OwnedMachine
from freehold.core.target import Target
from freehold.serve.gateway.heartbeat import beating
from freehold.serve.gateway.house import Gateway

_EVERY_S = 15.0  # what a process that is killed loses at most
_log = structlog.get_logger("freehold.machines")


class MachineStore(Protocol):
    """Where it is written down."""

    def seen(self, machines: Iterable[OwnedMachine], now: float) -> None:
        """These machines are there now (Unix seconds), and those of the last time were until now. Raises LedgerUnavailable."""
        ...


@asynccontextmanager
async def machines_on_record(gateway: Gateway, store: MachineStore) -> AsyncIterator[None]:
    """From the beginning to the end of the block the machines of the gateway's policy, whichever it is then, are seen."""
    async with beating(lambda: _see(gateway, store), _EVERY_S):
        yield


async def _see(gateway: Gateway, store: MachineStore) -> None:
    machines = [machine for target in gateway.policy.targets.values() if (machine := owned_machine(target)) is not None]
    try:
        await asyncio.to_thread(store.seen, machines, gateway.clock.now())
    except LedgerUnavailable as error:  # nothing is lost yet: the next time that works covers this one
        _log.warning("machine hours not written", problem=error.message)


def owned_machine(target: Target) -> OwnedMachine | None:
    """What stands behind a target, as the ledger has it; None where no cost is configured."""
    paid = target.hardware
    if paid is None or target.rented:
        return None
    return OwnedMachine(
        target=target.name, model=target.model, price_nanousd_h=paid.price_nanousd_h, slots=target.concurrency, gpu=paid.gpu,
        gpu_count=paid.count, provider=paid.provider, hire_plan=paid.plan, price_source=paid.price_source,
        price_date=paid.price_date, lab=target.lab,
    )  # fmt: skip
