"""How fast one owned replica works: a documented first-cut figure from FLOPS, bandwidth and memory, behind a seam.

`Pace` is the seam: anything that can say how many replica-seconds a request takes. A simulator can stand in its place.
Formulas, defaults and their measured error: docs/explain/cost-model.md.
"""

from typing import Literal, Protocol, TypeAlias

import msgspec
import numpy as np

from freehold.catalog.facts import Gpu, ModelFacts
from freehold.core.errors import BadSettings
from freehold.plan.demand.traffic import Floats, Traffic
from freehold.plan.inputs import Source

Precision: TypeAlias = Literal["bf16", "fp8", "fp4", "int4"]

WEIGHT_BYTES: dict[Precision, float] = {"bf16": 2.0, "fp8": 1.0, "fp4": 0.5, "int4": 0.5}

# Share of the dense peak that prefill reaches, by architecture: BLIS's published priors for A100 and L40S, H100's elsewhere.
MFU = {"Ampere": 0.38, "Ada": 0.32}
MFU_ELSEWHERE = 0.45
BANDWIDTH_EFFICIENCY = 0.6
# What vLLM claims of a GPU's memory, and how many sequences it runs at once, unless told otherwise.
USABLE_MEMORY = 0.9
MAX_BATCH = 256


class Pace(Protocol):
    """How long one replica is busy with each request."""

    def replica_seconds(self, traffic: Traffic) -> tuple[Floats, Floats]:
        """Seconds of one whole replica per request: what its input takes, and what its output adds to that."""
        ...


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One replica: an exact model at one precision on `gpu_count` GPUs working as one."""

    model: ModelFacts
    precision: Precision
    gpu: Gpu
    gpu_count: int = 1

    def __post_init__(self) -> None:
        if self.gpu_count < 1 or self.gpu_count > 1024:
            raise BadSettings(f"gpu-count is {self.gpu_count}; give 1 to 1024 GPUs per replica")
        if self.precision not in WEIGHT_BYTES:
            raise BadSettings(f"unknown precision {self.precision!r}; use one of {', '.join(WEIGHT_BYTES)}")
        if self.peak_flops == 0:
            raise BadSettings(f"{self.gpu.gpu} has no {self.precision} arithmetic; use bf16 or int4")
        if self.kv_room_bytes <= 0:
            need, have = self.weight_bytes / 1e9, self.gpu.mem_gb * self.gpu_count * USABLE_MEMORY
            raise BadSettings(
                f"{self.model.model} at {self.precision} needs {need:,.0f} GB for its weights; {self.gpu_count}x {self.gpu.gpu} "
                f"has {have:,.0f} GB to use: more GPUs, a bigger one, or a lower precision"
            )

    @property
    def peak_flops(self) -> float:
        """Dense FLOP/s of all GPUs at this precision (int4 weights compute in bf16); 0 where the GPU lacks the format."""
        tflops = {"fp8": self.gpu.fp8_tflops_dense, "fp4": self.gpu.fp4_tflops_dense}
        return (tflops.get(self.precision, self.gpu.bf16_tflops_dense) or 0.0) * 1e12 * self.gpu_count

    @property
    def weight_bytes(self) -> float:
        """All weights, quantisation scales left out."""
        return self.model.params_b * 1e9 * WEIGHT_BYTES[self.precision]

    @property
    def kv_bytes_per_token(self) -> float:
        """KV cache in bf16, or in 8 bits where the arithmetic is 8 or 4 bits wide."""
        return self.model.kv_bytes_per_token_bf16 * (0.5 if self.precision in {"fp8", "fp4"} else 1.0)

    @property
    def kv_room_bytes(self) -> float:
        """Memory left for the KV cache."""
        return self.gpu.mem_gb * 1e9 * self.gpu_count * USABLE_MEMORY - self.weight_bytes

    @property
    def mfu(self) -> float:
        """Share of the dense peak assumed for prefill."""
        return MFU.get(self.gpu.arch, MFU_ELSEWHERE)

    @property
    def bandwidth_bytes_s(self) -> float:
        """Memory bandwidth of all GPUs, as assumed to be reached."""
        return self.gpu.mem_bw_gb_s * 1e9 * self.gpu_count * BANDWIDTH_EFFICIENCY

    def read_bytes(self, batch: int) -> float:
        """Weight bytes one decode step of that batch reads. Mixture-of-experts: the expected distinct experts under uniform
        routing, E(1 - (1 - a/E)^batch); so the active weights at batch 1 and all of them at a large batch."""
        model = self.model
        if model.experts == 0 or model.active_experts >= model.experts:
            return self.weight_bytes
        chosen = model.active_experts / model.experts
        experts_b = (model.params_b - model.active_b) / (1 - chosen)
        touched_b = experts_b * (1 - (1 - chosen) ** batch)
        return (model.params_b - experts_b + touched_b) * 1e9 * WEIGHT_BYTES[self.precision]


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """A constant pace: tokens/s of a replica that only prefills, and of one that only decodes at its full batch."""

    prefill_tok_s: float
    decode_tok_s: float
    batch: int = 0
    prefix_reuse: float = 0.0
    token_ratio: float = 1.0
    source: Source
    origin: str

    def replica_seconds(self, traffic: Traffic) -> tuple[Floats, Floats]:
        """token ratio x input x (1 - prefix reuse) / prefill, and token ratio x output / decode."""
        per_input = self.token_ratio * (1 - self.prefix_reuse) / self.prefill_tok_s
        prefill = np.asarray(traffic.input_tokens * per_input, dtype=np.float64)
        return prefill, np.asarray(traffic.output_tokens * (self.token_ratio / self.decode_tok_s), dtype=np.float64)


def estimate_rates(deployment: Deployment, traffic: Traffic) -> Rates:
    """The first-cut figure for requests as long as this traffic's.

    prefill = MFU x dense FLOPS / (2 x active parameters)
    decode  = B / max(bytes read / bandwidth, 2 x active parameters x B / (MFU x dense FLOPS)), B from the KV memory.
    Raises BadSettings when not even one request of mean length fits beside the weights.
    """
    context = _mean_context(traffic)
    batch = min(MAX_BATCH, int(deployment.kv_room_bytes // (context * deployment.kv_bytes_per_token)))
    if batch < 1:
        raise BadSettings(
            f"{deployment.gpu_count}x {deployment.gpu.gpu} has no room beside {deployment.model.model} for one request of "
            f"{context:,.0f} tokens: more GPUs, a bigger one, or a lower precision"
        )
    token_flop = 2 * deployment.model.active_b * 1e9
    flops = deployment.mfu * deployment.peak_flops
    moved = deployment.read_bytes(batch) + batch * context * deployment.kv_bytes_per_token
    step_s = max(moved / deployment.bandwidth_bytes_s, token_flop * batch / flops)
    return Rates(
        prefill_tok_s=flops / token_flop,
        decode_tok_s=batch / step_s,
        batch=batch,
        source="default",
        origin=(
            f"first-cut figure: MFU {deployment.mfu:g}, bandwidth efficiency {BANDWIDTH_EFFICIENCY:g}, "
            f"batch {batch} at {context:,.0f} tokens of context"
        ),
    )


def measured_rates(deployment: Deployment, prefill_tok_s: float, decode_tok_s: float) -> Rates:
    """Rates someone measured. Raises BadSettings when they exceed what the hardware's dense peak can compute."""
    token_flop = 2 * deployment.model.active_b * 1e9
    limit = deployment.peak_flops / token_flop
    for name, value in (("prefill-tok-s", prefill_tok_s), ("decode-tok-s", decode_tok_s)):
        if not 0 < value < float("inf"):
            raise BadSettings(f"{name} is {value:g}; give the measured tokens per second of one replica, above 0")
        if value > limit:
            raise BadSettings(
                f"{name} of {value:,.0f} needs {value * token_flop / 1e12:,.0f} TFLOPS; {deployment.gpu_count}x "
                f"{deployment.gpu.gpu} peaks at {deployment.peak_flops / 1e12:,.0f} dense {deployment.precision} TFLOPS, "
                f"so at most {limit:,.0f}"
            )
    return Rates(prefill_tok_s=prefill_tok_s, decode_tok_s=decode_tok_s, source="user", origin="stated as measured")


def _mean_context(traffic: Traffic) -> float:
    """Mean tokens in the cache per decode step: input plus half the output, weighted by the steps a request takes."""
    steps = traffic.output_tokens
    context = traffic.input_tokens + steps / 2
    total = int(steps.sum())
    return max(1.0, float((context * steps).sum() / total) if total else float(context.mean()))
