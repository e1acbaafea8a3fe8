"""Steady throughput with requests always waiting: how many sequences fit, and what their steps take on average."""

import math
from typing import Literal, TypeAlias

import msgspec

from freehold.core.errors import BadSettings
from freehold.rules.steptime.efficiency import EngineLimits
from freehold.rules.steptime.step import Parts, StepTime


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Requests alike: tokens in and out, the share (0-1) of the input found in the prefix cache, how many a copy has at once."""

    input_tokens: float
    output_tokens: float
    reused: float = 0.0
    concurrency: float = math.inf

    def __post_init__(self) -> None:
        for name, value, least in (
            ("isl", self.input_tokens, 1),
            ("osl", self.output_tokens, 1),
            ("concurrency", self.concurrency, 1),
        ):
            if not value >= least:
                raise BadSettings(f"{name} is {value:g}; give at least {least}")
        if not 0 <= self.reused < 1:
            raise BadSettings(f"the share of reused input is {self.reused:g}; give 0 to below 1")


BatchLimit: TypeAlias = Literal["kv memory", "concurrency", "sequences", "step tokens"]


class Steady(msgspec.Struct, frozen=True, kw_only=True):
    """A copy at work: output tokens/s, sequences that decode at once and what bounds them, the mean step and its parts."""

    output_tok_s: float
    batch: float
    batch_limit: BatchLimit
    step_s: float
    parts: Parts


def kv_room_bytes(step: StepTime, limits: EngineLimits) -> float:
    """Memory that the engine gives the KV cache of one copy; below 0 where not even the weights fit.

    Attention copied to each GPU (data parallelism) is held once by each of them.
    """
    layout, work = step.layout, step.work
    routed = work.routed * work.format.routed_bytes
    copied = (work.weight_bytes - routed) * layout.data
    whole, weights = step.gpu.mem_gb * 1e9 * layout.gpus, copied + routed
    return limits.usable_memory * (whole - weights) if limits.of_rest else limits.usable_memory * whole - weights


def kv_sequences(step: StepTime, limits: EngineLimits, shape: Shape) -> float:
    """Sequences of that shape whose KV cache, in whole blocks, fits beside the weights of one copy; 0 where none does."""
    kept = shape.input_tokens + limits.reserve * shape.output_tokens
    blocks = math.ceil(kept / limits.block_tokens) * limits.block_tokens
    # KV heads that do not divide further, and a latent, are copied to each GPU of a tensor group.
    copies = step.layout.tensor / (1 if step.work.latent else min(step.layout.tensor, step.work.kv_heads))
    room = kv_room_bytes(step, limits) / (step.work.kv_bytes(blocks) * copies)
    return room if room >= 1 else 0.0


def steady(step: StepTime, limits: EngineLimits, shape: Shape) -> Steady | None:
    """Throughput of one copy that always has requests waiting; None where not one fits.

    Prompts are prefilled in chunks that fill the step's token budget. A share of the steps carries such a chunk, the others
    only decode; where every step would have to carry one, fewer sequences decode.
    """
    room = kv_sequences(step, limits, shape)
    if room < 1:
        return None
    fresh = shape.input_tokens * (1 - shape.reused)
    per_output = fresh / shape.output_tokens
    budget = float(limits.step_tokens * step.layout.data)
    bounds: dict[BatchLimit, float] = {
        "kv memory": room,
        "concurrency": shape.concurrency,
        "sequences": float(limits.max_sequences * step.layout.data),
        "step tokens": budget / (1 + per_output),
    }
    bound = min(bounds, key=lambda name: bounds[name])
    batch = bounds[bound]
    chunk = budget - batch
    share = min(1.0, batch * per_output / chunk)
    # What a prompt's tokens attend to on average: its reused part, and half of the fresh one.
    pairs = chunk * (shape.input_tokens - fresh / 2)
    context = batch * (shape.input_tokens + shape.output_tokens / 2)
    full, plain = step.parts(chunk, batch, context, pairs), step.parts(0.0, batch, context, 0.0)
    mean = Parts(*(share * f + (1 - share) * p for f, p in zip(full, plain, strict=True)))
    return Steady(output_tok_s=batch / mean.total, batch=batch, batch_limit=bound, step_s=mean.total, parts=mean)
