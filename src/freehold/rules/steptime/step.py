"""The time of one engine step on one copy of a model: `StepTime.seconds`, and the resources it is made of.

One step prefills a chunk and decodes one token for each running sequence. Every term is affine in the context, so k equal
decode steps have a closed form. Formulas, sources and constants: docs/explain/capacity.md.
"""

import math
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from freehold.catalog.facts import Gpu
from freehold.core.errors import BadSettings
from freehold.rules.steptime.efficiency import Efficiency
from freehold.rules.steptime.layout import Layout
from freehold.rules.steptime.work import HEAD_BYTES, Arithmetic, Work

# Dense bf16 TFLOP per second and watt that a chip sustains inside its power limit; 8 bits do twice, 4 bits four times as much.
# Hopper and Blackwell: "C1 Result: Calibrated Performance Model", 2026-09-26. Where none is known, power is no limit.
TFLOPS_PER_WATT = {"Hopper": 1.117, "Blackwell": 1.250}
NARROWER = {"bf16": 1.0, "fp8": 2.0, "fp4": 4.0}
# Bytes of one activation between GPUs: bf16 in an all-reduce; 8 bits to the experts and bf16 back.
REDUCED_BYTES, DISPATCHED_BYTES = 2.0, 3.0


Limit: TypeAlias = Literal["compute", "power", "bandwidth", "link", "host"]


class Parts(NamedTuple):
    """Seconds of one step by resource. `compute` and `memory` are the weights' part after their overlap; `kv` reads the cache."""

    compute: float
    memory: float
    kv: float
    attention: float
    link: float
    host: float

    @property
    def total(self) -> float:
        """Seconds of the step."""
        return sum(self)


def peak_flops(gpu: Gpu, kind: Arithmetic) -> tuple[float, bool]:
    """Dense FLOP/s of one GPU, and whether power, not silicon, sets it. Raises BadSettings where the GPU lacks the format."""
    rated = {"bf16": gpu.bf16_tflops_dense, "fp8": gpu.fp8_tflops_dense, "fp4": gpu.fp4_tflops_dense}[kind]
    if not rated:
        raise BadSettings(f"{gpu.gpu} has no {kind} arithmetic; use bf16 or int4")
    powered = gpu.tdp_w * TFLOPS_PER_WATT.get(gpu.arch, math.inf) * NARROWER[kind]
    return min(rated, powered) * 1e12, powered < rated


def fitted_to(work: Work, gpu: Gpu) -> Work:
    """The work as that GPU does it: MXFP4 is unpacked to bf16 where there is no 8-bit arithmetic. Raises BadSettings where the
    GPU lacks the arithmetic a precision needs."""
    if work.precision == "mxfp4" and not gpu.fp8_tflops_dense:
        work = msgspec.structs.replace(work, format=msgspec.structs.replace(work.format, routed="bf16"))
    for kind in (work.format.always, work.format.routed):
        peak_flops(gpu, kind)
    return work


