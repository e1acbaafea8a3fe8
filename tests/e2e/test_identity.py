"""Sixty-four callers at once in every dialect, streamed and whole, through one process: each is answered its own question.

What the lab says follows from the words of the question, so an answer that is another's, or holds a piece of one, has others.
All callers share connections, and some hang up in the middle of a stream: what they left behind must reach nobody else.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import aiohttp
import msgspec
import pytest

from e2e.client import caller
from e2e.house import ADMIN_KEY, Gateway, House, Lab, fetch, rented, until
from freehold.lab.chat import Chat, Message
from freehold.lab.embeddings import vector
from freehold.lab.generation import generate
from freehold.wire.dialects import PATHS

CALLERS = 64
HANG_UPS = 3  # of each caller, between its questions


class Spoken(msgspec.Struct, frozen=True):
    """A dialect at a caller's end. `ask` writes the question and the most tokens, `heard` reads the texts of a body or an event;
    `end` closes a whole stream, None where the dialect has none."""

    path: str
    ask: Callable[[str, int], dict[str, Any]]
    heard: Callable[[Any], Iterator[str]]
    end: bytes | None


class Asked(msgspec.Struct, frozen=True):
    """One question and what its answer must be."""

    name: str
    workload: str
    stream: bool
    prompt: str
    tokens: int

    @property
    def spoken(self) -> Spoken:
        return DIALECTS[self.name]

    @property
    def body(self) -> bytes:
        return msgspec.json.encode(
            {"model": self.workload, **self.spoken.ask(self.prompt, self.tokens), **({"stream": True} if self.stream else {})}
        )

    @property
    def words(self) -> str:
        """All that the lab says to it."""
        chat = Chat(model="any", messages=[Message(content=self.prompt)], max_tokens=self.tokens)
        return "".join(generate(chat, seed=0).choices[0])

    def answered_by(self, body: bytes) -> bool:
        """Whether this is the answer, whole and to the letter, in this dialect."""
        try:
            return self._is(body)
        except (msgspec.DecodeError, KeyError, TypeError):
            return False

    def _is(self, body: bytes) -> bool:
        if self.name == "openai_embeddings":
            return [item["embedding"] for item in msgspec.json.decode(body)["data"]] == [vector(self.prompt)]
        if self.name == "anthropic_count_tokens":
            return bool(msgspec.json.decode(body) == {"input_tokens": -(-len(self.prompt) // 4)})
        if not self.stream:
            return "".join(self.spoken.heard(msgspec.json.decode(body))) == self.words
        datas = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line.startswith(b"data: {")]
        said = "".join(text for data in datas for text in self.spoken.heard(msgspec.json.decode(data)))
        return said == self.words and self.spoken.end is not None and self.spoken.end in body


def _messages(prompt: str, tokens: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": prompt}], "max_tokens": tokens}


def _chat(body: Any) -> Iterator[str]:
    yield from ((choice.get("delta") or choice.get("message") or {}).get("content") or "" for choice in body["choices"])


def _completion(body: Any) -> Iterator[str]:
    yield from (choice["text"] for choice in body["choices"])


def _response(body: Any) -> Iterator[str]:
    if body.get("type") == "response.output_text.delta":
        yield body["delta"]
    yield from (part["text"] for item in body.get("output", ()) for part in item["content"])


def _message(body: Any) -> Iterator[str]:
    if body["type"] == "content_block_delta":
        yield body["delta"]["text"]
    elif body["type"] == "message":
        yield from (part["text"] for part in body["content"])


def _nothing(body: Any) -> Iterator[str]:
    return iter(())


DIALECTS: Mapping[str, Spoken] = {
    "openai_chat": Spoken("/v1/chat/completions", _messages, _chat, b"data: [DONE]"),
    "openai_completions": Spoken("/v1/completions", lambda p, n: {"prompt": p, "max_tokens": n}, _completion, b"data: [DONE]"),
    "openai_responses": Spoken(
        "/v1/responses", lambda p, n: {"input": p, "max_output_tokens": n}, _response, b"event: response.incomplete"
    ),
    "openai_embeddings": Spoken("/v1/embeddings", lambda p, n: {"input": p}, _nothing, None),
    "anthropic_messages": Spoken("/v1/messages", _messages, _message, b"event: message_stop"),
    "anthropic_count_tokens": Spoken(
        "/v1/messages/count_tokens", lambda p, n: {"messages": [{"role": "user", "content": p}]}, _nothing, None
    ),
}
# By what the target of the workload speaks: as the caller does, or another dialect.
ROUTES: Mapping[str, tuple[str, ...]] = {
    "openai_chat": ("to-chat", "to-messages"),
    "openai_completions": ("to-chat", "to-messages"),
    "openai_responses": ("to-chat", "to-messages"),
    "anthropic_messages": ("to-chat", "to-messages"),
    "openai_embeddings": ("to-embeddings",),
    "anthropic_count_tokens": ("to-chat",),
}


@pytest.fixture(scope="module")
def pacing(house: House) -> Lab:
    """Slow enough that the answers of all callers are under way at the same time."""
    return house.lab("provider", "--ttft-ms", "20", "--tokens-per-s", "300", "--event-ms", "10")


@pytest.fixture(scope="module")
def crowded(house: House, pacing: Lab) -> Gateway:
    (house.folder / "identity.key").write_text("nobody looks at it", encoding="utf-8")
    key = {"key": f"file:{house.folder / 'identity.key'}"}
    targets = {
        "chat": rented(pacing), "messages": rented(pacing, provider="anthropic", **key),
        "embeddings": rented(pacing, provider="openai_compatible", **key),
    }  # fmt: skip
    return house.gateway("identity", {"targets": targets, "workloads": {f"to-{name}": {"targets": [name]} for name in targets}})


def questions(number: int) -> list[Asked]:
    """All dialects, routes and manners, in an order of its own; no two questions of any callers are alike."""
    source = random.Random(number)
    found = [
        Asked(
            name, workload, stream, f"[ref:{number}-{name}-{workload}-{stream}] why" + " so" * source.randint(0, 40),
            source.randint(2, 24),
        )
        for name, workloads in ROUTES.items()
        for workload in workloads
        for stream in ((True, False) if DIALECTS[name].end is not None else (False,))
    ]  # fmt: skip
    source.shuffle(found)
    return found


async def converse(session: aiohttp.ClientSession, number: int) -> tuple[dict[str, Asked], list[str]]:
    """One caller: its questions by the id of their request, and what was wrong with an answer. It hangs up now and then."""
    asked, wrong = dict[str, Asked](), list[str]()
    todo = questions(number)
    leaving = random.Random(f"leaving {number}").sample(range(len(todo)), HANG_UPS)
    for at, question in enumerate(todo):
        if at in leaving:
            await hang_up(session, number, at)
        async with session.post(question.spoken.path, data=question.body) as reply:
            body = await reply.read()
            asked[reply.headers["x-request-id"]] = question
        if reply.status != 200 or not question.answered_by(body):
            wrong.append(f"{question} got {reply.status} {body[:300]!r}")
    return asked, wrong


async def hang_up(session: aiohttp.ClientSession, number: int, at: int) -> None:
    """Leave before the answer, or in the middle of it."""
    name, workload = ("openai_chat", "to-messages") if at % 2 else ("anthropic_messages", "to-chat")
    left = Asked(name, workload, True, f"[ref:left-{number}-{at}] stay", 500)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.01 * (at % 10)), session.post(left.spoken.path, data=left.body) as reply:
            await reply.content.readany()
            reply.close()


def test_every_dialect_is_asked() -> None:
    assert {(spoken.path, name) for name, spoken in DIALECTS.items()} == {(at, it.dialect) for at, it in PATHS.items()}
    assert len({question.prompt for number in range(CALLERS) for question in questions(number)}) == CALLERS * len(questions(0))


async def test_each_answer_is_its_own_callers(crowded: Gateway, pacing: Lab) -> None:
    async with caller(crowded.url) as session:
        session.headers["content-type"] = "application/json"
        told = await asyncio.gather(*(converse(session, number) for number in range(CALLERS)))
    wrong = [line for _, lines in told for line in lines]
    assert not wrong, f"{len(wrong)} answers are not to their questions, the first: {wrong[0]}"
    asked = {ident: question for questions_asked, _ in told for ident, question in questions_asked.items()}
    assert len(asked) == CALLERS * len(questions(0)), "every request has an id of its own"

    def at_rest() -> bool:
        summary = msgspec.json.decode(fetch(crowded.admin_url, "/admin/summary", {"authorization": f"Bearer {ADMIN_KEY}"})[1])
        in_flight = [summary["in_flight"], *(target["in_flight"] for target in summary["targets"]), pacing.tally()["running"]]
        return not any(in_flight)

    await asyncio.to_thread(until, at_rest, "nobody is answered who has left")
    entries = {entry["id"]: entry for entry in crowded.entries()}
    for ident, question in asked.items():
        entry, said = entries.pop(ident), 0 if question.spoken.end is None else len(question.words.split())
        kept = (entry["dialect"], entry["workload"], bool(entry["stream"]), entry["outcome"], entry["answer_output"] or 0)
        assert kept == (question.name, question.workload, question.stream, "finished", said)
    assert Counter(entry["outcome"] for entry in entries.values()).keys() <= {"cancelled"}, "the rest are those who hung up"
    assert len(entries) > CALLERS, "most who hung up were heard before they did"
