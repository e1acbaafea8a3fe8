"""Whether the simulation can say how fast a way of owning is, and what it says; or else why the first-cut figure stays."""

from dataclasses import dataclass

import msgspec

from freehold.catalog.efficiency import Fitted
from freehold.core.errors import BadSettings
from freehold.plan.capacity.intervals import Family, judge, work_kind
from freehold.plan.capacity.sizing.pace import Simulated, arrivals_of_traffic, simulated_pace
from freehold.plan.capacity.sizing.served import served
from freehold.plan.demand.traffic import Traffic
from freehold.plan.owning.capacity import Deployment, Rates
from freehold.rules.steptime.work import model_work


@dataclass(frozen=True)
class Simulating:
    """The fitted constants, the engine that would run, and the time per token that full replicas keep."""

    fitted: Fitted
    engine: str = "vllm"
    tpot_s: float = 0.05


@dataclass(frozen=True)
class Paced:
    """Rates of a replica, and where they are simulated the highest use and the 80 % interval around the rates (times them).
    `words`: what the plan says about it."""

    rates: Rates
    words: str
    highest_use: float | None = None
    interval: tuple[float, float] | None = None


def paced(deployment: Deployment, traffic: Traffic, how: Simulating, estimate: Rates) -> Paced:
    """The simulated pace where published curves cover the family and the layout is a plain one; else the estimate and why."""
    try:
        made, interval = _simulated(deployment, traffic, how)
    except BadSettings as error:
        return Paced(estimate, f"capacity is the first-cut figure, not simulated: {error.message}")
    use = "the highest use cannot be told" if made.highest_use is None else f"highest use {made.highest_use:.0%}"
    words = (
        f"simulated with {how.engine}: {made.concurrency} requests at once keep {1000 * how.tpot_s:g} ms a token; spill and "
        f"steps follow from it; {use}"
    )
    return Paced(made.rates, words, made.highest_use, interval)


def _simulated(deployment: Deployment, traffic: Traffic, how: Simulating) -> tuple[Simulated, tuple[float, float]]:
    """Raises BadSettings saying why it cannot be."""
    fitted, gpu = how.fitted, deployment.gpu
    work = model_work(deployment.model, deployment.precision)
    family = Family(work=work_kind(work), arch=gpu.arch, precision=work.precision, engine=fitted.engine(how.engine))
    if missing := [part for part in family.parts if part not in _covered(fitted)]:
        raise BadSettings(f"no published curve of {' or of '.join(missing)}")
    arrivals = arrivals_of_traffic(traffic)
    ways = served(deployment.model, gpu, (deployment.precision, how.engine), fitted, arrivals)
    way = next((way for way in ways if way.layout.gpus == deployment.gpu_count), None)
    if way is None:
        raise BadSettings(f"{deployment.gpu_count}x {gpu.gpu} is no layout that it knows for the model")
    judged = judge(1.0, family, "offline", fitted)
    return simulated_pace(way.engine, traffic, how.tpot_s), (judged.low80, judged.high80)


def _covered(fitted: Fitted) -> set[str]:
    families = (
        msgspec.convert(dict(zip(Family.__struct_fields__, name.split("/"), strict=True)), Family) for name in fitted.covered
    )
    return {part for family in families for part in family.parts}
