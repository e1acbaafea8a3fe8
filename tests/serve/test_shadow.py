"""Copies for a candidate: under the same rules, for bounded money, when there is room, and felt by nobody."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from health_world import API, BOX, Reply, World

from freehold.core.assignment import Assignment
from freehold.core.data import DataClass, Handling
from freehold.core.decision import Candidate, Decision, Load
from freehold.core.entry import SHADOW
from freehold.core.errors import BudgetSpent
from freehold.core.ports import HttpCall
from freehold.core.request import Ask, Hints, Request
from freehold.core.said import Whole
from freehold.core.target import Workload
from freehold.rules.budget import Account
from freehold.rules.sensitivity.actions import Actions
from freehold.rules.sensitivity.kinds import shipped_kinds
from freehold.rules.sensitivity.scanner import Scanner
from freehold.serve.access.keys import Key
from freehold.serve.access.purse import Held
from freehold.serve.gateway.errand import CAP, Errands
from freehold.serve.gateway.exchange import Speech
from freehold.serve.gateway.hearing import hear
from freehold.serve.gateway.inspection import Inspector, Shield, inspected
from freehold.serve.gateway.record import Record
from freehold.serve.gateway.shadow import Compared, Shadow, heard
from freehold.wire.dialects import SURFACES

SURFACE = SURFACES["openai_chat"]
BODY = b'{"model":"w","messages":[{"role":"user","content":"it broke"}],"max_tokens":10}'
STREAMED = b'data: {"choices":[{"index":0,"delta":{"content":"so"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
TO_BOX = Assignment(migration="mig-1", workload="w", target="box", stage="shadow", copied=1.0, day_nanousd=10**9)


def answer(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 12, "completion_tokens": 3}
    return msgspec.json.encode({"id": "1", "model": "m", "created": 1, "choices": [choice], "usage": usage})


class Nowhere:
    """A caller's sink."""

    started = False

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    @asynccontextmanager
    async def cancelled_by_hang_up(self) -> Any:
        yield

    async def head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        pass

    async def write(self, data: bytes) -> None:
        self.sent.append(data)

    async def end(self, data: bytes = b"") -> None:
        self.sent.append(data)

    def abort(self) -> None:
        pass


class Money:
    """What a budget's account does, in memory."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.accounts: list[Account] = []

    async def hold(self, accounts: Sequence[Account], amount: int) -> Held:
        self.accounts += accounts
        if amount > self.left:
            raise BudgetSpent("spent", scope="workload")
        self.left -= amount
        return Held(amount, tuple((account, None) for account in accounts))

    def settle(self, held: Held, cost: int) -> None:
        self.left += held.amount_nanousd - cost


class Copies:
    """A gateway whose workload is answered by one target and copied to another."""

    def __init__(self, reply: Callable[[HttpCall], Reply], one: Assignment = TO_BOX) -> None:
        self.world = World(reply)
        self.gateway = self.world.gateway
        workloads = {"w": Workload(name="w", targets=("api", "box") if one.target == "api" else ("api",))}
        self.gateway.policy = msgspec.structs.replace(self.gateway.policy, workloads=workloads)
        self.gateway.assignments = {"w": (one,)}
        self.pairs: list[Compared] = []
        self.counted: Counter[str] = Counter()
        self.shadow = Shadow(self.gateway, Errands(self.gateway), self.compared, lambda fate: self.counted.update([fate]))
        self.shield: Shield | None = None
        self.served_by = BOX if one.target == "api" else API

    async def compared(self, pair: Compared) -> None:
        self.pairs.append(pair)

    async def serve(self, handling: Handling | None = None, body: bytes = BODY, **ask: Any) -> Nowhere:
        """One request of a caller's, answered; its copy is queued."""
        record = Record(self.gateway.clock, self.gateway.policy)
        request = SURFACE.read(body, {})
        asked = Ask(workload="w", handling=handling or Handling(), needs=request.needs, **ask)
        record.open(request, asked, Key(name="app", sha256=""), {})
        record.shield = self.shield
        decision = Decision(ask=asked, candidates=(Candidate(self.served_by, "choice 1"),), removed=())
        caller = Nowhere()
        copy = self.shadow.overhear(caller, decision, Speech(request, SURFACE), record)
        assert copy is not None
        record.begin_attempt(decision.candidates[0])
        await copy.end(STREAMED if request.stream else answer("so it is"))
        record.end_attempt("finished")
        record.end("finished", 200)
        copy.hand_over()
        return caller

    async def ask(self, copies: int = 1) -> None:
        """Until so many have a fate."""
        task = asyncio.create_task(self.shadow.run())
        try:
            async with asyncio.timeout(5):
                while self.counted.total() < copies:  # noqa: ASYNC110  nothing tells of a fate but its count
                    await asyncio.sleep(0.01)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_copy_is_an_entry_of_its_own_and_a_pair() -> None:
    here = Copies(lambda call: Reply(200, answer("no")))
    caller = await here.serve()
    assert caller.sent == [answer("so it is")], "what is copied is passed on"
    assert not here.world.places.calls, "nothing is asked before the caller has it all"
    await here.ask()
    assert here.counted == {"compared": 1}
    (entry,) = here.world.ledger.entries
    assert (entry.workload, entry.purpose, entry.key, entry.target, entry.team) == (
        SHADOW + "w",
        "shadow",
        "freehold",
        "box",
        None,
    )
    (pair,) = here.pairs
    assert pair.candidate is not None
    assert pair.candidate.choices[0].parts[0].text == "no"  # type: ignore[union-attr]
    assert pair.incumbent.choices[0].parts[0].text == "so it is"  # type: ignore[union-attr]
    assert here.world.board.states(("box",))["box"].in_flight == 0


