"""The request line itself: in which order it refuses, what goes out before a stream breaks, and a ledger that never answers."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from in_memory import MemoryLedger, MemorySink
from in_memory import Reply as Whole
from limits.aio.storage import MemoryStorage
from structlog.testing import capture_logs

from freehold.core.data import DataClass
from freehold.core.entry import Entry
from freehold.core.ports import HttpCall, Ledger
from freehold.core.price import PriceCard, Rate
from freehold.core.target import Target, Workload
from freehold.core.usage import estimate_tokens
from freehold.rules.sensitivity.actions import Actions
from freehold.rules.sensitivity.kinds import shipped_kinds
from freehold.rules.sensitivity.scanner import Findings, Scanner
from freehold.serve.access.admission import Admission
from freehold.serve.access.keys import Key, Keyring, digest
from freehold.serve.access.limits import Limit, Limiter
from freehold.serve.access.windows import Windows
from freehold.serve.gateway.handle import handle
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.inspection import Inspector
from freehold.serve.gateway.policy import Bounds, Policy
from freehold.serve.ledger.journal import Journal
from freehold.serve.providers import PROVIDERS
from freehold.wire.openai_chat.surface import ChatSurface

CARD = PriceCard(provider="lab", model="m", input=Rate(10**9), output=Rate(10**9), valid_from="2026-11-01", source="tests")
WHOLE = b'{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3}}'
GOOD, BETTER = (b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % word for word in (b"good", b"better"))
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
BAD = b"data: {no json\n\n"
HUGE = b"data: " + b"x" * (5 * 2**20)


class Streamed(Whole):
    """A stream that comes in these chunks."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        super().__init__(200, b"", "text/event-stream")
        self._chunks = [*chunks, b""]

    async def chunk(self) -> bytes:
        return self._chunks.pop(0)


class Places:
    """The way out: each call gets the next reply."""

    def __init__(self, *replies: Whole) -> None:
        self.replies = list(replies)
        self.calls: list[HttpCall] = []

    async def send(self, call: HttpCall) -> Whole:
        self.calls.append(call)
        return self.replies.pop(0)


class Counting(Scanner):
    scans = 0

    def scan(self, pieces: Iterable[Any]) -> Findings:
        self.scans += 1
        return super().scan(pieces)


def gateway(places: Places, ledger: Ledger, **more: Any) -> Gateway:
    targets = {
        name: Target(name=name, kind="rented", codec="lab", url=f"http://{name}", model="m", clearance=DataClass.public)
        for name in ("one", "two")
    }
    usual: dict[str, Any] = {"bounds": Bounds()}
    policy = Policy(
        version="v", targets=targets, workloads={"w": Workload(name="w", targets=("one", "two"))}, engines={},
        codecs={name: PROVIDERS["lab"].codec() for name in targets}, keys=Keyring([Key("app", digest("secret"))]),
        price=lambda target, day: CARD, **usual | more,
    )  # fmt: skip
    return Gateway(policy, places, ledger)


async def asked(
    house: Gateway, text: str = "hi", *, stream: bool = False, headers: Mapping[str, str] | None = None
) -> MemorySink:
    sink = MemorySink()
    body = msgspec.json.encode({"model": "w", "stream": stream, "messages": [{"role": "user", "content": text}]})

    async def read() -> bytes:
        return body

    await handle(ChatSurface(), {"authorization": "Bearer secret", **(headers or {})}, read, sink, house)
    return sink


def code(sink: MemorySink) -> str:
    return str(msgspec.json.decode(sink.body)["error"]["code"])


async def test_who_is_over_a_limit_is_refused_before_the_scan() -> None:
    scanner = Counting(shipped_kinds())
    limits = (Limit(name="slow", scope="key", requests_per_minute=2),)
    ledger = MemoryLedger()
    places = Places(*(Whole(200, WHOLE, "application/json") for _ in range(2)))
    house = gateway(places, ledger, limits=limits, inspector=Inspector(scanner, Actions.read({"pii": "raise restricted"})))
    house.admission = Admission(limiter=Limiter(Windows(MemoryStorage(), time.time)))

    assert (await asked(house)).status == 200
    scans = scanner.scans
    assert scans > 0
    held = await asked(house, "write to ann.lee@example.com")
    assert (held.status, code(held)) == (403, "no_target_allowed"), "what the content is found to hold still decides"
    assert ledger.entries[-1].data_class == "restricted"
    before = scanner.scans
    late = await asked(house, "write to ann.lee@example.com")
    assert (late.status, code(late)) == (429, "rate_limit_exceeded")
    assert (scanner.scans, len(ledger.entries), len(places.calls)) == (before, 2, 1)


