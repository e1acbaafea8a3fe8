"""Two lab providers that keep books: of every request they were sent, what went wrong with it and what they made for it.

The books are the lab's own tally, request by request, and a count of what left on the wire, for the estimate that a gateway
has to make where no usage came. Nothing here knows the gateway's code.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.soak.callers import TRACE_OF_0
from freehold.lab.asgi import HungUp, Message, Receive, Scope, Send, header, read_body
from freehold.lab.faults import Fault
from freehold.lab.provider import ProviderSettings, build_provider
from freehold.lab.service import Service
from freehold.lab.tally import Ending, Produced, Tally

# What a target takes as it comes, by the first letter of its name; how it is set up; and how many accounts of each there are.
KINDS: Mapping[str, tuple[str, str, int]] = {
    "c": ("openai_chat", "lab", 3),
    "m": ("anthropic_messages", "anthropic", 3),
    "e": ("openai_embeddings", "openai_compatible", 2),
    "t": ("openai_chat", "lab", 2),
}

_TRIAGE = "lab-triage+"  # before the account's name in a model's: it knows the tickets


class Work(msgspec.Struct, kw_only=True):
    """One request as the provider had it. `plain` and `quoted` are bytes of the text that left, without and with JSON's quotes,
    `events` how many events it left in; a broken whole answer has none."""

    serial: int
    account: str
    fault: str | None = None
    ending: Ending | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    events: int = 0
    plain: int = 0
    quoted: int = 0


class Books(Tally):
    """A tally with a line for every request, of those that are running too."""

    def __init__(self) -> None:
        super().__init__()
        self.works: list[Work] = []
        self.current: ContextVar[Work] = ContextVar("work")

    def open(self, serial: int, account: str) -> Work:
        """The line of the request that this task serves."""
        work = Work(serial=serial, account=account)
        self.current.set(work)
        self.works.append(work)
        return work

    def count_fault(self, fault: str) -> None:
        """And whose it was."""
        super().count_fault(fault)
        self.current.get().fault = fault

    def end(self, answer_id: str, ending: Ending) -> None:
        """And what it came to."""
        made: Produced = self.running[answer_id]
        super().end(answer_id, ending)
        work = self.current.get()
        work.ending, work.prompt_tokens, work.completion_tokens = ending, made.prompt_tokens, made.completion_tokens


class _Said(msgspec.Struct):
    content: str | list[Any] | None = None
    text: str | None = None


class _Choice(msgspec.Struct):
    delta: _Said | None = None
    message: _Said | None = None


class _Body(msgspec.Struct):
    """A body or an event of either wire."""

    choices: list[_Choice] = []
    delta: _Said | None = None
    content: list[_Said] = []

    def texts(self) -> list[str]:
        """What it says."""
        said = [choice.delta or choice.message or _Said() for choice in self.choices]
        texts = [one.content for one in said] + [one.text for one in (self.delta or _Said(), *self.content)]
        return [text for text in texts if isinstance(text, str) and text]


class _Asked(msgspec.Struct):
    model: str


_bodies = msgspec.json.Decoder(_Body)


class Provider:
    """The ASGI application of one provider. The serial of a request is its trace's, the account is the model's name."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.books = Books()
        self._service: Service = replace(build_provider(settings), tally=self.books)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry, HTTP only."""
        if scope["method"] != "POST":
            await self._service(scope, receive, send)
            return
        try:
            body = await read_body(receive)
        except HungUp:
            return
        trace = (header(scope, "traceparent") or "00-0-").split("-")[1]
        account = msgspec.json.decode(body, type=_Asked).model.removeprefix(_TRIAGE)
        heard = _Heard(self.books.open(int(trace, 16) - TRACE_OF_0, account))
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return unread.pop() if unread else await receive()

        async def counted(message: Message) -> None:
            heard.feed(message)  # before it leaves: nobody can have heard what is not in the books
            await send(message)

        await self._service(scope, again, counted)


class _Heard:
    """Counts what leaves, however it is cut into pieces. What is broken on purpose says nothing."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._left = b""

    def feed(self, message: Message) -> None:
        """The next message of the application."""
        if message["type"] != "http.response.body":
            self._events = any(value.startswith(b"text/event-stream") for _, value in message["headers"])
            return
        self._left += message.get("body", b"")
        if self._events:
            *events, self._left = self._left.split(b"\n\n")
            for event in events:
                self._count(event.rpartition(b"data: ")[2])
        elif not message.get("more_body", False):
            self._count(self._left)

    def _count(self, data: bytes) -> None:
        try:
            texts = _bodies.decode(data).texts()
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        self._work.events += bool(texts)
        self._work.plain += sum(len(text.encode()) for text in texts)
        self._work.quoted += sum(len(msgspec.json.encode(text)) for text in texts)


def settings_of(number: int, share: float) -> ProviderSettings:
    """The number-th provider: this share of its requests meets a fault, all kinds alike."""
    each = share / len(Fault)
    faults = ",".join(f"{fault}={each:.12f}" for fault in Fault)
    return ProviderSettings(ttft_ms=40, tokens_per_s=250, event_ms=15, faults=faults, stall_s=30, seed=7 + number)


def targets_of(number: int, url: str, key: Path) -> dict[str, Mapping[str, Any]]:
    """Its accounts, each a target: a fault makes one of them rest and not the whole provider."""
    price = {"input": 2.5, "output": 10, "valid_from": "2026-11-01", "source": "soak"}
    names = [(f"{kind}{number}-{n}", provider) for kind, (_, provider, count) in KINDS.items() for n in range(count)]
    return {
        name: {
            "provider": provider, "url": url, "model": (_TRIAGE if name[0] == "t" else "") + name, "clearance": "confidential",
            "regions": ["eu"], "key": f"file:{key}", "max_output_tokens": 20_000, "price": price,
        }
        for name, provider in names
    }  # fmt: skip