@pytest.mark.parametrize(
    ("ask", "to"),
    [
        ({"handling": Handling(data_class=DataClass.restricted)}, "api"),
        ({"within": frozenset({"box"})}, "api"),
        ({"hints": Hints(ignore=("api",))}, "api"),
        ({"egress": frozenset({"fetch"})}, "api"),
    ],
)
async def test_what_the_candidate_may_not_see_is_not_sent(ask: dict[str, Any], to: str) -> None:
    here = Copies(lambda call: Reply(200, answer("no")), msgspec.structs.replace(TO_BOX, target=to))
    await here.serve(**ask)
    await here.ask()
    assert here.counted == {"barred": 1}
    assert not here.world.places.calls
    assert not here.world.ledger.entries


async def test_copies_stop_at_their_own_cap() -> None:
    here = Copies(lambda call: Reply(200, answer("no")), msgspec.structs.replace(TO_BOX, target="api"))
    target = msgspec.structs.replace(API, max_output_tokens=10)
    here.gateway.policy = msgspec.structs.replace(here.gateway.policy, targets={"box": BOX, "api": target})
    money = Money(left=400_000)
    here.gateway.admission.purse = money  # type: ignore[assignment]
    for _ in range(20):
        await here.serve()
    await here.ask(20)
    assert set(here.counted) == {"compared", "over_cap"}
    entries = here.world.ledger.entries
    assert len(entries) == here.counted["compared"]
    assert all(entry.cost_nanousd == 18_000 for entry in entries)
    assert money.left == 400_000 - sum(entry.cost_nanousd for entry in entries)
    assert {account.owner for account in money.accounts} == {f"{CAP}/w"}
    assert all([charge.owner for charge in entry.charges] == [f"{CAP}/w"] for entry in entries)


async def test_without_a_bound_on_its_cost_nothing_is_copied() -> None:
    here = Copies(lambda call: Reply(200, answer("no")), msgspec.structs.replace(TO_BOX, target="api"))
    here.gateway.admission.purse = Money(left=10**12)  # type: ignore[assignment]
    await here.serve(body=BODY.replace(b',"max_tokens":10', b""))
    await here.ask()
    assert here.counted == {"unbounded": 1}
    assert not here.world.places.calls


async def test_a_busy_engine_is_left_to_callers() -> None:
    here = Copies(lambda call: Reply(200, answer("no")))
    here.world.board.read_load("box", Load(running=1, waiting=1))
    await here.serve()
    here.world.clock.at += 31
    here.world.board.read_load("box", Load(running=1, waiting=1))
    await here.ask()
    assert here.counted == {"no_room": 1}
    assert not here.world.places.calls


