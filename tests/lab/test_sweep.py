"""The sweep against the lab engine, whose constants are known: what it measures, and what it refuses."""

import asyncio

import pytest

from freehold.core.errors import BadSettings
from freehold.lab.engine import EngineSettings, build_engine
from freehold.lab.server import serving
from freehold.lab.sweep import Engine, sweep
from freehold.plan.capacity.calibration.check import check
from freehold.plan.capacity.calibration.design import planned_loads
from freehold.plan.capacity.calibration.fit import fit

TTFT_S, STEP_S = 0.06, 0.01
BARS = (0.08, 0.08, 0.08, 0.15)  # how far off: a step of one and of two, the time of a token and of an answer not fitted to
_TRIES = 3  # whatever else runs on the cores is part of one measurement, and seldom of three


async def test_the_lab_engines_constants_are_recovered() -> None:
    """Its step is the same for any batch, a prompt costs nothing, and the first token comes after a fixed time."""
    tried: list[tuple[float, ...]] = []
    async with serving(build_engine(EngineSettings(slots=2, ttft_ms=TTFT_S * 1e3, tokens_per_s=1 / STEP_S))) as url:
        for _ in range(_TRIES):
            shares: list[float] = []
            fitted, held_out = await sweep(Engine(url=url, model="lab-engine"), planned_loads(2, 32, 32), 4.0, 1, shares.append)
            assert shares == sorted(shares)
            assert shares[-1] == 1.0
            assert all(one.cached_tokens == 0 for load in fitted for one in load.timings)
            assert {one.output_tokens for load in fitted for one in load.timings} == {8, 32}
            law = fit(fitted, slots=2).law
            errors = check(law, held_out).by_load
            off = [abs(law.step_s(0, *batch) / STEP_S - 1) for batch in ((1, 32), (2, 64))]
            tried.append((*off, errors.tpot, errors.total))
            if all(error < bar for error, bar in zip(tried[-1], BARS, strict=True)):
                return
    raise AssertionError(f"none of {tried} is within {BARS}")


async def test_an_engine_that_is_not_there_or_refuses_is_one_line() -> None:
    loads = planned_loads(1, 16, 16)
    with pytest.raises(BadSettings, match=r"did not answer: .*is the engine up"):
        await sweep(Engine(url="http://127.0.0.1:9", model="m"), loads, 1.0)
    async with serving(build_engine(EngineSettings(key="secret"))) as url:
        with pytest.raises(BadSettings, match="answered 401"):
            await sweep(Engine(url=url, model="m"), loads, 1.0)
        key = Engine(url=f"{url}/v1", model="m", key="secret")
        fitted, _ = await asyncio.wait_for(sweep(key, loads[:1], 0.1, 1), 20)
        assert fitted[0].concurrency == 1
    async with serving(build_engine(EngineSettings(slots=1, queue_limit=0))) as url:
        with pytest.raises(BadSettings, match=r"answered 503: .*queue is full"):
            await sweep(Engine(url=url, model="m"), loads, 1.0)
    with pytest.raises(BadSettings, match="url is 'x'"):
        Engine(url="x", model="m")
