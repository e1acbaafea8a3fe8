"""Callers of all manners: patient ones, ones that hang up, ones that read slowly. Each writes down what it saw."""

import asyncio
import contextlib
import random
import socket
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import aiohttp
import msgspec

from benchmarks.soak.config import KEY, TICKETS
from benchmarks.soak.dialects import DIALECTS, Dialect
from benchmarks.soak.engine import MOST_TOKENS, Ticket
from freehold.lab.embeddings import vector

SERIAL_AT_S = 1_700_000_000  # the time that request 0 stands for: it ties an entry to its request even where no reply came
TRACE_OF_0 = 1  # a trace of zero is none
_WAITS_S = 40.0
_WORDS = "please summarise what changed in the report since last year and why it matters to the board".split()
Manner: TypeAlias = Literal["patient", "hangs_up_early", "hangs_up", "slow"]
_MANNERS: tuple[Manner, ...] = ("patient", "hangs_up_early", "hangs_up", "slow")
_OFTEN = (90.0, 3.0, 6.0, 1.0)
_NARROWED = str.maketrans({"é": "e", "あ": "t", "🚲": "o"})  # back from the lab's letters of two, three and four bytes


class Call(msgspec.Struct, kw_only=True):
    """One request and what its caller saw. `redacted`: something in it is replaced before it leaves the gateway; `ticket`: its
    answer is known. `status` 0: no head came. `whole`: an answer came to its end."""

    serial: int
    dialect: str
    workload: str
    stream: bool
    redacted: bool
    manner: Manner
    body: dict[str, Any]
    input_bytes: int
    ticket: Ticket | None = None
    status: int = 0
    entry_id: str | None = None
    whole: bool = False
    own: bool = True
    left: bool = False
    text_bytes: int = 0


class Callers:
    """`count` of them, each with a pause between its calls. `calls`: what was asked, from the first on."""

    def __init__(self, url: str, seed: int, count: int, tickets: Sequence[Ticket]) -> None:
        self.calls: list[Call] = []
        self.finished = 0
        self._url = url
        self._headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        self._seed = seed
        self._count = count
        self._tickets = tickets

    async def call_until(self, ended: asyncio.Event) -> None:
        """Returns once every caller has seen the end of its last call."""
        kinds = (aiohttp.TCPConnector(limit=0), aiohttp.TCPConnector(limit=0, force_close=True))
        async with contextlib.AsyncExitStack() as stack:
            sessions = [await stack.enter_async_context(self._session(kind)) for kind in kinds]
            narrow = aiohttp.TCPConnector(limit=0, force_close=True, socket_factory=_narrow)
            slow = await stack.enter_async_context(self._session(narrow))
            await asyncio.gather(*(self._one(sessions[n % 4 == 0], slow, n, ended) for n in range(self._count)))

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        patience = aiohttp.ClientTimeout(total=_WAITS_S)
        return aiohttp.ClientSession(self._url, connector=connector, headers=self._headers, timeout=patience, read_bufsize=4096)

    async def _one(self, session: aiohttp.ClientSession, slow: aiohttp.ClientSession, n: int, ended: asyncio.Event) -> None:
        pauses = random.Random(f"{self._seed} pause {n}")
        while not ended.is_set():
            call = planned(self._seed, len(self.calls), self._tickets)
            self.calls.append(call)
            await make(call, slow if call.manner == "slow" else session)
            self.finished += 1
            await asyncio.sleep(pauses.expovariate(1 / 0.05))


def planned(seed: int, serial: int, tickets: Sequence[Ticket]) -> Call:
    """The serial-th request: the same for the same seed."""
    source = random.Random(f"{seed} {serial}")
    name, dialect = source.choice([pair for pair in DIALECTS.items() for _ in range(1 if pair[1].end is None else 6)])
    (manner,) = source.choices(_MANNERS, _OFTEN)
    stream = dialect.end is not None and (source.random() < 0.6 or manner == "slow")
    manner = manner if stream or manner == "hangs_up_early" else "patient"
    workload = source.choice(dialect.workloads)
    ticket = source.choice(tickets) if workload in TICKETS else None
    redacted = source.random() < 0.1 and ticket is None and name != "openai_embeddings"  # what is redacted has another vector
    if ticket is not None:
        body = dialect.body(ticket.text, MOST_TOKENS, stream=stream) | {"temperature": 0}
    else:
        prompt = f"[ref:{serial}] " + " ".join(source.choices(_WORDS, k=source.randint(3, 200)))
        prompt += f" and write to reader.{serial}@example.org" if redacted else ""
        body = dialect.body(prompt, 3000 if manner == "slow" else source.randint(1, 80), stream=stream)
        body |= {"n": 4} if name == "openai_chat" and manner == "slow" else {}
    return Call(
        serial=serial, dialect=name, workload=workload, stream=stream, redacted=redacted, manner=manner,
        body={"model": workload, **body}, input_bytes=dialect.input_bytes(body), ticket=ticket,
    )  # fmt: skip


async def make(call: Call, session: aiohttp.ClientSession) -> None:
    """Ask, read in the caller's manner, and note what came."""
    dialect, source = DIALECTS[call.dialect], random.Random(call.serial)
    headers = {
        "traceparent": f"00-{call.serial + TRACE_OF_0:032x}-{1:016x}-01",
        "x-freehold-stands-for": str(SERIAL_AT_S + call.serial),
    }
    body = bytearray()
    with _broken_off(call):
        async with asyncio.timeout(source.uniform(0, 0.12) if call.manner == "hangs_up_early" else None):
            async with session.post(dialect.path, data=msgspec.json.encode(call.body), headers=headers) as reply:
                call.status, call.entry_id = reply.status, reply.headers.get("x-request-id")
                await _read(call, reply, body, source)
                call.whole = call.status == 200 and not call.left and dialect.whole(bytes(body), streamed=call.stream)
    if call.status == 200:
        call.own, call.text_bytes = _judged(call, dialect, bytes(body))


@contextlib.contextmanager
def _broken_off(call: Call) -> Iterator[None]:
    """The connection breaks, at the gateway's end or at ours: both are ends that a caller sees."""
    try:
        yield
    except TimeoutError:
        call.left = True
    except aiohttp.ClientError:
        call.whole = False


async def _read(call: Call, reply: aiohttp.ClientResponse, body: bytearray, source: random.Random) -> None:
    reads = source.randint(1, 8)
    if call.manner == "slow":
        await asyncio.sleep(source.uniform(4, 10))
    async for chunk in reply.content.iter_any():
        body += chunk
        reads -= 1
        if call.manner == "slow" and reads > 0:
            await asyncio.sleep(0.5)
        if call.manner == "hangs_up" and reads == 0:
            call.left = True
            reply.close()
            return


def _judged(call: Call, dialect: Dialect, body: bytes) -> tuple[bool, int]:
    """Whether it is the answer to this request, as far as it came; and how many bytes of text came."""
    if call.dialect == "openai_embeddings":
        return not call.whole or msgspec.json.decode(body)["data"][0]["embedding"] == vector(call.body["input"]), 0
    text = dialect.text(body, streamed=call.stream)
    if call.ticket is not None:
        said = text.translate(_NARROWED)
        return call.ticket.answer == said or (not call.whole and call.ticket.answer.startswith(said)), len(text.encode())
    ref = f"[ref:{call.serial}]"
    return text.startswith(ref) or ref.startswith(text), len(text.encode())


def _narrow(address: tuple[Any, ...]) -> socket.socket:
    """A socket that takes little before its reader has read, so that the sender feels a slow one."""
    made = socket.socket(address[0], address[1], address[2])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return made
