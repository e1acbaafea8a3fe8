"""Each way of laying a model on GPUs as an engine for the simulator: its step law and the memory it has for the cache.

A target that was measured is one such way: the machine it runs on, with the law that was found there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from freehold.catalog.efficiency import Fitted
from freehold.catalog.facts import Gpu, ModelFacts
from freehold.core.errors import BadSettings
from freehold.plan.amounts import percent
from freehold.plan.capacity.intervals import Family, judge, work_kind
from freehold.plan.capacity.layouts import layouts
from freehold.plan.capacity.measured import Measured
from freehold.plan.capacity.predict import engine_limits
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.fleet import Engine
from freehold.plan.capacity.sizing.steplaw import step_law
from freehold.rules.steptime.efficiency import family_efficiency
from freehold.rules.steptime.offline import Shape, kv_sequences
from freehold.rules.steptime.step import StepTime, fitted_to
from freehold.rules.steptime.work import model_work

# Mooncake's prefix blocks, the only ones that traces name.
PREFIX_TOKENS = 512


@dataclass(frozen=True)
class Served:
    """One replica: the model at a precision on one copy of a layout of `gpus`; `basis`: what the time of its steps rests on."""

    gpu: str
    precision: str
    layout: str
    gpus: int
    engine: Engine
    basis: str


def served(model: ModelFacts, gpu: Gpu, on: tuple[str, str], fitted: Fitted, arrivals: Arrivals) -> Iterator[Served]:
    """Every layout of that model on one node; `on` is precision and engine. None where nothing fits or the GPU lacks the format.

    Pipelines are left out: the step time knows no bubbles, so it has no latency for them. Raises BadSettings on unknown names.
    """
    precision, engine = on[0], fitted.engine(on[1])
    work = model_work(model, precision)
    try:
        work = fitted_to(work, gpu)
    except BadSettings:
        return
    constants = {name: constant.value for name, constant in fitted.constants.items()}
    efficiency = family_efficiency(constants, engine, gpu, work)
    family = Family(work=work_kind(work), arch=gpu.arch, precision=work.precision, engine=engine)
    basis = judge(1.0, family, "offline", fitted).words
    for layout in layouts(work, gpu, gpu.gpus_per_node):
        if layout.pipeline == 1:
            alone = msgspec.structs.replace(layout, replicas=1)
            step = StepTime(work=work, gpu=gpu, layout=alone, efficiency=efficiency)
            if made := _engine(step, fitted, engine, arrivals):
                yield Served(gpu.gpu, work.precision, alone.name, alone.gpus, made, basis)


def as_measured(measured: Measured) -> Served:
    """The target's own machine; nothing else is known of it."""
    gpu = measured.target if measured.hardware is None else measured.hardware.gpu
    return Served(gpu, "", "as measured", measured.gpus, measured.engine, measured.words)


def _engine(step: StepTime, fitted: Fitted, engine: str, arrivals: Arrivals) -> Engine | None:
    """The engine, its cache counted at the trace's mean lengths (a window keeps less of long requests); None where not one such
    request fits. The simulator grows each sequence's cache token by token, so that nothing is reserved beforehand."""
    limits = msgspec.structs.replace(engine_limits(fitted, engine), reserve=1.0)
    shape = Shape(input_tokens=float(arrivals.input_tokens.mean()), output_tokens=float(arrivals.output_tokens.mean()))
    block = limits.block_tokens
    kept = -(-(shape.input_tokens + shape.output_tokens) // block)
    blocks = int(kv_sequences(step, limits, shape) * kept)
    if not blocks:
        return None
    sequences, tokens = limits.max_sequences * step.layout.data, limits.step_tokens * step.layout.data
    return Engine(
        law=step_law(step, tokens),
        kv_blocks=blocks,
        block_tokens=block,
        max_sequences=sequences,
        step_tokens=tokens,
        prefix_tokens=PREFIX_TOKENS if len(arrivals.prefix_ids) and PREFIX_TOKENS % block == 0 else 0,
    )


def unknown_to(of: ModelFacts | Measured, arrivals: Arrivals) -> Sequence[str]:
    """What makes the answer weaker than it looks, one line each."""
    if not isinstance(of, Measured):
        return _too_long(arrivals, of.max_context, "model")
    doubts = [*_too_long(arrivals, of.context_tokens, "target")]
    if of.slots is None:
        doubts.append("no bound on the requests at once was met in the calibration; state the target's concurrency")
    if len(arrivals.prefix_ids):
        doubts.append("the measured law knows no prefix cache, so that every input is computed whole")
    return doubts


def _too_long(arrivals: Arrivals, most: int | None, whose: str) -> Sequence[str]:
    longer = 0.0 if most is None else float((arrivals.input_tokens + arrivals.output_tokens > most).mean())
    return [f"{percent(longer)} of the requests exceed the {whose}'s context of {most:,} tokens"] if longer else []
