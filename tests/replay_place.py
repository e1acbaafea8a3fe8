"""What the tests of replays share: a ledger and a content store, and gateways over both that come and go."""

import asyncio
import json
import time
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import yaml
from in_memory import MemoryLedger
from ledger_entries import entry

from freehold.app import migrating
from freehold.app.migrating import Wish
from freehold.app.migration_replay import Replayer
from freehold.app.migrations import Runner
from freehold.core.data import DataClass
from freehold.core.entry import Attempt, Entry
from freehold.core.errors import BudgetSpent
from freehold.core.policy_facts import TargetFacts
from freehold.core.ports import Codec, HttpCall
from freehold.core.price import PriceCard, Rate
from freehold.core.releases import Release
from freehold.core.target import Target, Workload
from freehold.move.migration.machine import MigrationSettings
from freehold.move.migration.origins import Recorded
from freehold.move.migration.pair import GateSettings
from freehold.move.migration.progress import Progress
from freehold.rules.budget import Account
from freehold.serve.access.keys import Keyring
from freehold.serve.access.purse import Held
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.policy import Bounds, Policy
from freehold.serve.gateway.shadow import Shadow
from freehold.serve.stores.content import ContentStore
from freehold.serve.stores.content_record import Kept
from freehold.serve.stores.migrations import MigrationStore
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.policies import PolicyRecord
from freehold.wire.openai_chat import OpenAiChat

CHAT = OpenAiChat()
RATE = Rate(1_000_000_000)
CARD = PriceCard(provider="p", model="m", input=RATE, output=RATE, valid_from="d", source="s")
MASTER = "bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW0="
CONFIG = {
    "version": 1,
    "keys": [{"name": "app", "sha256": "a" * 64}, {"name": "narrow", "sha256": "b" * 64, "targets": ["api"]}],
    "targets": {"api": {"engine": "vllm", "url": "http://127.0.0.1:9", "model": "m", "clearance": "internal"}},
    "workloads": {"w": {"targets": ["api"]}},
    "content": {"key": "env:REPLAY_KEY"},
}
FACTS = TargetFacts(
    target="new", kind="rented", codec="p", provider=None, model="m", pinned=False, host="127.0.0.1", regions=("us",),
    clearance="internal", retention_days=None, trains_on_data=None, baa=False, labels=None, egress={}, lab=True,
)  # fmt: skip


class Answering:
    """The Outbound: the candidate says `yes`, after all who were asked at once are there."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def send(self, call: HttpCall) -> Any:
        self.asked.append(json.loads(call.body)["messages"][0]["content"])
        await asyncio.sleep(0)
        return CandidateReply()


class CandidateReply:
    def __init__(self) -> None:
        self.status, self.headers = 200, {"content-type": "application/json"}
        self._body = answer("yes")

    async def chunk(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def read(self, limit: int) -> bytes:
        return await self.chunk()

    def close(self) -> None:
        return


class Money:
    """A day's cap: what is left goes down by what is set aside and comes back but for the cost."""

    def __init__(self, left: int = 10**12) -> None:
        self.left = left

    async def hold(self, accounts: list[Account], amount: int) -> Held:
        if amount > self.left:
            raise BudgetSpent("spent", scope="workload")
        self.left -= amount
        return Held(amount, tuple((account, None) for account in accounts))

    def settle(self, held: Held, cost: int) -> None:
        self.left += held.amount_nanousd - cost


def answer(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 12, "completion_tokens": 3}
    return msgspec.json.encode({"id": "1", "model": "m", "created": 1, "choices": [choice], "usage": usage})


def recorded(n: int, **fields: Any) -> Entry:
    attempt = Attempt(
        target="api", model="m", kind="rented", reason="", started_s=0.5, first_token_s=1.0, ended_s=2.5, outcome="finished"
    )  # fmt: skip
    usual: dict[str, Any] = {
        "workload": "w", "received_at": time.time() - 100 + n, "attempts": [attempt], "stream": False, "regions": None,
        "data_class": "public",
    }  # fmt: skip
    return entry(f"fh-{n:03d}", **usual | fields)


class Place:
    """A ledger and a content store that gateways come to and go from."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "ledger.db"
        self.config = folder / "freehold.yaml"
        self.content = folder / "content.db"
        self.config.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
        with closing(open_store(self.ledger)):
            PolicyRecord(self.ledger).loaded("p1", [FACTS], 100.0, [Release(workload="w", target="api", model="m")])
        self.outbound, self.money, self.booked = Answering(), Money(), MemoryLedger()

    def keep(self, entries: list[Entry], *, content: bool = True) -> None:
        with closing(open_store(self.ledger)) as ledger:
            ledger.write(entries)
        now = time.time()
        with closing(ContentStore(self.content, b"m" * 32)) as store:
            store.keep([
                Kept(
                    id=one.id, tenant="app", subject=one.id, data_class=DataClass[one.data_class], labels=(), created=now,
                    expires=now + 600, content=json.dumps({
                        "request": {"model": "w", "messages": [{"role": "user", "content": one.id}], "max_tokens": 5},
                        "answer": answer("yes").decode(),
                    }).encode(),
                )
                for one in (entries if content else [])
            ])  # fmt: skip

    def start(self, **settings: Any) -> None:
        self.migration = migrating.start(
            self.ledger, Wish("w", "new", "ann"),
            MigrationSettings(recorded=Recorded(config=str(self.config)), gate=GateSettings(min_samples=10_000), **settings),
        )  # fmt: skip

    def fold(self) -> Progress:
        return migrating.progress_of(self.ledger, self.migration)

    def order(self) -> list[str]:
        lines = [
            json.loads(line.score) for line in MigrationStore(self.ledger).lines(self.migration.id) if hasattr(line, "score")
        ]
        return [line["request"] for line in lines if line["type"] in {"pair", "unscored"}]

    async def serve(self, until: Any, within_s: float = 10.0) -> None:
        """A gateway of its own, until that holds of the log; then it is gone with all it had in memory."""
        gateway = self.gateway()
        runner = Runner(gateway, MigrationStore(self.ledger), lambda fate: None, conducts=True)
        shadow = Shadow(gateway, runner.errands, runner.compared, lambda fate: None)
        await runner.look()
        task = asyncio.create_task(Replayer(runner, shadow, gateway, self.ledger).run())
        try:
            async with asyncio.timeout(within_s):
                while not until(self.fold()):
                    await asyncio.sleep(0.01)
                    await runner.look()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def gateway(self) -> Gateway:
        new = Target(name="new", kind="rented", codec="p", url="http://n", model="m", clearance=DataClass.internal)
        policy = Policy(
            version="p1", targets={"new": new}, workloads={"w": Workload(name="w", targets=())}, engines={}, keys=Keyring([]),
            codecs={"new": Codec(natives={"openai_chat": CHAT}, composer=None, verdict=CHAT.verdict)}, bounds=Bounds(),
            price=_price,
        )  # fmt: skip
        gateway = Gateway(policy, self.outbound, self.booked)
        gateway.admission.purse = self.money  # type: ignore[assignment]
        return gateway

    def looks(self) -> int:
        """How often the content was looked at."""
        with closing(ContentStore(self.content, b"m" * 32)) as store:
            return len([look for look in store.accesses(1_000) if look.who == f"migration {self.migration.id}"])


def _price(target: Target, day: date) -> PriceCard | None:
    return CARD


def through(fold: Progress) -> bool:
    return not fold.state.replaying
