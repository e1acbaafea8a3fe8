"""What the health tests share: targets whose replies are scripted, a clock that is set, and a gateway over both."""

from collections.abc import Callable, Mapping
from datetime import date

from in_memory import MemoryLedger

from freehold.core.data import DataClass
from freehold.core.ports import Codec, HttpCall, UpstreamFailure, Verdict
from freehold.core.price import PriceCard, Rate
from freehold.core.target import Target
from freehold.serve.access.keys import Keyring
from freehold.serve.engines import ENGINES
from freehold.serve.gateway.board import Board
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.policy import Bounds, Policy
from freehold.wire.openai_chat import OpenAiChat

BOX = Target(name="box", kind="owned", codec="vllm", url="http://box:8000/v1", model="m", clearance=DataClass.restricted)
API = Target(name="api", kind="rented", codec="openai", url="http://api", model="gpt", clearance=DataClass.internal)
CHAT = OpenAiChat()
CARD = PriceCard(
    provider="openai", model="gpt", input=Rate(1_000_000_000), output=Rate(2_000_000_000), valid_from="d", source="s"
)


class Reply:
    def __init__(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.headers = status, headers or {}
        self._body = body

    async def chunk(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def read(self, limit: int) -> bytes:
        return await self.chunk()

    def close(self) -> None:
        return


class Places:
    """The Outbound: `answer` says what comes back; every call is kept."""

    def __init__(self, answer: Callable[[HttpCall], Reply | UpstreamFailure]) -> None:
        self.answer = answer
        self.calls: list[HttpCall] = []

    async def send(self, call: HttpCall) -> Reply:
        self.calls.append(call)
        reply = self.answer(call)
        if isinstance(reply, UpstreamFailure):
            raise reply
        return reply


class SetClock:
    """Wall and monotonic time that stand still until they are moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return 1_790_000_000.0 + self.at

    def monotonic(self) -> float:
        return self.at


class World:
    """A gateway with one owned and one rented target."""

    def __init__(self, answer: Callable[[HttpCall], Reply | UpstreamFailure]) -> None:
        self.places, self.ledger, self.clock = Places(answer), MemoryLedger(), SetClock()
        policy = Policy(
            version="v", targets={"box": BOX, "api": API}, workloads={}, engines={"box": ENGINES["vllm"]}, keys=Keyring([]),
            codecs={name: Codec(natives={"openai_chat": CHAT}, composer=None, verdict=CHAT.verdict) for name in ("box", "api")},
            bounds=Bounds(), price=_price,
        )  # fmt: skip
        self.gateway = Gateway(policy, self.places, self.ledger)
        self.gateway.clock = self.clock
        self.gateway.board = self.board = Board(self.clock.monotonic)

    def break_down(self, name: str) -> None:
        """Five failures in a row."""
        for _ in range(5):
            visit = self.board.enter(name)
            self.board.failed(visit, Verdict(True, "broken", "500"))
            self.board.leave(visit)


def _price(target: Target, day: date) -> PriceCard | None:
    return CARD if target.rented else None
