"""Train a ticket model of the bundled one's shape from scratch, and write it as GGUF: its words, its template, other numbers.

Runs in an environment of its own, which `benchmarks.ticket_model` makes: `ticket_training.py OUT.gguf --phrases 3`.
"""

import argparse
import json
import random
import sys
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import jax
import jax.numpy as jnp
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from freehold.lab.tickets import ticket

BUNDLED = Path(__file__).parents[1] / "src/freehold/serve/engines/data/tiny-tickets-35k-q8_0.gguf"
HEADS, HEAD, LAYERS, EPSILON, ROPE = 2, 16, 2, 1e-5, 10_000.0  # as its header says
TRAINED_ON, BATCH, STEPS, PEAK, WARM = 6_000, 64, 800, 4e-3, 100


def main() -> int:
    """Exit 0 once it is written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--phrases", type=int, default=3, help="of each label's five, how many it ever sees")
    asked = parser.parse_args()
    bundled = gguf.GGUFReader(BUNDLED)
    words = tokenizer(bundled)
    source = random.Random(1)
    data = encoded(words, [ticket(source, asked.phrases) for _ in range(TRAINED_ON)])
    tensors = trained(started(bundled), data)
    write(asked.out, bundled, tensors, f"tiny-tickets-{asked.phrases}-phrases")
    return 0


def tokenizer(bundled: gguf.GGUFReader) -> Tokenizer:
    """The bundled model's own."""
    held = {name: bundled.fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "merges", "token_type")}
    vocabulary = {token: at for at, token in enumerate(held["tokens"])}
    made = Tokenizer(models.BPE(vocabulary, [tuple(merge.split(" ")) for merge in held["merges"]]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    control = int(gguf.TokenType.CONTROL)
    made.add_special_tokens([token for token, kind in zip(held["tokens"], held["token_type"], strict=True) if kind == control])
    return made


def encoded(words: Tokenizer, tickets: list[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    """(tickets, longest) token ids, and which of them, all but the first, are an answer's and so to be learnt."""
    rows, wanted = [], []
    for text, label in tickets:
        prompt = f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
        head = words.encode(prompt).ids
        whole = words.encode(f"{prompt}{json.dumps({'label': label})}<|im_end|>").ids
        assert whole[: len(head)] == head, "the answer goes on where the prompt ends"
        rows.append(whole)
        wanted.append([at >= len(head) for at in range(len(whole))])
    longest = max(map(len, rows))
    return (
        np.array([row + [0] * (longest - len(row)) for row in rows]),
        np.array([row + [False] * (longest - len(row)) for row in wanted]),
    )


def started(bundled: gguf.GGUFReader) -> dict[str, jax.Array]:
    """Random numbers in the bundled model's shapes; norms begin at one."""
    draw = np.random.default_rng(1)
    made = {}
    for tensor in bundled.tensors:
        shape = tuple(int(size) for size in reversed(tensor.shape))
        values = np.ones(shape) if len(shape) == 1 else draw.standard_normal(shape) * 0.02
        made[tensor.name] = jnp.asarray(values, dtype=jnp.float32)
    return made


def logits(weights: dict[str, jax.Array], ids: jax.Array) -> jax.Array:
    """(batch, places, words): a llama as llama.cpp computes it, with neighbours turned together in the rotary embedding."""
    places = ids.shape[1]
    angles = jnp.arange(places)[:, None] * ROPE ** (-jnp.arange(0, HEAD, 2) / HEAD)
    later = jnp.triu(jnp.full((places, places), -1e9), 1)
    x = weights["token_embd.weight"][ids]
    for layer in range(LAYERS):
        part = {name.removeprefix(f"blk.{layer}."): value for name, value in weights.items() if name.startswith(f"blk.{layer}.")}
        at = _normed(x, part["attn_norm.weight"])
        query = _turned((at @ part["attn_q.weight"].T).reshape(*ids.shape, HEADS, HEAD), angles)
        key = _turned((at @ part["attn_k.weight"].T).reshape(*ids.shape, 1, HEAD), angles)[:, :, 0]
        value = at @ part["attn_v.weight"].T
        share = jax.nn.softmax(jnp.einsum("bqhd,bkd->bhqk", query, key) / HEAD**0.5 + later, axis=-1)
        x = x + jnp.einsum("bhqk,bkd->bqhd", share, value).reshape(*ids.shape, HEADS * HEAD) @ part["attn_output.weight"].T
        at = _normed(x, part["ffn_norm.weight"])
        x = x + (jax.nn.silu(at @ part["ffn_gate.weight"].T) * (at @ part["ffn_up.weight"].T)) @ part["ffn_down.weight"].T
    return _normed(x, weights["output_norm.weight"]) @ weights["token_embd.weight"].T


def _normed(x: jax.Array, scale: jax.Array) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + EPSILON) * scale


def _turned(x: jax.Array, angles: jax.Array) -> jax.Array:
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = jnp.cos(angles)[None, :, None, :], jnp.sin(angles)[None, :, None, :]
    return jnp.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).reshape(x.shape)


def loss(weights: dict[str, jax.Array], ids: jax.Array, wanted: jax.Array) -> jax.Array:
    """Mean cross-entropy of the answers' tokens, in nats."""
    said = jax.nn.log_softmax(logits(weights, ids[:, :-1]))
    right = jnp.take_along_axis(said, ids[:, 1:, None], axis=-1)[..., 0]
    return -jnp.sum(right * wanted[:, 1:]) / jnp.sum(wanted[:, 1:])


@partial(jax.jit, donate_argnums=(0, 1, 2))
def stepped(weights: Any, first: Any, second: Any, step: jax.Array, batch: tuple[jax.Array, jax.Array]) -> Any:
    """One step of Adam (Kingma & Ba 2015), warmed up and cooled down along a cosine; and the loss before it."""
    found, slope = jax.value_and_grad(loss)(weights, *batch)
    rate = PEAK * jnp.minimum(step / WARM, 0.5 * (1 + jnp.cos(jnp.pi * step / STEPS)))
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, slope)
    second = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g * g, second, slope)

    def moved(w: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return w - rate * (m / (1 - 0.9**step)) / (jnp.sqrt(v / (1 - 0.99**step)) + 1e-8)

    return jax.tree.map(moved, weights, first, second), first, second, found


def trained(weights: dict[str, jax.Array], data: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """The same numbers every time on the same machine."""
    ids, wanted = data
    draw = np.random.default_rng(2)
    first, second = jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights)
    for step in range(1, STEPS + 1):
        at = draw.integers(0, len(ids), BATCH)
        batch = (jnp.asarray(ids[at]), jnp.asarray(wanted[at]))
        weights, first, second, found = stepped(weights, first, second, jnp.float32(step), batch)
        if step % 100 == 0:
            print(f"step {step} of {STEPS}: loss {float(found):.4f}", file=sys.stderr, flush=True)
    return {name: np.asarray(value) for name, value in weights.items()}


def write(out: Path, bundled: gguf.GGUFReader, tensors: dict[str, np.ndarray], name: str) -> None:
    """The bundled file with these numbers in place of its own, in the same formats."""
    writer = gguf.GGUFWriter(out, "llama")
    for key, field in bundled.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        kind, inner = field.types[0], field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(key, name if key == "general.name" else field.contents(), kind, sub_type=inner)
    for tensor in bundled.tensors:
        values = tensors[tensor.name]
        plain = tensor.tensor_type == gguf.GGMLQuantizationType.F32
        writer.add_tensor(
            tensor.name, values if plain else gguf.quants.quantize(values, tensor.tensor_type), raw_dtype=tensor.tensor_type
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    sys.exit(main())
