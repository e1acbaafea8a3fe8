"""No header, model name, hint or failure brings data to a target that is not cleared for it: searched over random worlds."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.data import DataClass, Handling
from freehold.core.decision import Load
from freehold.core.entry import Entry
from freehold.core.ports import HttpCall, UpstreamFailure
from freehold.core.target import Target, Terms, Workload
from freehold.serve.access.keys import Key, Keyring, digest
from freehold.serve.gateway.handle import handle
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.policy import Bounds, Policy
from freehold.wire.openai_chat import OpenAiChat

CLASSES = st.sampled_from(DataClass)
REGIONS = st.sampled_from(["eu", "us", "home"])
EGRESS = st.sampled_from(["store", "remote_media", "server_tools", "remote_url", "unknown_field"])
NAMES = ["t0", "t1", "t2", "t3"]
WHOLE = b'{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
STREAM = b'data: {"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class MemoryLedger:
    def __init__(self) -> None:
        self.entries: list[Entry] = []

    async def append(self, entry: Entry) -> None:
        self.entries.append(entry)

    def healthy(self) -> bool:
        return True


class MemorySink:
    def __init__(self) -> None:
        self.started = False
        self.status = 0
        self.body = b""

    def cancelled_by_hang_up(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self.started, self.status = True, status

    async def write(self, data: bytes) -> None:
        self.body += data

    async def end(self, data: bytes = b"") -> None:
        self.body += data

    def abort(self) -> None:
        self.status = 499


class Reply:
    def __init__(self, status: int, body: bytes, kind: str) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": kind}
        self._body = body

    async def chunk(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def read(self, limit: int) -> bytes:
        return self._body

    def close(self) -> None:
        return


class Outbound:
    """Notes where every byte was sent; fails as told. The host of the URL is the target's name."""

    def __init__(self, moods: list[str]) -> None:
        self._moods = moods
        self.reached: list[str] = []

    async def send(self, call: HttpCall) -> Reply:
        self.reached.append(call.url.split("/")[2])
        mood = self._moods[len(self.reached) % len(self._moods)]
        if mood == "down":
            raise UpstreamFailure("unreachable", "refused")
        if mood == "limit":
            return Reply(429, b'{"error":{"code":"rate_limit_exceeded"}}', "application/json")
        if mood == "garbage":
            return Reply(200, b"<html>", "text/html")
        streamed = call.headers["accept"] == "text/event-stream"
        return Reply(200, STREAM if streamed else WHOLE, "text/event-stream" if streamed else "application/json")


@st.composite
def targets(draw: st.DrawFn, name: str) -> Target:
    return Target(
        name=name,
        kind=draw(st.sampled_from(["rented", "owned"])),
        codec=draw(st.sampled_from(["openai", "vllm"])),
        url=f"http://{name}",
        model=draw(st.sampled_from(["m", "n"])),
        clearance=draw(CLASSES),
        regions=frozenset(draw(st.lists(REGIONS, max_size=2))),
        terms=Terms(
            trains_on_data=draw(st.sampled_from([None, True, False])), retention_days=draw(st.sampled_from([None, 0, 30]))
        ),
        egress=draw(st.dictionaries(EGRESS, CLASSES, max_size=2)),
        concurrency=draw(st.sampled_from([None, 1])),
    )


handlings = st.builds(Handling, CLASSES, st.none() | st.frozensets(REGIONS, max_size=2))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    world = {name: draw(targets(name)) for name in NAMES}
    workloads = {
        name: Workload(
            name=name,
            targets=tuple(draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))),
            handling=draw(handlings),
            spill=draw(st.booleans()),
        )
        for name in ("w0", "w1")
    }
    key = Key("k", digest("secret"), draw(st.none() | st.frozensets(st.sampled_from(["w0", "w1"]))), draw(handlings))
    return Policy(
        version="v", targets=world, workloads=workloads, codecs={n: OpenAiChat() for n in world}, engines={},
        keys=Keyring([key]), bounds=Bounds(), price=lambda target, day: None,
    )  # fmt: skip