async def test_a_copy_that_waited_too_long_is_not_sent_where_there_is_room_at_last() -> None:
    here = Copies(lambda call: Reply(200, answer("no")))
    await here.serve()
    here.world.clock.at += 31
    await here.ask()
    assert here.counted == {"no_room": 1}
    assert not here.world.places.calls


async def test_what_was_taken_under_another_policy_is_not_sent_under_this_one() -> None:
    here = Copies(lambda call: Reply(200, answer("no")), msgspec.structs.replace(TO_BOX, target="api"))
    here.gateway.admission.purse = Money(left=10**12)  # type: ignore[assignment]
    await here.serve()
    restricted = Workload(name="w", targets=("api", "box"), handling=Handling(data_class=DataClass.restricted))
    here.gateway.swap(msgspec.structs.replace(here.gateway.policy, workloads={"w": restricted}))
    await here.ask()
    assert here.counted == {"stopped": 1}
    assert not here.world.places.calls


async def test_a_candidate_that_the_policy_does_not_have_is_told_apart() -> None:
    here = Copies(lambda call: Reply(200, answer("no")))
    here.gateway.policy = msgspec.structs.replace(here.gateway.policy, targets={"api": API})
    await here.serve()
    await here.ask()
    assert here.counted == {"unknown": 1}


class Streaming(Reply):
    """Words of half a MiB each, and then the end."""

    def __init__(self, words: int) -> None:
        super().__init__(200, b"", {"content-type": "text/event-stream"})
        word = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % (b"x" * 2**19)
        self._chunks = [
            *([word] * words),
            b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
        ]

    async def chunk(self) -> bytes:
        return self._chunks.pop(0) if self._chunks else b""


@pytest.mark.parametrize(("stream", "tokens"), [(False, 3), (True, 2**20)])
async def test_an_answer_too_long_to_keep_is_broken_off_and_booked(stream: bool, tokens: int) -> None:
    body = BODY.replace(b"{", b'{"stream":true,', 1) if stream else BODY
    reply = (lambda call: Streaming(12)) if stream else (lambda call: Reply(200, answer("x" * 2**23)))
    here = Copies(reply, msgspec.structs.replace(TO_BOX, target="api"))
    money = here.gateway.admission.purse = Money(left=10**12)  # type: ignore[assignment]
    await here.serve(body=body)
    await here.ask()
    (entry,), (pair,) = here.world.ledger.entries, here.pairs
    assert (here.counted, pair.candidate) == ({"failed": 1}, None)
    assert (entry.outcome, entry.attempts[0].outcome) == ("failed", "cancelled" if stream else "finished")
    assert entry.usage is not None
    assert tokens <= entry.usage.output_tokens <= tokens * 5 // 4, "what came is booked, and the rest of a long stream never came"
    assert money.left == 10**12 - entry.cost_nanousd < 10**12


