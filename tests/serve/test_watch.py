"""The watch over owned engines: their load, and free checks of those that fail."""

import asyncio

import msgspec
import pytest
from health_world import BOX, Reply, World

from freehold.core.decision import Load
from freehold.core.ports import HttpCall, UpstreamFailure
from freehold.serve.gateway import watch

METRICS = b"vllm:num_requests_running 2\nvllm:num_requests_waiting 1\n"


class Engine:
    """Answers /metrics, and /health as `health` says: a status, or None where nobody is there."""

    def __init__(self) -> None:
        self.health: int | None = 200
        self.read = asyncio.Semaphore(0)

    def __call__(self, call: HttpCall) -> Reply | UpstreamFailure:
        if call.url == "http://box:8000/metrics":
            self.read.release()
            return Reply(200, METRICS)
        assert call.url == "http://box:8000/health"
        assert call.method == "GET"
        return UpstreamFailure("unreachable", "refused") if self.health is None else Reply(self.health, b"")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(watch, "_EVERY_S", 0.001)
    return Engine()


async def looks(world: World, engine: Engine) -> list[str]:
    """The pages asked for while the watch went round twice."""
    world.places.calls.clear()
    watching = asyncio.create_task(watch.watch_loads(world.gateway))
    for _ in range(3):
        await engine.read.acquire()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return [call.url.rpartition("/")[2] for call in world.places.calls]


async def test_one_that_serves_is_read_and_not_checked(engine: Engine) -> None:
    world = World(engine)
    assert set(await looks(world, engine)) == {"metrics"}
    assert world.board.states(("box",))["box"].load == Load(running=2, waiting=1)


async def test_one_that_fails_is_held_while_it_is_gone_and_tried_once_it_is_back(engine: Engine) -> None:
    world = World(engine)
    world.break_down("box")
    engine.health = None
    world.clock.at += 4.9
    assert "health" in await looks(world, engine)
    world.clock.at += 0.2
    assert world.board.states(("box",))["box"].phase == "open", "by the clock alone it would be tried now"
    engine.health = 503
    await looks(world, engine)
    assert world.board.states(("box",))["box"].phase == "open", "llama.cpp says 503 while it loads its model"
    engine.health = 200
    await looks(world, engine)
    assert world.board.states(("box",))["box"].phase == "half_open"


async def test_one_without_such_a_page_goes_by_the_clock(engine: Engine) -> None:
    world = World(engine)
    world.break_down("box")
    engine.health = 404
    await looks(world, engine)
    assert world.board.states(("box",))["box"].open_s == 5
    world.clock.at += 5
    assert world.board.states(("box",))["box"].phase == "half_open"


async def test_a_check_that_was_under_way_when_the_target_left_says_nothing(engine: Engine) -> None:
    world = World(engine)
    world.break_down("box")
    engine.health = None
    before = world.board.states(("box",))["box"].open_s
    policy = world.gateway.policy
    moved = msgspec.structs.replace(policy, targets={})

    def answer(call: HttpCall) -> Reply | UpstreamFailure:
        world.gateway.policy = moved
        return engine(call)

    world.places.answer = answer
    await watch._check(BOX, world.gateway)
    world.clock.at += before
    assert world.board.states(("box",))["box"].phase == "half_open"