class StepTime(msgspec.Struct, frozen=True, kw_only=True):
    """One copy of a model, laid out on its GPUs."""

    work: Work
    gpu: Gpu
    layout: Layout
    efficiency: Efficiency

    def seconds(self, prefill_tokens: float, decode_batch: float, context_tokens: float, pairs: float) -> float:
        """Seconds of one step: see `parts`."""
        return self.parts(prefill_tokens, decode_batch, context_tokens, pairs).total

    def parts(self, prefill_tokens: float, decode_batch: float, context_tokens: float, pairs: float) -> Parts:
        """Seconds by resource of one step with `prefill_tokens` new prompt tokens, which attend to `pairs` tokens together
        (n after c cached ones: n x (c + n / 2)), and one token for each of `decode_batch` sequences that keep
        `context_tokens` together."""
        if prefill_tokens + decode_batch <= 0:
            return Parts(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        fit, tokens = self.efficiency, prefill_tokens + decode_batch
        compute, memory = self._weights(tokens, decode_batch)
        made = Parts(
            compute=compute,
            memory=memory,
            kv=self._kv(decode_batch, context_tokens),
            attention=self.work.prefill_flop(prefill_tokens, pairs) / self._attention_flops,
            link=self._link(tokens),
            host=fit.step_s * self.layout.pipeline + fit.sequence_s * decode_batch / self.layout.data,
        )
        return Parts(*(part / fit.speed for part in made))

    def decode_line(self, decode_batch: float, context_tokens: float) -> tuple[float, float]:
        """Seconds of a step that only decodes, and how many more each further token of context takes.

        k such steps without a finish take k x seconds + slope x decode_batch x k (k - 1) / 2, exactly, until a sequence
        outgrows its attention window.
        """
        now = self.seconds(0.0, decode_batch, context_tokens, 0.0)
        return now, (self.seconds(0.0, decode_batch, context_tokens + decode_batch, 0.0) - now) / decode_batch

    def limit(self, parts: Parts) -> Limit:
        """The resource that takes most of a step; compute is called power where the power limit sets its ceiling."""
        work, gpu = self.work, self.gpu
        powered = peak_flops(gpu, work.format.routed if work.experts else work.format.always)[1]
        shares: dict[Limit, float] = {
            "power" if powered else "compute": parts.compute + parts.attention,
            "bandwidth": parts.memory + parts.kv,
            "link": parts.link,
            "host": parts.host,
        }
        return max(shares, key=lambda name: shares[name])

    @property
    def _attention_flops(self) -> float:
        return peak_flops(self.gpu, "bf16")[0] * self.efficiency.attention * self.layout.gpus

    @property
    def _bandwidth(self) -> float:
        return self.gpu.mem_bw_gb_s * 1e9 * self.efficiency.memory

    def _weights(self, tokens: float, decode_batch: float) -> tuple[float, float]:
        """Seconds of the weights' matrix products: (beyond reading, reading). Arithmetic and reading overlap in part."""
        work, fit, layout = self.work, self.efficiency, self.layout
        gpus, form = layout.gpus, self.work.format
        always = 2 * work.always * tokens / (gpus * fit.gemm * peak_flops(self.gpu, form.always)[0])
        head = 2 * work.head * decode_batch / (gpus * fit.gemm * peak_flops(self.gpu, "bf16")[0])
        # A pipeline's stages read their part once for each of its micro-batches.
        always_read = (work.always * form.always_bytes + work.head * HEAD_BYTES) / layout.tensor / self._bandwidth
        compute, memory = _overlapped(always + head, always_read, fit.overlap)
        if work.experts:
            uneven = self._uneven(tokens)
            flops = gpus * fit.experts * fit.gemm * peak_flops(self.gpu, form.routed)[0]
            spread = layout.tensor * layout.data
            reached = work.routed * work.touched(tokens / layout.pipeline) * form.routed_bytes
            more, read = _overlapped(
                2 * work.routed_active * tokens * uneven / flops, reached / spread / self._bandwidth, fit.overlap
            )
            compute, memory = compute + more, memory + read
        return compute, memory

    def _uneven(self, tokens: float) -> float:
        """Load of the busiest group of experts over the mean: chance (normal approximation of a multinomial) and lasting skew."""
        groups = self.layout.expert
        if groups == 1:
            return 1.0
        chance = (groups - 1) / max(1.0, tokens * self.work.chosen)
        lasting = self.efficiency.skew**2 * groups / self.work.experts
        return min(float(groups), 1.0 + math.sqrt(2 * math.log(groups) * (chance + lasting)))

    def _kv(self, decode_batch: float, context_tokens: float) -> float:
        """Seconds to read the cache, or to multiply with it where that takes longer (latent attention with many heads)."""
        if decode_batch <= 0:
            return 0.0
        work, layout = self.work, self.layout
        spread = (1 if work.latent else min(layout.tensor, work.kv_heads)) * layout.data * layout.pipeline
        read = decode_batch * work.kv_bytes(context_tokens / decode_batch) / spread / self._bandwidth
        return max(read, work.decode_context_flop * context_tokens / self._attention_flops)

    def _link(self, tokens: float) -> float:
        """Seconds between GPUs: two ring all-reduces a layer under tensor parallelism, two all-to-alls between experts apart."""
        work, layout, fit = self.work, self.layout, self.efficiency
        link = (self.gpu.interconnect_gb_s_per_dir or self.gpu.pcie_gb_s_per_dir) * 1e9 * fit.link
        seconds = 0.0
        if layout.tensor > 1:
            ring = 2 * (layout.tensor - 1) / layout.tensor * work.hidden * REDUCED_BYTES
            seconds += 2 * work.layers * (ring * tokens / link / layout.pipeline + fit.allreduce_s)
        if layout.data > 1 and work.experts:
            reached = layout.data * (1 - (1 - 1 / layout.data) ** work.chosen) * (layout.data - 1) / layout.data
            sent = reached * work.hidden * DISPATCHED_BYTES * tokens / layout.data
            seconds += work.moe_layers * (sent / link + 2 * fit.allreduce_s)
        if layout.pipeline > 1:
            seconds += (layout.pipeline - 1) * work.hidden * REDUCED_BYTES * tokens / layout.pipeline / link
        return seconds


def _overlapped(compute: float, read: float, overlap: float) -> tuple[float, float]:
    """The longer of the two, and what of the shorter one does not hide behind it: (1 - overlap) of it."""
    if compute >= read:
        return compute, (1 - overlap) * read
    return (1 - overlap) * compute, read
