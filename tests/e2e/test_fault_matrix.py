"""Every fault on every surface, streamed and whole: what the official SDK shows, how many were tried, what it cost, and what is
thought of the target afterwards. The cells of one surface run at once against one gateway; a test each then judges them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from certificates import Authority

from e2e.client import caller
from e2e.fault_cases import CASES, MODES, Case, Expected, Health, Mode, Money
from e2e.fault_places import resetting, untrusted
from e2e.house import ADMIN_KEY, Gateway, House, Lab, fetch, free_port, rented, until
from e2e.sdk_callers import ENDINGS, FINISHES, MAX_TOKENS, Callers, Seen
from freehold.lab.chat import Chat, Message
from freehold.lab.embeddings import vector
from freehold.lab.faults import Fault
from freehold.lab.generation import generate, widened
from freehold.wire.dialects import SURFACES

PROMPT = "[ref:matrix] why"
INPUT_NANOUSD, OUTPUT_NANOUSD = 2500, 10_000
_AT_ONCE = 6
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Surface(msgspec.Struct, frozen=True):
    """A dialect, as asked, and what its targets speak."""

    dialect: str
    provider: str = "lab"

    @property
    def modes(self) -> tuple[Mode, ...]:
        return ("whole",) if self.dialect == "openai_embeddings" else MODES


_ALL = {
    "chat": Surface("openai_chat"),
    "chat-to-messages": Surface("openai_chat", "anthropic"),
    "completions": Surface("openai_completions"),
    "responses": Surface("openai_responses"),
    "messages": Surface("anthropic_messages", "anthropic"),
    "messages-to-chat": Surface("anthropic_messages"),
    "embeddings": Surface("openai_embeddings", "openai_compatible"),
}
SURFACES_TRIED: Mapping[str, Surface] = {name: it for name, it in _ALL.items() if it.dialect in SURFACES}
CELLS = [
    pytest.param(surface, fault, mode, id=f"{surface}-{fault}-{mode}")
    for surface, it in SURFACES_TRIED.items()
    for fault in CASES
    for mode in it.modes
]
TEXT = "".join(generate(Chat(model="any", messages=[Message(content=PROMPT)], max_tokens=MAX_TOKENS), 0).choices[0])


class Cell(msgspec.Struct):
    """What was observed: what the caller saw, the entry, and the first target's state right after."""

    seen: Seen
    state: dict[str, Any]
    entry: dict[str, Any] = {}


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
        self.cells[workload] = Cell(seen, await state_of(admin, f"{fault}-{mode}-0"))


async def state_of(admin: Any, target: str) -> dict[str, Any]:
    """What the admin API says of a target."""
    async with admin.get("/admin/summary") as reply:
        summary = msgspec.json.decode(await reply.read())
    found: dict[str, Any] = next(it for it in summary["targets"] if it["name"] == target)
    return found


def config_of(surface: Surface, provider: Lab, flaky: Lab, places: Mapping[str, str]) -> dict[str, Any]:
    """Targets of its own for every cell, so that no cell knows of another's failures."""

    def at(place: str, fault: str) -> dict[str, Any]:
        kind, _, named = place.partition(":")
        url = provider.url if kind in {"lab", "good"} else places[kind]
        model = f"lab-model+fault:{named or fault}" if kind == "lab" else "lab-model"
        return rented(provider, provider=surface.provider, url=f"{url}/v1", model=model, lab=True)

    targets: dict[str, Any] = {"good": at("good", "")}
    workloads: dict[str, Any] = {}
    for fault, case in CASES.items():
        for mode in surface.modes:
            names = ["good" if place == "good" else f"{fault}-{mode}-{n}" for n, place in enumerate(case.at)]
            targets |= {name: at(place, fault) for name, place in zip(names, case.at, strict=True) if place != "good"}
            workloads[f"w-{fault}-{mode}"] = {"targets": names}
    health = {"failures": 2, "open_s": 0.3, "longest_open_s": 0.3, "ramp_s": 0}
    for mode in surface.modes:
        targets[f"ill-{mode}"] = at("good", "") | {"url": f"{flaky.url}/v1", "health": health}
        workloads[f"w-recovery-{mode}"] = {"targets": [f"ill-{mode}", "good"]}
    bounds = {
        "headers_s": 1.0, "first_token_s": 1.0, "idle_s": 1.0, "slow_s": 1.2, "slow_events": 5, "whole_s": 1.5,
        "reply_bytes": 4 * 1024 * 1024, "connect_s": 2.0,
    }  # fmt: skip
    return {"targets": targets, "workloads": workloads, "bounds": bounds}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lines(house: House, provider: Lab, flaky: Lab, places: Mapping[str, str]) -> AsyncIterator["Lines"]:
    yield Lines(house, provider, flaky, places)


class Lines:
    """The surfaces that were asked for, each observed once."""

    def __init__(self, house: House, provider: Lab, flaky: Lab, places: Mapping[str, str]) -> None:
        self._made_of = (provider, flaky, places)
        self._house = house
        self._lines: dict[str, Line] = {}

    async def of(self, name: str) -> Line:
        """With every cell observed."""
        if name not in self._lines:
            surface = SURFACES_TRIED[name]
            line = Line(surface, self._house.gateway(f"matrix-{name}", config_of(surface, *self._made_of)))
            await line.observe()
            self._lines[name] = line
        return self._lines[name]


@pytest.mark.parametrize(("surface", "fault", "mode"), CELLS)
async def test_cell(lines: Lines, surface: str, fault: str, mode: Mode) -> None:
    line = await lines.of(surface)
    case, cell = CASES[fault], line.cells[f"w-{fault}-{mode}"]
    expected = case.expected(mode)
    judge_caller(line.surface, cell.seen, expected, case, text_of(line.surface, fault), mode)
    judge_entry(line.surface, cell.entry, expected)
    assert health_of(cell.state) == expected.health
    assert cell.state["breaker"] == "closed", "one failure opens no breaker"
