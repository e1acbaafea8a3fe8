"""Whether the simulation can say how fast a way of owning is, and what it says; or else why the first-cut figure stays.

Where a target on that very machine was calibrated, its own law is simulated in place of the catalogue's.
"""

from dataclasses import dataclass

import msgspec

from freehold.catalog.efficiency import Fitted
from freehold.core.errors import BadSettings
from freehold.plan.capacity.intervals import Family, judge, work_kind
from freehold.plan.capacity.measured import Measured
from freehold.plan.capacity.simulator.compiling import compiled
from freehold.plan.capacity.sizing.pace import Simulated, arrivals_of_traffic, simulated_pace
from freehold.plan.capacity.sizing.served import served
from freehold.plan.demand.traffic import Traffic
from freehold.plan.inputs import Source
from freehold.plan.owning.capacity import Deployment, Rates
from freehold.rules.steptime.work import model_work


@dataclass(frozen=True)
class Simulating:
    """The fitted constants, the engine that would run, the time per token that full replicas keep, and what was measured."""

    fitted: Fitted
    engine: str = "vllm"
    tpot_s: float = 0.05
    measured: tuple[Measured, ...] = ()

    def of(self, deployment: Deployment) -> Measured | None:
        """The first target that was measured with this model on this machine."""
        wanted = (deployment.model.model, deployment.gpu.gpu, deployment.gpu_count)
        return next((one for one in self.measured if one.hardware and (one.model, one.hardware.gpu, one.gpus) == wanted), None)


@dataclass(frozen=True)
class Paced:
    """Rates of a replica, and where they are simulated the highest use and the 80 % interval around the rates (times them).
    `words`: what the plan says about it, and `source`: on whose word."""

    rates: Rates
    words: str
    highest_use: float | None = None
    interval: tuple[float, float] | None = None
    source: Source = "default"


def paced(deployment: Deployment, traffic: Traffic, how: Simulating, estimate: Rates) -> Paced:
    """The simulated pace where the machine was calibrated, or where published curves cover the family and the layout is a plain
    one; else the estimate and why.

    Raises BadSettings where the machine was calibrated and does not keep the time per token: the estimate must not hide that.
    """
    measured = how.of(deployment)
    try:
        if measured is None:
            return _by_published_curves(deployment, traffic, how)
        compiled()
    except BadSettings as error:
        return Paced(estimate, f"capacity is the first-cut figure, not simulated: {error.message}")
    return _by_measured_law(measured, traffic, how)


def _by_published_curves(deployment: Deployment, traffic: Traffic, how: Simulating) -> Paced:
    """Raises BadSettings saying why it cannot be."""
    fitted, gpu = how.fitted, deployment.gpu
    work = model_work(deployment.model, deployment.precision)
    family = Family(work=work_kind(work), arch=gpu.arch, precision=work.precision, engine=fitted.engine(how.engine))
    if missing := [part for part in family.parts if part not in _covered(fitted)]:
        raise BadSettings(f"no published curve of {' or of '.join(missing)}")
    arrivals = arrivals_of_traffic(traffic)
    ways = served(deployment.model, gpu, (deployment.precision, how.engine), fitted, arrivals)
    way = next((way for way in ways if way.gpus == deployment.gpu_count), None)
    if way is None:
        raise BadSettings(f"{deployment.gpu_count}x {gpu.gpu} is no layout that it knows for the model")
    judged, made = judge(1.0, family, "offline", fitted), simulated_pace(way.engine, traffic, how.tpot_s)
    return Paced(made.rates, f"simulated with {how.engine}: {_words(made, how)}", made.highest_use, (judged.low80, judged.high80))


def _by_measured_law(measured: Measured, traffic: Traffic, how: Simulating) -> Paced:
    made = simulated_pace(measured.engine, traffic, how.tpot_s)
    origin = f"simulated from the calibration of {measured.target} on {measured.date}"
    rates = msgspec.structs.replace(made.rates, source="measured", origin=origin)
    words = f"simulated by the law of {measured.target}, {measured.words}: {_words(made, how)}"
    return Paced(rates, words, made.highest_use, measured.interval(1.0, measured.missed.total), "measured")


def _words(made: Simulated, how: Simulating) -> str:
    use = "the highest use cannot be told" if made.highest_use is None else f"highest use {made.highest_use:.0%}"
    return f"{made.concurrency} requests at once keep {1000 * how.tpot_s:g} ms a token; spill and steps follow from it; {use}"


def _covered(fitted: Fitted) -> set[str]:
    families = (
        msgspec.convert(dict(zip(Family.__struct_fields__, name.split("/"), strict=True)), Family) for name in fitted.covered
    )
    return {part for family in families for part in family.parts}
