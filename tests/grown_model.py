"""The bundled ticket model with more and wider layers of random numbers: it says nothing, and takes a measurable time for it.

Its words, its chat template and its file format are the bundled ones; GGUF version 3 as its specification lays it out.
"""

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from freehold.serve import engines

BUNDLED = Path(engines.__file__).parent / "data" / "tiny-tickets-35k-q8_0.gguf"
WIDTH, LAYERS, FEED, HEADS, HEAD, CONTEXT = 256, 6, 1024, 4, 64, 2048
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY, _ALIGNED, _F32, _F16 = 8, 9, 32, 0, 1
_GROWN = {
    "context_length": CONTEXT, "embedding_length": WIDTH, "block_count": LAYERS, "feed_forward_length": FEED,
    "attention.head_count": HEADS, "attention.head_count_kv": HEADS, "rope.dimension_count": HEAD,
    "attention.key_length": HEAD, "attention.value_length": HEAD,
}  # fmt: skip


def grown_model(path: Path) -> Path:
    """Write it: about 6 million parameters in 16 bits, the same every time."""
    with BUNDLED.open("rb") as file:
        file.read(16)
        pairs = [_pair(file) for _ in range(struct.unpack("<Q", file.read(8))[0])]
        tokens = _tokens(pairs)
    tensors = _tensors(tokens)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(raw for _, raw in pairs)
    body = b""
    for name, values in tensors.items():
        kind = _F32 if values.dtype == np.float32 else _F16
        shape = values.shape[::-1]
        head += (
            struct.pack("<Q", len(name)) + name.encode() + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(body))
        )
        body += values.tobytes() + bytes(-values.nbytes % _ALIGNED)
    path.write_bytes(head + bytes(-len(head) % _ALIGNED) + body)
    return path


def _pair(file: BinaryIO) -> tuple[str, bytes]:
    """One key and all its bytes, its number changed where it is one of those that grow."""
    start = file.tell()
    name = file.read(struct.unpack("<Q", file.read(8))[0]).decode()
    (kind,) = struct.unpack("<I", file.read(4))
    at = file.tell()
    _skip(file, kind)
    end = file.tell()
    file.seek(start)
    raw = file.read(end - start)
    grown = _GROWN.get(name.removeprefix("llama."))
    return name, raw if grown is None else raw[: at - start] + struct.pack("<I", grown)


def _skip(file: BinaryIO, kind: int) -> None:
    if kind == _TEXT:
        file.read(struct.unpack("<Q", file.read(8))[0])
    elif kind == _ARRAY:
        inner, count = struct.unpack("<IQ", file.read(12))
        for _ in range(count):
            _skip(file, inner)
    else:
        file.read(struct.calcsize(_FORMATS[kind]))


def _tokens(pairs: list[tuple[str, bytes]]) -> list[str]:
    raw = dict(pairs)["tokenizer.ggml.tokens"]
    at = 8 + len("tokenizer.ggml.tokens") + 4 + 12
    found = []
    while at < len(raw):
        (size,) = struct.unpack_from("<Q", raw, at)
        found.append(raw[at + 8 : at + 8 + size].decode())
        at += 8 + size
    return found


def _tensors(tokens: list[str]) -> dict[str, NDArray[np.float32] | NDArray[np.float16]]:
    random = np.random.default_rng(7)

    def drawn(rows: int, columns: int) -> NDArray[np.float16]:
        return np.asarray(random.standard_normal((rows, columns)) / columns**0.5, dtype=np.float16)

    words = drawn(len(tokens), WIDTH)
    # Only plain letters can be said, so that every token is text that a stream shows at once.
    words[[not (token.isascii() and token.isalnum()) for token in tokens]] = 0
    made: dict[str, NDArray[np.float32] | NDArray[np.float16]] = {"token_embd.weight": words}
    for layer in range(LAYERS):
        at = f"blk.{layer}."
        made |= {f"{at}{name}_norm.weight": np.ones(WIDTH, np.float32) for name in ("attn", "ffn")}
        made |= {f"{at}attn_{name}.weight": drawn(HEADS * HEAD, WIDTH) for name in ("q", "k", "v")}
        made |= {f"{at}attn_output.weight": drawn(WIDTH, HEADS * HEAD), f"{at}ffn_down.weight": drawn(WIDTH, FEED)}
        made |= {f"{at}ffn_{name}.weight": drawn(FEED, WIDTH) for name in ("gate", "up")}
    return made | {"output_norm.weight": np.ones(WIDTH, np.float32)}
