"""What one token costs a model, before any hardware: parameters touched, KV bytes kept, attention arithmetic.

Formulas and their sources: docs/explain/capacity.md.
"""

from typing import Literal, TypeAlias

import msgspec

from freehold.catalog.facts import ModelFacts
from freehold.core.errors import BadSettings

Arithmetic: TypeAlias = Literal["bf16", "fp8", "fp4"]


class Format(msgspec.Struct, frozen=True):
    """One way of storing a model: bytes per parameter outside and inside the experts and per KV element, and the arithmetic."""

    always_bytes: float
    routed_bytes: float
    kv_bytes: float
    always: Arithmetic
    routed: Arithmetic


# Block scales are counted: NVFP4 keeps 8 bits for 16 weights, MXFP4 8 bits for 32, int4 a 16-bit scale for 128 (AWQ, GPTQ).
# MXFP4 checkpoints (gpt-oss) quantise the experts alone and multiply them with 8-bit activations.
FORMATS: dict[str, Format] = {
    "bf16": Format(2.0, 2.0, 2.0, "bf16", "bf16"),
    "fp8": Format(1.0, 1.0, 1.0, "fp8", "fp8"),
    "fp4": Format(0.5625, 0.5625, 1.0, "fp4", "fp4"),
    "mxfp4": Format(2.0, 0.53125, 1.0, "bf16", "fp8"),
    "int4": Format(0.515625, 0.515625, 2.0, "bf16", "bf16"),
}
# The embedding and the output head stay in bf16 in every published checkpoint.
HEAD_BYTES = 2.0


def precision_name(precision: str) -> str:
    """The name a precision is filed under; a remark in brackets is ignored. Raises BadSettings naming those there are."""
    name = precision.partition("(")[0].strip().lower()
    if name not in FORMATS:
        raise BadSettings(f"unknown precision {precision!r}; use one of {', '.join(FORMATS)}")
    return name


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A model at one precision. Parameters are counts; `_bytes` are bytes; FLOPs are multiply and add counted as two."""

    precision: str
    format: Format
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    latent: bool
    always: float
    head: float
    embedding: float
    routed: float
    routed_active: float
    experts: int
    chosen: int
    moe_layers: int
    kv_wide_bytes: float
    kv_window_bytes: float
    window: float
    pair_wide_flop: float
    pair_window_flop: float
    decode_context_flop: float

    @property
    def weight_bytes(self) -> float:
        """All weights in memory."""
        own = self.always * self.format.always_bytes + self.routed * self.format.routed_bytes
        return own + self.embedding * HEAD_BYTES

    def kv_bytes(self, context: float) -> float:
        """KV cache of one sequence of so many tokens: layers with a window keep no more than the window."""
        return self.kv_wide_bytes * context + self.kv_window_bytes * min(context, self.window)

    def touched(self, tokens: float) -> float:
        """Expected share (0-1) of the routed experts that a batch of tokens reaches under uniform routing."""
        if self.experts == 0 or tokens <= 0:
            return 0.0
        return float(1.0 - (1.0 - self.chosen / self.experts) ** tokens)

    def prefill_flop(self, tokens: float, pairs: float) -> float:
        """Attention FLOPs of `tokens` new ones that attend to `pairs` tokens together; windows hold each to its nearest."""
        return self.pair_wide_flop * pairs + self.pair_window_flop * min(pairs, tokens * self.window)


def model_work(model: ModelFacts, precision: str) -> Work:
    """The work of a catalogued model. Routed parameters follow from total and active ones: (total - active) / (1 - k/E)."""
    name = precision_name(precision)
    kind = FORMATS[name]
    head = float(model.vocab * model.hidden)
    embedding = head * (1 if model.tied_embeddings else 2)
    sparse = model.experts > 0 and model.active_experts < model.experts
    total, active = model.params_b * 1e9, model.active_b * 1e9
    routed = (total - active) / (1 - model.active_experts / model.experts) if sparse else 0.0
    routed_active = routed * model.active_experts / model.experts if sparse else 0.0
    latent = model.kv_lora_rank is not None
    rope, value = model.qk_rope_head_dim or 0, model.v_head_dim or model.head_dim
    local = model.window_layers / model.layers
    kv = model.kv_bytes_per_token_bf16 * kind.kv_bytes / 2.0
    pair = 2.0 * model.heads * (model.head_dim + value) * model.layers
    absorbed = 2.0 * model.heads * (2 * (model.kv_lora_rank or 0) + rope) * model.layers
    return Work(
        precision=name,
        format=kind,
        layers=model.layers,
        hidden=model.hidden,
        heads=model.heads,
        kv_heads=model.kv_heads,
        latent=latent,
        always=total - embedding - routed,
        head=head,
        embedding=embedding,
        routed=routed,
        routed_active=routed_active,
        experts=model.experts if sparse else 0,
        chosen=model.active_experts if sparse else 0,
        moe_layers=model.layers - (model.dense_layers or 0) if sparse else 0,
        kv_wide_bytes=kv * (1 - local),
        kv_window_bytes=kv * local,
        window=float(model.sliding_window or model.max_context),
        pair_wide_flop=pair * (1 - local),
        pair_window_flop=pair * local,
        decode_context_flop=absorbed if latent else pair,
    )