headers = st.fixed_dictionaries(
    {"authorization": st.just("Bearer secret")},
    optional={
        "x-freehold-data": st.sampled_from(["public", "Internal", "confidential", "restricted", "restricted; region=eu", "no"])
        | st.text(max_size=12),
        "x-freehold-workload": st.sampled_from(["w0", "w1", "w9"]),
        "x-freehold-target": st.sampled_from(NAMES),
        "x-freehold-stands-for": st.text(max_size=5),
    },
)
hints = st.fixed_dictionaries(
    {},
    optional={
        "order": st.lists(st.sampled_from([*NAMES, "openai"]), max_size=3),
        "only": st.lists(st.sampled_from([*NAMES, "vllm"]), max_size=3),
        "ignore": st.lists(st.sampled_from(NAMES), max_size=2),
        "allow_fallbacks": st.booleans(),
        "data_collection": st.sampled_from(["allow", "deny"]),
        "zdr": st.booleans(),
    },
)
bodies = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["w0", "w1", *NAMES, "m", "openai/m", "vllm:n", "nothing"]),
        "messages": st.just([{"role": "user"}]),
    },
    optional={
        "stream": st.booleans(),
        "provider": hints,
        "store": st.booleans(),
        "x_fetch": st.just("https://evil.test"),
        "tools": st.just([{"type": "web_search"}]),
    },
)
MOODS = st.lists(st.sampled_from(["fine", "down", "limit", "garbage"]), min_size=1, max_size=5)


def sending(body: dict[str, Any]) -> Callable[[], Awaitable[bytes]]:
    async def read() -> bytes:
        return msgspec.json.encode(body)

    return read


def may_see(policy: Policy, target: Target, head: Mapping[str, str], body: dict[str, Any], workload: str) -> bool:
    """The rule again, written apart from the code under test."""
    demands = [policy.workloads[workload].handling, policy.keys.admit(head).handling]
    declared = head.get("x-freehold-data", "").lower()
    floors = [name for name in DataClass.__members__ if declared.split(";")[0].strip() == name]
    need = max([d.data_class for d in demands] + [DataClass[name] for name in floors])
    allowed = [set(d.regions) for d in demands if d.regions is not None] + ([{"eu"}] if "region=eu" in declared else [])
    asked = {"store"} if body.get("store") else set()
    asked |= {"remote_url"} if "x_fetch" in body else set()
    if "x_fetch" in body and target.rented and need >= DataClass.confidential:
        asked |= {"unknown_field"}
    asked |= {"server_tools"} if "tools" in body else set()
    return (
        target.clearance >= need
        and all(target.regions and target.regions <= regions for regions in allowed)
        and all(kind in target.egress and target.egress[kind] >= need for kind in asked)
        and target.name in policy.workloads[workload].targets
    )


@settings(max_examples=600)
@given(policies(), st.lists(st.tuples(headers, bodies, MOODS), min_size=1, max_size=4), st.booleans())
def test_no_attempt_ever_breaks_a_constraint(
    policy: Policy, calls: list[tuple[dict[str, str], dict[str, Any], list[str]]], busy: bool
) -> None:
    async def run() -> None:
        ledger = MemoryLedger()
        for head, body, moods in calls:
            outbound = Outbound(moods)
            gateway = Gateway(policy, outbound, ledger)
            for name in NAMES if busy else ():
                gateway.board.read_load(name, Load(running=1, waiting=3))
            sink = MemorySink()
            before = len(ledger.entries)
            await handle(head, sending(body), sink, gateway)
            assert sink.status != 500, sink.body
            assert gateway.in_flight == 0
            assert all(state.in_flight == 0 for state in gateway.board.states(tuple(NAMES)).values())
            if outbound.reached:
                (entry,) = ledger.entries[before:]
                assert [attempt.target for attempt in entry.attempts] == outbound.reached
                for name in outbound.reached:
                    assert may_see(policy, policy.targets[name], head, body, entry.workload), (name, entry)

    asyncio.run(run())


def test_the_search_does_reach_targets() -> None:
    """Else the property above would hold of a gateway that never sends anything."""
    reached = 0

    @settings(max_examples=200, database=None, derandomize=True)
    @given(policies(), headers, bodies)
    def count(policy: Policy, head: dict[str, str], body: dict[str, Any]) -> None:
        nonlocal reached
        outbound = Outbound(["fine"])
        asyncio.run(handle(head, sending(body), MemorySink(), Gateway(policy, outbound, MemoryLedger())))
        reached += bool(outbound.reached)

    count()
    assert reached > 10
