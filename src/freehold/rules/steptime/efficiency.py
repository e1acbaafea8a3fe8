"""From the fitted constants to one family's efficiencies: what share of a datasheet figure an engine reaches there."""

from collections.abc import Mapping

import msgspec

from freehold.catalog.facts import Gpu
from freehold.rules.steptime.work import Work


class Efficiency(msgspec.Struct, frozen=True, kw_only=True):
    """Shares (0-1) of the datasheet figure, compute's after the power limit; `_s` are seconds; `speed` is against TensorRT-LLM.

    `overlap` is the share of the shorter of arithmetic and reading that hides behind the longer; `skew` the lasting
    coefficient of variation of how popular experts are. How each was fitted: docs/explain/capacity.md.
    """

    gemm: float
    experts: float
    memory: float
    attention: float
    link: float
    overlap: float
    step_s: float
    sequence_s: float
    allreduce_s: float
    skew: float
    speed: float


# All of the datasheet, everything hidden behind the longest, no engine: what no deployment can beat.
IDEAL = Efficiency(
    gemm=1.0,
    experts=1.0,
    memory=1.0,
    attention=1.0,
    link=1.0,
    overlap=1.0,
    step_s=0.0,
    sequence_s=0.0,
    allreduce_s=0.0,
    skew=0.0,
    speed=1.0,
)


class EngineLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine lets run at once.

    `reserve` is the share of the answer whose KV cache is set aside when a sequence starts: 1 never evicts, 0.5 is the mean of
    an engine that fills the memory and recomputes what it evicts. `usable_memory` is the share it takes of the nominal
    memory, or, with `of_rest`, the share for the cache of what the weights leave.
    """

    usable_memory: float
    of_rest: bool
    reserve: float
    max_sequences: int
    step_tokens: int
    block_tokens: int


def family_efficiency(constants: Mapping[str, float], engine: str, gpu: Gpu, work: Work) -> Efficiency:
    """The efficiencies of a family. A constant named `gemm.Ada` or `experts.mxfp4-Hopper` multiplies the one before the dot."""
    sparse = work.experts > 0
    emulated = f"experts.mxfp4-{gpu.arch}" if work.precision == "mxfp4" else ""
    return Efficiency(
        gemm=constants["gemm"] * constants.get(f"gemm.{gpu.arch}", 1.0) * constants.get(f"gemm.{work.precision}", 1.0),
        experts=constants["experts"] * constants.get(f"experts.{gpu.arch}", 1.0) * constants.get(emulated, 1.0),
        memory=constants["memory"],
        attention=constants["attention"],
        link=constants["link"],
        overlap=constants["overlap"],
        step_s=constants["step_s"] * (constants["step_s.experts"] if sparse else 1.0),
        sequence_s=constants["sequence_s"],
        allreduce_s=constants["allreduce_s"],
        skew=constants["skew"],
        speed=constants.get(f"speed.{engine}", 1.0),
    )