async def test_a_header_nobody_knows_still_comes_before_a_limit() -> None:
    house = gateway(Places(), MemoryLedger(), limits=(Limit(name="none", scope="key", requests_per_minute=0),))
    house.admission = Admission(limiter=Limiter(Windows(MemoryStorage(), time.time)))
    assert (await asked(house)).status == 429
    assert (await asked(house, headers={"x-freehold-dta": "restricted"})).status == 400


@pytest.mark.parametrize("bad", [BAD, HUGE], ids=["no JSON", "too long"])
async def test_good_events_go_out_before_the_malformed_one_they_came_with(bad: bytes) -> None:
    ledger = MemoryLedger()
    sink = await asked(gateway(Places(Streamed([GOOD, BETTER + bad])), ledger), stream=True)
    assert sink.body.startswith(GOOD + BETTER)
    assert b"stream_broken" in sink.body[len(GOOD + BETTER) :]
    assert b"[DONE]" not in sink.body
    entry = ledger.entries[0]
    assert (entry.outcome, entry.attempts[0].outcome) == ("cut", "malformed")
    assert entry.usage is not None
    assert entry.usage.output_tokens == estimate_tokens(len('"good"') + len('"better"')), "what was delivered is counted"


async def test_before_anything_left_another_target_answers_instead() -> None:
    ledger, places = MemoryLedger(), Places(Streamed([GOOD + BAD]), Streamed([BETTER + END]))
    sink = await asked(gateway(places, ledger), stream=True)
    assert sink.body == BETTER + END
    assert [attempt.outcome for attempt in ledger.entries[0].attempts] == ["malformed", "finished"]


async def test_after_its_end_nothing_of_a_stream_counts() -> None:
    ledger = MemoryLedger()
    sink = await asked(gateway(Places(Streamed([GOOD + END + BAD])), ledger), stream=True)
    assert sink.body == GOOD + END
    assert ledger.entries[0].outcome == "finished"


class Hung:
    """A store whose disk answers once `back` is set."""

    def __init__(self) -> None:
        self.back = threading.Event()
        self.written: list[Entry] = []

    def write(self, entries: Sequence[Entry]) -> None:
        assert self.back.wait(10)
        self.written += entries

    def probe(self) -> None:
        return


@pytest.mark.parametrize("stream", [False, True])
async def test_a_commit_that_never_returns_ends_the_request_at_its_deadline(stream: bool) -> None:
    store = Hung()
    journal = Journal(store)
    reply = Streamed([GOOD + END]) if stream else Whole(200, WHOLE, "application/json")
    house = gateway(Places(reply), journal, bounds=Bounds(total_s=0.1))
    begun = time.monotonic()
    with capture_logs() as told:
        sink = await asked(house, stream=stream)
    assert [line["event"] for line in told] == ["entry not confirmed"], "it is written once the disk answers"
    assert 0.9 < time.monotonic() - begun < 5
    if stream:
        assert b"ledger_unavailable" in sink.body
        assert b"[DONE]" not in sink.body
    else:
        assert (sink.status, code(sink)) == (503, "ledger_unavailable")
    assert house.in_flight == 0
    store.back.set()
    journal.close()
    assert [entry.outcome for entry in store.written] == ["finished"]
    assert store.written[0].cost_nanousd > 0, "what the target bills stays booked"


async def test_an_entry_that_nobody_will_write_is_in_the_log() -> None:
    journal = Journal(Hung())
    house = gateway(Places(Whole(200, WHOLE, "application/json")), journal)
    journal.close()
    with capture_logs() as told:
        sink = await asked(house)
    assert (sink.status, code(sink)) == (503, "ledger_unavailable")
    (line,) = told
    assert (line["event"], line["problem"]) == ("entry not written", "the process is stopping")
    assert line["spent_nanousd"]["one"] > 0
