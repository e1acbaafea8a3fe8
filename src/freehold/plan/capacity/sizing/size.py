"""Size a model on a trace: for every GPU, layout and precision the replicas that keep the promise and what they cost a month."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from freehold.catalog.efficiency import Fitted
from freehold.catalog.facts import Facts
from freehold.core.errors import BadSettings
from freehold.plan.capacity.measured import Measured
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.sizing.fewest import MOST_REPLICAS, Promise, Trial, fewest, next_step
from freehold.plan.capacity.sizing.prices import Hire, Price, configured_machines, machines_for, prices
from freehold.plan.capacity.sizing.served import Served, as_measured, served


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sized. No `gpus`: all that somebody hires out. `replicas_max` bounds the search."""

    model: str
    promise: Promise
    gpus: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ("bf16", "fp8")
    engine: str = "vllm"
    replicas_max: int = 64
    hire: Hire = Hire()

    def __post_init__(self) -> None:
        if not 1 <= self.replicas_max <= MOST_REPLICAS:
            raise BadSettings(f"replicas-max is {self.replicas_max}; give 1 to {MOST_REPLICAS:,}")
        if not self.precisions:
            raise BadSettings("no precision is given; name one or more, such as fp8")


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU, layout and precision that keeps the promise with `trial.replicas`.

    `next_step`: the multiple of the traffic up to which it still does, where it was looked for; `prices`: by seller, the cheapest
    first; `basis`: what the step time rests on.
    """

    gpu: str
    precision: str
    layout: str
    gpus_per_replica: int
    trial: Trial
    prices: tuple[Price, ...]
    basis: str
    next_step: float | None = None

    @property
    def utilisation(self) -> float | None:
        """The traffic over the most that these replicas carry inside the promise; None where that was not looked for."""
        return None if self.next_step is None else 1 / self.next_step

    @property
    def gpus(self) -> int:
        """GPUs of all replicas."""
        return self.trial.replicas * self.gpus_per_replica

    @property
    def nanousd_month(self) -> int | None:
        """At the cheapest seller; None where nobody lists a price."""
        return self.prices[0].nanousd_month if self.prices else None


class Sizing(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: configurations that keep the promise, the cheapest first, those without a price last. `tried`: how many
    layouts had room for the model; `without`: GPUs with none, or none that keeps the promise with the replicas allowed.

    `measured`: the target that was asked for instead of the catalogue; `cautious_replicas` of it keep the promise with its times
    at the far end of their intervals (None: not so many as allowed).
    """

    asked: Asked
    requests: int
    configurations: tuple[Configuration, ...]
    tried: int
    without: tuple[str, ...]
    measured: Measured | None = None
    cautious_replicas: int | None = None

    @property
    def cheapest(self) -> Configuration | None:
        """The one to hire; None where nothing with a price keeps the promise. A measured target is there, priced or not."""
        return next((one for one in self.configurations if one.prices or self.measured), None)


@dataclass(frozen=True)
class Ground:
    """What every sizing stands on: the catalogue, the fitted constants, the requests, or a measured target in place of the first
    two."""

    facts: Facts
    fitted: Fitted
    arrivals: Arrivals
    measured: Measured | None = None

    def __post_init__(self) -> None:
        if len(self.arrivals) < 2:
            raise BadSettings("the traffic has fewer than two requests; a fleet is sized for a rate")


def size(
    asked: Asked, ground: Ground, tell: Callable[[int, int], None] = lambda done, total: None, *, steps: bool = True
) -> Sizing:
    """Try every layout; `tell` hears how many of how many are done. `steps`: look for where the next step lies, in the cheapest
    layout of each GPU and precision. Raises BadSettings on unknown names and without numba."""
    ways = [as_measured(ground.measured)] if ground.measured else list(_ways(asked, ground))
    found: list[tuple[Served, Configuration]] = []
    for done, way in enumerate(ways):
        tell(done, len(ways))
        if trial := fewest(way.engine, ground.arrivals, asked.promise, asked.replicas_max):
            found.append((way, _configuration(way, trial, asked, ground)))
    tell(len(ways), len(ways))
    found.sort(key=lambda one: _cheap_first(one[1]))
    configurations = tuple(_with_next_steps(found, asked, ground) if steps else (one for _, one in found))
    keeping = {one.gpu for one in configurations}
    wanted = [way.gpu for way in ways] if ground.measured else _gpus(asked, ground.facts)
    return Sizing(
        asked=asked,
        requests=len(ground.arrivals),
        configurations=configurations,
        tried=len(ways),
        without=tuple(gpu for gpu in wanted if gpu not in keeping),
        measured=ground.measured,
        cautious_replicas=_cautious(ground.measured, asked, ground.arrivals) if ground.measured and configurations else None,
    )


def _cautious(measured: Measured, asked: Asked, arrivals: Arrivals) -> int | None:
    """Times that are longer by a share keep a promise where those of the law keep one that is shorter by it."""
    promise, longer = asked.promise, measured.longer
    tighter = msgspec.structs.replace(
        promise, ttft_s=promise.ttft_s / (1 + longer.ttft), tpot_s=promise.tpot_s / (1 + longer.tpot)
    )
    found = fewest(measured.engine, arrivals, tighter, asked.replicas_max)
    return None if found is None else found.replicas


def _ways(asked: Asked, ground: Ground) -> Iterator[Served]:
    model = ground.facts.model(asked.model)
    ground.fitted.engine(asked.engine)
    for gpu in _gpus(asked, ground.facts):
        for precision in asked.precisions:
            yield from served(model, ground.facts.gpu(gpu), (precision, asked.engine), ground.fitted, ground.arrivals)


def _gpus(asked: Asked, facts: Facts) -> Sequence[str]:
    """The GPUs asked for, or all with a price by that plan at that seller."""
    if asked.gpus:
        return tuple(dict.fromkeys(facts.gpu(name).gpu for name in asked.gpus))
    return [gpu for gpu in facts.gpus if facts.offers(gpu, asked.hire.provider) and machines_for(facts, gpu, 1, asked.hire)]


def _configuration(way: Served, trial: Trial, asked: Asked, ground: Ground) -> Configuration:
    if ground.measured is None:
        machines = machines_for(ground.facts, way.gpu, way.gpus, asked.hire)
    else:
        machines = configured_machines(ground.measured.hardware)
    return Configuration(
        gpu=way.gpu,
        precision=way.precision,
        layout=way.layout,
        gpus_per_replica=way.gpus,
        trial=trial,
        prices=prices(machines, way.gpus, trial.replicas, asked.hire),
        basis=way.basis,
    )


def _cheap_first(one: Configuration) -> tuple[bool, int, int]:
    return one.nanousd_month is None, one.nanousd_month or 0, one.gpus


def _with_next_steps(found: Sequence[tuple[Served, Configuration]], asked: Asked, ground: Ground) -> Iterator[Configuration]:
    seen: set[tuple[str, str]] = set()
    for way, one in found:
        if (one.gpu, one.precision) in seen:
            yield one
        else:
            seen.add((one.gpu, one.precision))
            step = next_step(way.engine, ground.arrivals, asked.promise, one.trial.replicas)
            yield msgspec.structs.replace(one, next_step=step)
