"""The ASGI application that every lab server is: the wires of two APIs, faults on demand, and a tally of what was really done.

POST to the paths of `wires` and to /lab/faults · GET /v1/models, /health and /lab/tally
"""

import asyncio
import hmac
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

import msgspec

from freehold.core.errors import BadSettings
from freehold.lab.answer import Answer, Broken
from freehold.lab.asgi import Headers, HungUp, Receive, Refusal, Scope, Send, header, read_body, respond, until_hang_up
from freehold.lab.chat import Chat
from freehold.lab.faults import Fault, Faults, checked, refusal
from freehold.lab.generation import widened
from freehold.lab.pace import Pace
from freehold.lab.tally import Ending, Produced, Tally
from freehold.lab.wires import WIRES, Wire, openai_error


class Gate(Protocol):
    """Who may start now: a rate limit, or slots with a queue."""

    def admit(self) -> AbstractAsyncContextManager[None]:
        """One request's stay. Raises Refusal."""
        ...


@dataclass(kw_only=True)
class Service:
    """A lab server. `label` goes into the x-freehold-lab header of every reply; any model name is served, `models` are listed.

    `pages` are further GET paths, each giving (body, content type). A stall lasts `stall_s`, whatever the pace's time scale.
    """

    label: str
    models: tuple[str, ...]
    pace: Pace
    gate: Gate
    faults: Faults
    tally: Tally = field(default_factory=Tally)
    seed: int = 0
    key: str | None = None
    stall_s: float = 600.0
    extra_headers: Callable[[], Headers] = tuple
    pages: Mapping[str, Callable[[], tuple[bytes, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._run = secrets.token_hex(4)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry, HTTP only."""
        try:
            await self._route(scope, receive, send)
        except HungUp:
            return
        except Refusal as refused:
            wire = WIRES.get(scope["path"])
            body = openai_error(refused) if wire is None else wire.error(refused)
            await respond(send, refused.status, body, [*refused.headers, *self._headers()])

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        match (scope["method"], scope["path"]):
            case ("POST", path) if path in WIRES:
                await self._chat(WIRES[path], scope, receive, send)
            case ("GET", "/v1/models"):
                self._authorise(scope)
                listed = [{"id": name, "object": "model", "created": 0, "owned_by": "freehold-lab"} for name in self.models]
                await self._respond_json(send, {"object": "list", "data": listed})
            case ("GET", "/health"):
                await self._respond_json(send, {"status": "ok"})
            case ("GET", "/lab/tally"):
                await self._respond_json(send, self.tally.report())
            case ("POST", "/lab/faults"):
                self.faults.probabilities = _read_probabilities(await read_body(receive))
                await self._respond_json(send, self.faults.probabilities)
            case ("GET", path) if path in self.pages:
                body, kind = self.pages[path]()
                await respond(send, 200, body, [("content-type", kind), *self._headers()])
            case (method, path):
                raise Refusal(404, "invalid_request_error", None, f"Unknown request URL: {method} {path}.")

    async def _chat(self, wire: Wire, scope: Scope, receive: Receive, send: Send) -> None:
        self._authorise(scope)
        chat = wire.read(await read_body(receive))
        try:
            fault = self.faults.pick(header(scope, "x-lab-fault"), chat.model)
        except BadSettings as error:
            raise Refusal(400, "invalid_request_error", None, error.message) from None
        await until_hang_up(self._book(wire, chat, fault, send), receive)

    async def _book(self, wire: Wire, chat: Chat, fault: Fault | None, send: Send) -> None:
        """Answer under an id of the lab's own, and book how it ended."""
        answer_id = f"chatcmpl-lab-{self._run}-{next(self._numbers):06x}"
        produced = self.tally.begin(answer_id)
        ending: Ending = "cancelled"
        try:
            self._refuse(fault)
            async with self.gate.admit():
                await self._answer(self._prepared(wire, chat, fault, answer_id, produced), chat, answer_id, send)
            ending = "completed"
        except Broken:
            ending = "failed"
        except Refusal:
            ending = "failed"
            raise
        finally:
            self.tally.end(answer_id, ending)

    def _prepared(self, wire: Wire, chat: Chat, fault: Fault | None, answer_id: str, produced: Produced) -> Answer:
        """What will be said, with what the fault does to the words and the counts themselves."""
        generation = wire.generate(chat, self.seed)
        if fault is Fault.filtered:
            generation = msgspec.structs.replace(generation, finish_reason="content_filter")
        if fault is Fault.split_letters:
            generation = widened(generation)
        script = wire.script(answer_id, chat, generation, wrong_usage=fault is Fault.wrong_usage)
        return Answer(generation=generation, script=script, pace=self.pace, fault=fault, produced=produced)

    async def _answer(self, answer: Answer, chat: Chat, answer_id: str, send: Send) -> None:
        if answer.fault is Fault.stall_head:
            await asyncio.sleep(self.stall_s)
            raise Broken
        headers = [("x-request-id", answer_id), *self._headers()]
        try:
            if chat.stream:
                await answer.send_stream(send, headers)
            else:
                await answer.send_whole(send, headers)
        except Broken:
            if answer.fault in {Fault.stall_stream, Fault.stall_open}:
                await asyncio.sleep(self.stall_s)
            raise

    def _refuse(self, fault: Fault | None) -> None:
        if fault is not None:
            self.tally.count_fault(fault)
            if refused := refusal(fault):
                raise refused

    def _authorise(self, scope: Scope) -> None:
        if self.key is None:
            return
        scheme, _, given = (header(scope, "authorization") or f"bearer {header(scope, 'x-api-key') or ''}").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self.key.encode()):
            raise Refusal(401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.")

    def _headers(self) -> Headers:
        return [("x-freehold-lab", self.label), *self.extra_headers()]

    async def _respond_json(self, send: Send, value: object) -> None:
        await respond(send, 200, msgspec.json.encode(value), self._headers())


def _read_probabilities(body: bytes) -> dict[Fault, float]:
    try:
        return checked(msgspec.json.decode(body, type=dict[str, float]))
    except msgspec.DecodeError as error:
        message = f'expected an object of fault probabilities such as {{"error_500": 0.1}}: {error}'
    except BadSettings as error:
        message = error.message
    raise Refusal(400, "invalid_request_error", None, message)
