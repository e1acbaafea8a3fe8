"""A credential that expires: got once for all who wait, off the event loop, renewed behind their backs, never used too long."""

import asyncio
import threading
import time

import pytest

from freehold.core.ports import UpstreamFailure
from freehold.serve.providers import signing
from freehold.serve.providers.signing import Kept, Lease


class Vault:
    """Gives out numbered credentials, slowly, from whatever thread it is asked in."""

    def __init__(self, renew_s: float, good_s: float) -> None:
        self.renew_s, self.good_s = renew_s, good_s
        self.asked, self.closed, self.threads = 0, False, set[int]()

    def get(self) -> Lease[int]:
        self.asked += 1
        self.threads.add(threading.get_ident())
        time.sleep(0.02)
        if self.closed:
            raise RuntimeError("the secret itself")
        return Lease(self.asked, self.renew_s, self.good_s)


async def test_one_question_serves_all_who_wait_and_blocks_nobody() -> None:
    vault = Vault(60, 600)
    kept, ticks = Kept("key", vault.get), 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    assert set(await asyncio.gather(*(kept.value() for _ in range(20)))) == {1}
    assert await kept.value() == vault.asked == 1
    assert ticks > 3, "the loop went on meanwhile"
    assert threading.get_ident() not in vault.threads
    ticking.cancel()


async def test_it_is_renewed_while_the_old_one_still_serves() -> None:
    vault = Vault(0.0, 600)
    kept = Kept("key", vault.get)
    assert await kept.value() == 1
    assert await kept.value() == 1, "nobody waits for the second"
    await asyncio.sleep(0.1)
    assert await kept.value() == 2


async def test_one_that_cannot_be_renewed_serves_to_its_end_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_RETRY_S", 0.05)
    vault = Vault(0.0, 0.15)
    kept = Kept("key", vault.get)
    assert await kept.value() == 1
    vault.closed = True
    assert await kept.value() == 1
    await asyncio.sleep(0.2)
    with pytest.raises(UpstreamFailure, match=r"^no key \(RuntimeError\)$") as raised:
        await kept.value()
    assert raised.value.outcome == "rejected"
    asked = vault.asked
    with pytest.raises(UpstreamFailure, match="no key"):
        await kept.value()
    assert vault.asked == asked, "it is left alone for a while after a failure"
    vault.closed = False
    await asyncio.sleep(0.1)
    assert await kept.value() > 1


async def test_who_gives_up_waiting_takes_it_from_nobody() -> None:
    kept = Kept("key", Vault(60, 600).get)
    impatient, patient = asyncio.create_task(kept.value()), asyncio.create_task(kept.value())
    await asyncio.sleep(0.005)
    impatient.cancel()
    assert await patient == 1
    assert impatient.cancelled()


async def test_a_credential_that_was_over_when_it_came_is_none() -> None:
    with pytest.raises(UpstreamFailure, match=r"no key \(expired\)"):
        await Kept("key", Vault(-5, -1).get).value()
