"""The machine behind a claim: what it can compute at most, and so how much of a model it can serve."""

import re
from fractions import Fraction
from typing import Any

import msgspec

from freehold.catalog.facts import Facts, Gpu
from freehold.core.errors import BadSettings
from freehold.plan.claims.kinds import FLOP_PER_PARAMETER, SECONDS_PER_DAY, TERA
from freehold.plan.claims.quantities import Gigabytes, Machines, Parameters, Quantity, Share, Tflops, exactly
from freehold.plan.claims.texts import parse
from freehold.plan.owning.capacity import USABLE_MEMORY, WEIGHT_BYTES, Precision


class RatingText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The highest figure published for the GPU's chip at any precision, and who published it."""

    per_gpu: Any
    source: str


class HardwareText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `hardware` section as written. `machine` is one machine's GPUs, such as 4x A10G."""

    model: str
    machine: str
    efficiency: Any
    precision: Precision = "bf16"
    machines: Any = "1 machine"
    best_rating: RatingText | None = None


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """`limits` are the inputs of the `serving` equation, its `peak` that of one machine; all figures dense, without sparsity.
    `best_rating` speaks for all machines; `memory` is what one of them has to use."""

    label: str
    model: str
    arithmetic: str
    limits: dict[str, Quantity]
    best_rating: Tflops | None
    best_rating_source: str
    gpu_source: str
    model_source: str
    weights: Gigabytes
    memory: Gigabytes

    @property
    def fits(self) -> bool:
        """Whether the weights leave any memory to work with."""
        return self.weights.low < self.memory.low

    def top_tokens_per_day(self) -> Fraction:
        """The most it serves, at the lower end of what is stated, if every second of the day is used."""
        computed = self.peak_tflops * TERA * self.limits["efficiency"].low * SECONDS_PER_DAY
        return computed / (FLOP_PER_PARAMETER * self.limits["parameters"].low)

    def tflops_for(self, tokens_per_day: Fraction) -> Fraction:
        """The arithmetic that this volume takes, spread evenly over the day."""
        return FLOP_PER_PARAMETER * self.limits["parameters"].low * tokens_per_day / SECONDS_PER_DAY / TERA

    @property
    def peak_tflops(self) -> Fraction:
        """Dense peak of all machines together."""
        return self.limits["peak"].low * self.limits["machines"].low


def read_hardware(text: HardwareText, facts: Facts) -> Hardware:
    """Look up the names. Raises BadSettings on an unknown one, or on a GPU without that arithmetic."""
    found = re.fullmatch(r"(\d{1,4})x (.+)", text.machine.strip())
    if found is None or not int(found[1]):
        raise BadSettings(f"hardware.machine is {text.machine!r}; give one machine's GPUs, such as 4x A10G")
    count, gpu, model = int(found[1]), facts.gpu(found[2]), facts.model(text.model)
    arithmetic = "bf16" if text.precision == "int4" else text.precision
    machines = parse(text.machines, (Machines,), "hardware.machines")
    efficiency = parse(text.efficiency, (Share,), "hardware.efficiency")
    total = count * machines.low
    rating = text.best_rating and parse(text.best_rating.per_gpu, (Tflops,), "hardware.best_rating.per_gpu")
    for field, stated in (("machines", machines), ("efficiency", efficiency), ("best_rating.per_gpu", rating)):
        if stated and not stated.low:
            raise BadSettings(f"hardware.{field} is 0; give more, such as {type(stated).example}")
    return Hardware(
        label=f"{count}x {gpu.gpu}" + (f" times {float(machines.low):g}" if machines.low != 1 else ""),
        model=model.model,
        arithmetic=arithmetic,
        limits={
            "parameters": exactly(Parameters, _exact(model.active_b) * 10**9),
            "peak": exactly(Tflops, _peak_tflops(gpu, arithmetic) * count),
            "machines": machines,
            "efficiency": efficiency,
        },
        best_rating=exactly(Tflops, rating.high * total) if rating else None,
        best_rating_source=text.best_rating.source if text.best_rating else "",
        gpu_source=gpu.source,
        model_source=model.source,
        weights=exactly(Gigabytes, _exact(model.params_b) * _exact(WEIGHT_BYTES[text.precision])),
        memory=exactly(Gigabytes, _exact(gpu.mem_gb) * count * _exact(USABLE_MEMORY)),
    )


def _peak_tflops(gpu: Gpu, arithmetic: str) -> Fraction:
    ratings = {"bf16": gpu.bf16_tflops_dense, "fp8": gpu.fp8_tflops_dense, "fp4": gpu.fp4_tflops_dense}
    rating = ratings[arithmetic]
    if not rating:
        raise BadSettings(f"hardware.precision is {arithmetic}, which {gpu.gpu} does not compute; use bf16 or int4")
    return _exact(rating)


def _exact(value: float) -> Fraction:
    """The decimal number that a fact table states, not the nearest binary one."""
    return Fraction(str(value))
