"""Measure an owned engine, fit its constants, and check them on loads that were held out: what `freehold calibrate` does."""

import asyncio
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import msgspec

from freehold.app.engine_clock import watched
from freehold.core.errors import BadSettings
from freehold.core.target import Target
from freehold.lab.sweep import Engine, sweep
from freehold.plan.capacity.calibration.check import Check, Errors, check, repeats
from freehold.plan.capacity.calibration.design import PlannedLoad, planned_loads
from freehold.plan.capacity.calibration.fit import Fit, fit
from freehold.plan.capacity.calibration.imports import read_results, split
from freehold.plan.capacity.calibration.timings import Load

# Median errors on held-out loads up to which a calibration is kept without asking.
BARS = Errors(ttft=0.25, tpot=0.10, total=0.10)
_VERSION_S = 5.0


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """How much to measure: callers around `slots`, prompts and answers up to `isl` and `osl` tokens, `seconds` in `rounds`."""

    slots: int | None = None
    isl: int = 512
    osl: int = 128
    seconds: float = 60.0
    rounds: int = 6

    def __post_init__(self) -> None:
        if not 1 <= self.seconds <= 3600:
            raise BadSettings(f"seconds is {self.seconds:g}; give 1 to 3600")
        if not 1 <= self.rounds <= 20:
            raise BadSettings(f"rounds is {self.rounds}; give 1 to 20")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `good`: the held-out loads were met inside the bars.

    `repeats`: how far the same loads were from themselves. `waited`: the share of the time (0-1) in which the engine stood in
    line for a core, which is taken off all times; None where that is not to be seen.
    """

    fit: Fit
    fitted: Check
    held_out: Check
    requests: int
    good: bool
    repeats: Errors | None = None
    waited: float | None = None


def measured(engine: Engine, extent: Extent, progress: Callable[[float], None]) -> Outcome:
    """Sweep a running engine. Raises BadSettings where it does not answer as it must."""
    # Without a word on its slots, callers go up to what a small engine takes; a bound that is met is found in the answers.
    loads = planned_loads(extent.slots or 4, extent.isl, extent.osl)
    fitted, held_out, waited = asyncio.run(swept(engine, loads, extent, progress))
    return msgspec.structs.replace(outcome(fitted, held_out, extent.slots), waited=waited)


async def swept(
    engine: Engine, loads: Sequence[PlannedLoad], extent: Extent, progress: Callable[[float], None] = lambda _: None
) -> tuple[list[Load], list[Load], float | None]:
    """The measured loads (for the fit, held out) by the engine's own clock, and the share of the time it waited for a core; by
    our clock and None where that is not to be seen. Raises BadSettings where it does not answer as it must."""
    async with watched(engine.url) as watch:
        fitted, held_out = await sweep(engine, loads, extent.seconds, extent.rounds, progress)
    own = watch.engine_clock()
    if own is None:
        return fitted, held_out, None
    return [load.by(own.clock) for load in fitted], [load.by(own.clock) for load in held_out], own.waited


def imported(files: Sequence[Path], slots: int | None) -> Outcome:
    """The same of other tools' results. Raises BadSettings."""
    loads: list[Load] = []
    for file in files:
        try:
            loads += read_results(file.name, file.read_bytes())
        except OSError as error:
            raise BadSettings(f"cannot read {file}: {error.strerror}") from None
    return outcome(*split(loads), slots)


def outcome(fitted: Sequence[Load], held_out: Sequence[Load], slots: int | None) -> Outcome:
    """Fit, and check what the fit did not see. Raises BadSettings where the loads are too few or too alike."""
    found = fit(fitted, slots)
    seen, unseen = check(found.law, fitted), check(found.law, held_out)
    return Outcome(
        fit=found, fitted=seen, held_out=unseen,
        requests=sum(load.requests for load in (*seen.loads, *unseen.loads)),
        good=all(error <= bar for error, bar in zip(unseen.by_load, BARS, strict=True)), repeats=repeats([*fitted, *held_out]),
    )  # fmt: skip


def engine_of(target: Target) -> Engine:
    """How to ask an owned target as the gateway does. Raises BadSettings of a rented one."""
    if target.rented:
        raise BadSettings(f"target {target.name} is rented; calibrate measures owned engines, name one with engine: in its place")
    # A revision after @ is ours: engines know the model by the name before it.
    model = target.model.partition("@")[0]
    return Engine(url=target.url, model=model, key=None if target.secret is None else target.secret.reveal())


async def engine_version(engine: Engine) -> str | None:
    """What the engine says at /version, None where it has no such page."""
    parts = urlsplit(engine.url)
    timeout = aiohttp.ClientTimeout(total=_VERSION_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{parts.scheme}://{parts.netloc}/version") as reply,
        ):
            said = msgspec.json.decode(await reply.read(), type=dict[str, object]) if reply.status == 200 else {}
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    version = said.get("version")
    return version if isinstance(version, str) else None


def machine_of(engine: Engine, target: Target | None) -> str:
    """What the engine runs on: the target's hardware by its word, else this machine where it is this one, else unknown."""
    if target is not None and target.hardware is not None:
        return f"{target.hardware.count}x {target.hardware.gpu}"
    if urlsplit(engine.url).hostname in {"127.0.0.1", "localhost", "::1"}:
        return f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    return "unknown"