@pytest.mark.parametrize(("size", "beside"), [(100, False), (100_000, True)])
async def test_a_long_answer_is_read_beside_the_callers(size: int, beside: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set[int]()

    def noted(request: Request, body: bytes) -> Whole | None:
        threads.add(threading.get_ident())
        return hear(request, body)

    monkeypatch.setattr("freehold.serve.gateway.shadow.hear", noted)
    request = SURFACE.read(BODY, {})
    assert await heard(request, answer("x" * size)) == hear(request, answer("x" * size))
    assert (threads != {threading.get_ident()}) is beside


async def test_a_candidate_that_fails_is_a_pair_without_an_answer() -> None:
    here = Copies(lambda call: Reply(500, b"{}"))
    await here.serve()
    await here.ask()
    assert here.counted == {"failed": 1}
    assert here.pairs[0].candidate is None
    assert here.world.ledger.entries[0].outcome == "failed"


async def test_a_candidate_that_is_full_says_nothing_of_its_quality() -> None:
    here = Copies(lambda call: Reply(429, b"{}"))
    await here.serve()
    await here.ask()
    assert here.counted == {"no_room": 1}
    assert not here.pairs


async def test_after_a_rollback_nothing_more_is_sent() -> None:
    here = Copies(lambda call: Reply(200, answer("no")))
    await here.serve()
    here.gateway.assignments = {}
    await here.ask()
    assert here.counted == {"stopped": 1}
    assert not here.world.places.calls


LIVE_AT_BOX = msgspec.structs.replace(TO_BOX, stage="live", step=4, share=1.0)


async def test_once_it_is_live_the_former_target_is_asked_and_the_caller_had_the_candidates_answer() -> None:
    here = Copies(lambda call: Reply(200, answer("as before")), LIVE_AT_BOX)
    target = msgspec.structs.replace(API, max_output_tokens=10)
    here.gateway.policy = msgspec.structs.replace(here.gateway.policy, targets={"box": BOX, "api": target})
    here.gateway.admission.purse = Money(left=10**12)  # type: ignore[assignment]
    here.served_by = BOX
    await here.serve()
    await here.ask()
    (pair,) = here.pairs
    assert pair.candidate is not None
    assert pair.candidate.choices[0].parts[0].text == "so it is"  # type: ignore[union-attr]
    assert pair.incumbent.choices[0].parts[0].text == "as before"  # type: ignore[union-attr]
    assert pair.cost_nanousd == here.world.ledger.entries[0].cost_nanousd == 18_000
    assert here.world.ledger.entries[0].target == "api"


async def test_once_it_is_live_a_former_target_that_fails_says_nothing_of_the_candidate() -> None:
    here = Copies(lambda call: Reply(500, b"{}"), LIVE_AT_BOX)
    here.gateway.admission.purse = Money(left=10**12)  # type: ignore[assignment]
    here.served_by = BOX
    await here.serve()
    await here.ask()
    assert (here.counted, here.pairs) == ({"failed": 1}, [])


async def test_once_it_is_live_what_no_former_target_may_see_is_not_sent() -> None:
    here = Copies(lambda call: Reply(200, answer("as before")), LIVE_AT_BOX)
    here.served_by = BOX
    await here.serve(handling=Handling(data_class=DataClass.restricted))
    await here.ask()
    assert here.counted == {"barred": 1}
    assert not here.world.places.calls


async def test_what_costs_more_than_any_day_allows_is_not_copied() -> None:
    here = Copies(lambda call: Reply(200, answer("no")), msgspec.structs.replace(TO_BOX, target="api", day_nanousd=1))
    here.gateway.admission.purse = Money(left=10**12)  # type: ignore[assignment]
    await here.serve()
    await here.ask()
    assert here.counted == {"too_dear": 1}
    assert not here.world.places.calls


async def test_the_queue_is_bounded() -> None:
    here = Copies(lambda call: Reply(200, answer("no")))
    for _ in range(1_010):
        await here.serve()
    assert here.counted == {"lost": 10}


async def test_while_the_ledger_cannot_be_written_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Copies(lambda call: Reply(200, answer("no")))
    await here.serve()
    monkeypatch.setattr(here.world.ledger, "healthy", lambda: False)
    await here.ask()
    assert here.counted == {"stopped": 1}
    assert not here.world.places.calls


async def test_a_rented_candidate_sees_placeholders_and_its_answer_is_restored() -> None:
    """Whoever answered its caller saw the address; the copy is for a target that may not."""
    body = BODY.replace(b"it broke", b"write to ann.lee@example.com")

    def echo(call: HttpCall) -> Reply:
        sent = msgspec.json.decode(call.body)["messages"][0]["content"]
        assert "ann.lee" not in sent
        return Reply(200, answer(sent))

    here = Copies(echo, msgspec.structs.replace(TO_BOX, target="api"))
    here.gateway.admission.purse = Money(left=10**12)  # type: ignore[assignment]
    inspector = Inspector(Scanner(shipped_kinds()), Actions.read({"pii": "redact"}))
    request = SURFACE.read(body, {})
    here.shield = inspected(request, inspector).shield("w")
    assert here.shield is not None
    await here.serve(body=body)
    await here.ask()
    assert here.counted == {"compared": 1}
    said = here.pairs[0].candidate
    assert said is not None
    assert said.choices[0].parts[0].text == "write to ann.lee@example.com"  # type: ignore[union-attr]
