"""What a model on so many GPUs puts out: the best layout, tokens per second, the interval, and what limits it."""

import math

import msgspec

from freehold.catalog.efficiency import Fitted
from freehold.catalog.facts import Gpu, ModelFacts
from freehold.core.errors import BadSettings
from freehold.plan.capacity.intervals import Family, judge, work_kind
from freehold.plan.capacity.layouts import layouts
from freehold.rules.steptime.efficiency import IDEAL, Efficiency, EngineLimits, family_efficiency
from freehold.rules.steptime.layout import Layout
from freehold.rules.steptime.offline import BatchLimit, Shape, Steady, steady
from freehold.rules.steptime.step import Limit, StepTime, fitted_to
from freehold.rules.steptime.work import Work, model_work

MOST_GPUS = 100_000


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be predicted: a model at a precision on `count` GPUs with an engine; the layout is chosen unless stated."""

    model: ModelFacts
    precision: str
    gpu: Gpu
    count: int
    engine: str
    layout: Layout | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_GPUS:
            raise BadSettings(f"count is {self.count}; give 1 to {MOST_GPUS:,} GPUs")


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """Output tokens/s of the whole deployment with its 80 % interval, and the `ceiling_tok_s` that its FLOPs and bytes allow.

    `limit` is what takes most of a step, `batch` and `batch_limit` how many sequences a copy decodes at once and why not more,
    `basis` what the interval rests on.
    """

    output_tok_s: float
    low80: float
    high80: float
    ceiling_tok_s: float
    limit: Limit
    layout: str
    batch: float
    batch_limit: BatchLimit
    step_s: float
    basis: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The best layout at work; `busy` of its copies have requests."""

    step: StepTime
    limits: EngineLimits
    steady: Steady
    busy: float

    @property
    def output_tok_s(self) -> float:
        """Output tokens/s of all copies."""
        return self.busy * self.steady.output_tok_s


def predict(asked: Deployment, shape: Shape, fitted: Fitted, scenario: str = "offline") -> Prediction:
    """Steady output of a deployment. Raises BadSettings where the model, its context or its cache does not fit."""
    engine = fitted.engine(asked.engine)
    found = best(asked, shape, fitted)
    work = found.step.work
    family = Family(work=work_kind(work), arch=asked.gpu.arch, precision=work.precision, engine=engine)
    judged = judge(found.output_tok_s, family, scenario, fitted)
    most = ceiling(asked, shape, fitted)
    return Prediction(
        output_tok_s=judged.middle,
        low80=judged.low80,
        high80=min(judged.high80, max(most, judged.middle)),
        ceiling_tok_s=most,
        limit=found.step.limit(found.steady.parts),
        layout=found.step.layout.name,
        batch=found.steady.batch,
        batch_limit=found.steady.batch_limit,
        step_s=found.steady.step_s,
        basis=judged.words,
    )


def best(asked: Deployment, shape: Shape, fitted: Fitted) -> Found:
    """The stated layout, or the one with the most output; the fewest GPUs per copy among equals. Raises BadSettings."""
    longest = shape.input_tokens + shape.output_tokens
    if longest > asked.model.max_context:
        raise BadSettings(
            f"isl + osl is {longest:,.0f} tokens; {asked.model.model} was made for at most {asked.model.max_context:,}"
        )
    engine = fitted.engine(asked.engine)
    values = {name: constant.value for name, constant in fitted.constants.items()}
    work = fitted_to(model_work(asked.model, asked.precision), asked.gpu)
    efficiency = family_efficiency(values, engine, asked.gpu, work)
    return _best(asked, shape, (work, efficiency, engine_limits(fitted, engine)))


def ceiling(asked: Deployment, shape: Shape, fitted: Fitted) -> float:
    """The most output tokens/s that FLOPs, bytes and memory allow at the whole datasheet figure, whatever the engine.

    A claim above it is not a matter of tuning. Raises BadSettings where nothing fits.
    """
    limits = msgspec.structs.replace(
        engine_limits(fitted, fitted.engine(asked.engine)),
        usable_memory=1.0,
        reserve=0.5,
        max_sequences=1 << 20,
        step_tokens=1 << 21,
    )
    work = fitted_to(model_work(asked.model, asked.precision), asked.gpu)
    return _best(asked, shape, (work, IDEAL, limits)).output_tok_s


def _best(asked: Deployment, shape: Shape, at: tuple[Work, Efficiency, EngineLimits]) -> Found:
    work, efficiency, limits = at
    tried = [asked.layout] if asked.layout else list(layouts(work, asked.gpu, asked.count))
    found = []
    for layout in tried:
        step = StepTime(work=work, gpu=asked.gpu, layout=layout, efficiency=efficiency)
        busy = min(float(layout.replicas), shape.concurrency)
        at_work = steady(step, limits, msgspec.structs.replace(shape, concurrency=shape.concurrency / busy))
        if at_work is not None:
            found.append(Found(step=step, limits=limits, steady=at_work, busy=busy))
    if not found:
        raise BadSettings(_too_small(asked, shape, (work, limits), max(tried, key=lambda layout: layout.gpus)))
    return max(found, key=lambda one: (one.output_tok_s, -one.step.layout.gpus))


def engine_limits(fitted: Fitted, engine: str) -> EngineLimits:
    """What that engine lets run at once."""
    facts = fitted.engines[engine]
    return EngineLimits(
        usable_memory=fitted.constants["usable_memory"].value,
        of_rest=facts.of_rest,
        reserve=facts.reserve,
        max_sequences=facts.max_sequences,
        step_tokens=facts.step_tokens,
        block_tokens=facts.block_tokens,
    )


def _too_small(asked: Deployment, shape: Shape, at: tuple[Work, EngineLimits], widest: Layout) -> str:
    work, limits = at
    context = math.ceil(shape.input_tokens + limits.reserve * shape.output_tokens)
    cache = work.kv_bytes(context) / limits.usable_memory
    need = work.weight_bytes / (1.0 if limits.of_rest else limits.usable_memory) + cache
    return (
        f"{asked.model.model} at {work.precision} needs {need / 1e9:,.0f} GB or more for its weights, one request of {context:,} "
        f"tokens and the engine; one copy on {widest.gpus}x {asked.gpu.gpu} ({msgspec.structs.replace(widest, replicas=1).name}) "
        f"has {widest.gpus * asked.gpu.mem_gb:,.0f} GB: {'' if widest.gpus < asked.count else 'more GPUs, '}a bigger one, or a "
        "lower precision"
    )
