"""Every fault on every surface, streamed and whole: what the official SDK shows, how many were tried, what it cost, and what is
thought of the target afterwards. The cells of one surface run at once against one gateway; a test each then judges them.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from certificates import Authority

from e2e.client import caller
from e2e.fault_cases import CASES, MODES, Expected, Health, Mode, Money
from e2e.fault_places import resetting, untrusted
from e2e.fault_table import PAGE, written
from e2e.house import ADMIN_KEY, Gateway, House, Lab, free_port, rented
from e2e.sdk_callers import ENDINGS, FINISHES, MAX_TOKENS, Callers, Seen
from freehold.lab.chat import Chat, Message
from freehold.lab.embeddings import vector
from freehold.lab.faults import Fault
from freehold.lab.generation import generate, widened
from freehold.wire.dialects import SURFACES

PROMPT = "[ref:matrix] why"
INPUT_NANOUSD, OUTPUT_NANOUSD = 2500, 10_000
_AT_ONCE = 6
_LINES_AT_ONCE = 2
_COOLS_S: Mapping[Health, float] = {"asked for rest": 0.95, "failed, cools": 1.95}  # the shortest of each, to be looked at within
_on_one_loop = pytest.mark.asyncio(loop_scope="module")


class Surface(msgspec.Struct, frozen=True):
    """A dialect, as asked, and what its targets speak."""

    dialect: str
    provider: str = "lab"

    @property
    def modes(self) -> tuple[Mode, ...]:
        return ("whole",) if self.dialect == "openai_embeddings" else MODES


SURFACES_TRIED: Mapping[str, Surface] = {
    "chat": Surface("openai_chat"),
    "chat-to-messages": Surface("openai_chat", "anthropic"),
    "completions": Surface("openai_completions", "openai_compatible"),
    "completions-to-chat": Surface("openai_completions"),
    "responses": Surface("openai_responses", "openai"),
    "responses-to-chat": Surface("openai_responses"),
    "messages": Surface("anthropic_messages", "anthropic"),
    "messages-to-chat": Surface("anthropic_messages"),
    "embeddings": Surface("openai_embeddings", "openai_compatible"),
}
CELLS = [
    pytest.param(surface, fault, mode, id=f"{surface}-{fault}-{mode}")
    for surface, it in SURFACES_TRIED.items()
    for fault in CASES
    for mode in it.modes
]
TEXT = "".join(generate(Chat(model="any", messages=[Message(content=PROMPT)], max_tokens=MAX_TOKENS), 0).choices[0])


class Cell(msgspec.Struct):
    """What was observed: what the caller saw, the entry, and the first target's state as it was at `read_at`, right after."""

    seen: Seen
    state: dict[str, Any]
    read_at: float
    entry: dict[str, Any] = {}

    def since_s(self) -> float:
        """Seconds between the first attempt's end and the look at its target."""
        ended_s: float = self.entry["received_at"] + self.entry["attempts"][0]["ended_s"]
        return self.read_at - ended_s


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """URLs that are no lab's."""
    with resetting() as reset, untrusted(Authority(tmp_path_factory.mktemp("authority"))) as tls:
        yield {"reset": reset, "tls": tls, "refused": f"http://127.0.0.1:{free_port()}", "dns": "http://nowhere.invalid:8000"}


@pytest.fixture(scope="module")
def flaky(house: House) -> Lab:
    """Its faults are switched while it runs."""
    return house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "100000")


class Line:
    """One surface's gateway with a workload for each cell, and what was observed of each."""

    def __init__(self, surface: Surface, gateway: Gateway) -> None:
        self.surface = surface
        self.gateway = gateway
        self.cells: dict[str, Cell] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def observe(self) -> None:
        """All cells; those that mostly wait do so together."""
        async with Callers(self.gateway.url) as callers, caller(self.gateway.admin_url, ADMIN_KEY) as admin:
            names = [(fault, mode) for fault in CASES for mode in self.surface.modes]
            await asyncio.gather(*(self._ask(callers, admin, fault, mode) for fault, mode in names))
        entries = {entry["workload"]: entry for entry in self.gateway.entries()}
        for workload, cell in self.cells.items():
            cell.entry = entries[workload]

    async def _ask(self, callers: Callers, admin: Any, fault: str, mode: Mode) -> None:
        case, workload = CASES[fault], f"w-{fault}-{mode}"
        headers = {"x-freehold-restart": "anew"} if case.restart else {}

        async def asked() -> Seen:
            return await callers.ask(self.surface.dialect, workload, PROMPT, stream=mode == "streamed", headers=headers)

        if case.waits:
            seen = await asked()
        else:
            async with self._room:
                seen = await asked()
        self.cells[workload] = Cell(seen, await state_of(admin, f"{fault}-{mode}-0"), time.time())


async def state_of(admin: Any, target: str) -> dict[str, Any]:
    """What the admin API says of a target."""
    async with admin.get("/admin/summary") as reply:
        summary = msgspec.json.decode(await reply.read())
    found: dict[str, Any] = next(it for it in summary["targets"] if it["name"] == target)
    return found


class World(msgspec.Struct, frozen=True):
    """Where targets are. `slow` leaves time between two tokens, so that what follows the first one arrives after it; the faults
    of `flaky` are switched while it runs; `places` are no lab's."""

    provider: Lab
    slow: Lab
    flaky: Lab
    places: Mapping[str, str]


@pytest.fixture(scope="module")
def world(provider: Lab, slow_provider: Lab, flaky: Lab, places: Mapping[str, str]) -> World:
    return World(provider, slow_provider, flaky, places)


def config_of(surface: Surface, world: World) -> dict[str, Any]:
    """Targets of its own for every cell, so that no cell knows of another's failures."""

    def at(place: str, fault: str, lab: Lab = world.provider) -> dict[str, Any]:
        kind, _, named = place.partition(":")
        url = lab.url if kind in {"lab", "good"} else world.places[kind]
        model = f"lab-model+fault:{named or fault}" if kind == "lab" else "lab-model"
        return rented(lab, provider=surface.provider, url=f"{url}/v1", model=model) | {"lab": True}

    targets: dict[str, Any] = {"good": at("good", "")}
    workloads: dict[str, Any] = {}
    for fault, case in CASES.items():
        for mode in surface.modes:
            names = ["good" if place == "good" else f"{fault}-{mode}-{n}" for n, place in enumerate(case.at)]
            late = mode == "streamed" and (case.streamed.caller == "broken" or case.restart)
            lab = world.slow if late else world.provider
            targets |= {name: at(place, fault, lab) for name, place in zip(names, case.at, strict=True) if place != "good"}
            workloads[f"w-{fault}-{mode}"] = {"targets": names}
    health = {"failures": 2, "open_s": 0.3, "longest_open_s": 0.3, "ramp_s": 0}
    for mode in surface.modes:
        targets[f"ill-{mode}"] = at("good", "", world.flaky) | {"health": health}
        workloads[f"w-recovery-{mode}"] = {"targets": [f"ill-{mode}", "good"]}
    bounds = {
        "headers_s": 1.0, "first_token_s": 1.0, "idle_s": 1.0, "slow_s": 1.2, "slow_events": 5, "whole_s": 1.0,
        "reply_bytes": 4 * 1024 * 1024, "connect_s": 2.0,
    }  # fmt: skip
    return {"targets": targets, "workloads": workloads, "bounds": bounds}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lines(request: pytest.FixtureRequest, house: House, world: World) -> Mapping[str, Line]:
    """The surfaces whose tests run now, with every cell observed. Two at a time: while one waits, the other works."""
    tests = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    wanted = {item.callspec.params["surface"] for item in tests if hasattr(item, "callspec")}
    room = asyncio.Semaphore(_LINES_AT_ONCE)

    async def observed(name: str) -> tuple[str, Line]:
        surface = SURFACES_TRIED[name]
        async with room:
            gateway = await asyncio.to_thread(house.gateway, f"matrix-{name}", config_of(surface, world))
            line = Line(surface, gateway)
            await line.observe()
        return name, line

    return dict(await asyncio.gather(*(observed(name) for name in SURFACES_TRIED if name in wanted)))


@_on_one_loop
@pytest.mark.long
@pytest.mark.parametrize(("surface", "fault", "mode"), CELLS)
async def test_cell(lines: Mapping[str, Line], surface: str, fault: str, mode: Mode) -> None:
    line = lines[surface]
    case, cell = CASES[fault], line.cells[f"w-{fault}-{mode}"]
    expected = case.expected(mode, holds_all=surface == "responses")
    judge_caller(line.surface, cell.seen, expected, text_of(line.surface, fault), streamed=mode == "streamed")
    assert (b"freehold.restart" in cell.seen.raw) == (case.restart and mode == "streamed"), "only who asked for it sees it"
    judge_entry(line.surface, cell.entry, expected)
    judge_health(cell.state, expected.health, cell.since_s())
    assert cell.state["breaker"] == "closed", "one failure opens no breaker"


def text_of(surface: Surface, fault: str) -> str:
    """The right answer: the lab says the same to the same question, whichever lab it is."""
    if surface.dialect == "openai_embeddings":
        return str([round(number, 6) for number in vector(PROMPT)])
    if fault == "split_letters":
        chat = Chat(model="any", messages=[Message(content=PROMPT)], max_tokens=MAX_TOKENS)
        return "".join(widened(generate(chat, 0)).choices[0])
    return TEXT


def judge_caller(surface: Surface, seen: Seen, expected: Expected, text: str, *, streamed: bool) -> None:
    """What the SDK showed: the right text to its end; or the beginning of it and an error; or an error alone."""
    endings = sum(seen.raw.count(ending) for ending in ENDINGS.get(surface.dialect, ()))
    if expected.caller == "whole":
        assert (seen.status, seen.error, seen.text) == (200, None, text)
        assert seen.finish == FINISHES[surface.dialect][expected.finish]
        assert endings == streamed, "a whole stream ends as its dialect ends one, once"
        return
    assert endings == 0, "no error may look like an end"
    if expected.caller == "broken":
        assert seen.error is not None, "never a quiet end"
        assert text.startswith(seen.text)
        assert seen.text or b"freehold.restart" in seen.raw, "what came before a restart is no part of the answer"
        assert (seen.finish, seen.code) == ("", expected.code)
    elif expected.code == "refused":
        assert seen.status == expected.caller
        assert "content policy" in seen.error["message"], "in the target's own words"
    else:
        assert (seen.status, seen.code, seen.text) == (expected.caller, expected.code, "")
    if expected.code != "refused":
        kind = {429: "rate_limit_error", 504: "timeout_error"}.get(seen.status, "api_error")
        assert seen.error["type"] == (kind if surface.dialect == "anthropic_messages" else "upstream_error")


def judge_entry(surface: Surface, entry: dict[str, Any], expected: Expected) -> None:
    """Attempts, and the cost of each: by the target's own count, by our estimate of what passed, or nothing."""
    attempts = entry["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == [outcome for outcome, _ in expected.attempts]
    for attempt, (outcome, money) in zip(attempts, expected.attempts, strict=True):
        assert money_of(attempt) == money
        assert outcome == "finished" or attempt["detail"]
        tokens_in = (attempt["uncached_input"] or 0) + (attempt["cache_read"] or 0) + (attempt["cache_write"] or 0)
        tokens_out = (attempt["answer_output"] or 0) + (attempt["reasoning"] or 0)
        assert attempt["cost_nanousd"] == tokens_in * INPUT_NANOUSD + tokens_out * OUTPUT_NANOUSD
        if money == "counted":
            said = 0 if surface.dialect == "openai_embeddings" else MAX_TOKENS
            assert (tokens_in, tokens_out) == (len(PROMPT.split()), said)
        if money == "estimated":
            assert tokens_in >= 1
            assert (tokens_out > 0) == (attempt["first_token_s"] is not None and surface.dialect != "openai_embeddings")
    assert entry["cost_nanousd"] == sum(attempt["cost_nanousd"] for attempt in attempts)
    ended = {"whole": ("finished", 200), "broken": ("cut", 502)}
    refused = "refused" if expected.code == "refused" else "failed"
    assert (entry["outcome"], entry["status"]) == ended.get(str(expected.caller), (refused, expected.caller))


def money_of(attempt: dict[str, Any]) -> Money:
    """Who counted, if anyone did."""
    if attempt["usage_source"] is None:
        return "nothing"
    return "estimated" if attempt["usage_source"] == "estimated" else "counted"


def judge_health(state: dict[str, Any], health: Health, since_s: float) -> None:
    """Failures in a row, and cool-downs, as far as a look so long afterwards can still tell."""
    assert state["failures"] == (health in {"failed", "failed, cools"}), "to be busy is no failure"
    cools_s = _COOLS_S.get(health)
    assert cools_s is not None or state["cooling_s"] == 0
    if cools_s is not None and since_s < cools_s:
        assert state["cooling_s"] > 0
        assert (state["asked_s"] > 0) == (health == "asked for rest")


@_on_one_loop
@pytest.mark.long
@pytest.mark.parametrize(
    ("surface", "mode"), [(name, mode) for name, it in SURFACES_TRIED.items() for mode in it.modes]
)  # fmt: skip
async def test_a_target_that_fails_is_left_alone_and_taken_back(
    lines: Mapping[str, Line], flaky: Lab, surface: str, mode: Mode
) -> None:
    line = lines[surface]
    target, workload = f"ill-{mode}", f"w-recovery-{mode}"

    async with Callers(line.gateway.url) as callers, caller(line.gateway.admin_url, ADMIN_KEY) as admin, caller(flaky.url) as lab:

        async def served_by() -> list[str]:
            seen = await callers.ask(line.surface.dialect, workload, PROMPT, stream=mode == "streamed", headers={})
            assert (seen.error, seen.text) == (None, text_of(line.surface, "recovery"))
            return [attempt["target"] for attempt in line.gateway.entries()[-1]["attempts"]]

        async with lab.post("/lab/faults", json={Fault.error_500: 1}):
            assert [await served_by() for _ in range(2)] == [[target, "good"]] * 2
        assert (await state_of(admin, target))["breaker"] != "closed"
        async with lab.post("/lab/faults", json={}):
            tried = await served_by()
        assert tried in (["good"], [target]), "left alone; on a slow machine it is half-open by now"
        states = []
        async with asyncio.timeout(10):
            while (await served_by()) != [target]:
                states.append((await state_of(admin, target))["breaker"])
        assert (await state_of(admin, target))["breaker"] == "closed"
        assert set(states) <= {"open", "half_open"}


def test_every_fault_of_the_lab_is_in_the_matrix() -> None:
    tried = {place.partition(":")[2] or name for name, case in CASES.items() for place in case.at if place.startswith("lab")}
    assert {str(fault) for fault in Fault} <= tried
    assert len(CASES) >= 24


def test_every_dialect_that_answers_is_in_the_matrix() -> None:
    counts_only = {"anthropic_count_tokens"}
    assert {surface.dialect for surface in SURFACES_TRIED.values()} == set(SURFACES) - counts_only


def test_the_table_in_the_docs_is_the_matrix() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page) == page, "run python -m tests.e2e.fault_table"
