"""The worked example of docs/explain/capacity.md, with nothing but a pocket calculator's operations."""

from math import ceil
from pathlib import Path

import pytest

from freehold.catalog.efficiency import load_efficiency
from freehold.catalog.facts import load_facts
from freehold.plan.capacity.predict import Deployment, predict
from freehold.rules.steptime.offline import Shape

PAGE = Path(__file__).parents[2] / "docs" / "explain" / "capacity.md"


def by_hand() -> tuple[list[str], float]:
    """The rows of the table, and the throughput."""
    k = {name: constant.value for name, constant in load_efficiency().constants.items()}
    vocabulary_hidden = 128_256 * 8_192
    always = 70.55e9 - 2 * vocabulary_hidden
    weights = always + 4 * vocabulary_hidden
    room = (141e9 - weights) * k["usable_memory"]
    kv = 327_680 / 2
    batch = room / (kv * ceil(2_000 / 32) * 32)
    chunk = 8_192 - batch
    share = batch / chunk
    peak8, peak16 = 700 * 1.117e12 * 2, 700 * 1.117e12
    read = (always + 2 * vocabulary_hidden) / (k["memory"] * 4.8e12)
    head = 2 * vocabulary_hidden * batch / (k["gemm"] * peak16)
    full = 2 * always * 8_192 / (k["gemm"] * peak8) + head
    plain = 2 * always * batch / (k["gemm"] * peak8) + head
    both_full = max(full, read) + (1 - k["overlap"]) * min(full, read)
    both_plain = max(plain, read) + (1 - k["overlap"]) * min(plain, read)
    cache = batch * 1_500 * kv / (k["memory"] * 4.8e12)
    attention = 2 * 64 * (128 + 128) * 80 * chunk * 500 / (k["attention"] * peak16)
    host = k["step_s"] + k["sequence_s"] * batch
    step = share * (both_full + attention) + (1 - share) * both_plain + cache + host
    ms = 1_000
    rows = [
        f"| parameters every token uses | 70.55 G - 2 x 128,256 x 8,192 = {always / 1e9:.2f} G |",
        f"| weights | {always / 1e9:.2f} G x 1 byte + 2 x 1.051 G x 2 bytes = {weights / 1e9:.2f} GB |",
        f"| room for the cache | (141 GB - {weights / 1e9:.2f} GB) x {k['usable_memory']:.4g} = {room / 1e9:.2f} GB |",
        f"| sequences | {room / 1e9:.2f} GB / (2,016 tokens x 163,840 bytes) = {batch:.1f} |",
        f"| share of steps with a chunk | {batch:.1f} x 1,000 / 1,000 / (8,192 - {batch:.1f}) = {share:.5f} |",
        f"| F | 700 W x 1.117 = {peak16 / 1e12:.1f} TFLOPS at bf16 (power, not the rated 989), {peak8 / 1e12:.1f} at fp8 |",
        f"| reading the weights | ({always / 1e9:.2f} + 2.10) GB / ({k['memory']:.4g} x 4,800 GB/s) = {read * ms:.2f} ms |",
        f"| arithmetic with a chunk | (2 x {always / 1e9:.2f} G x 8,192 / {peak8 / 1e12:.1f} TFLOPS "
        f"+ 2 x 1.051 G x {batch:.1f} / {peak16 / 1e12:.1f} TFLOPS) / {k['gemm']:.4g} = {full * ms:.2f} ms |",
        f"| with the reading | {full * ms:.2f} ms + (1 - {k['overlap']:.4g}) x {read * ms:.2f} ms = {both_full * ms:.2f} ms |",
        f"| arithmetic without a chunk | the same with {batch:.1f} for 8,192 tokens = {plain * ms:.2f} ms |",
        f"| with the reading | {max(plain, read) * ms:.2f} ms + (1 - {k['overlap']:.4g}) x {min(plain, read) * ms:.2f} ms = "
        f"{both_plain * ms:.2f} ms |",
        f"| attention of a chunk | {2 * 64 * 256 * 80:,} FLOP x {chunk:.1f} x 500 / ({k['attention']:.4g} x "
        f"{peak16 / 1e12:.1f} TFLOPS) = {attention * ms:.2f} ms |",
        f"| cache | {batch:.1f} x 1,500 x 163,840 bytes / ({k['memory']:.4g} x 4,800 GB/s) = {cache * ms:.2f} ms |",
        f"| host | {k['step_s'] * ms:.3f} ms + {batch:.1f} x {k['sequence_s'] * ms:.6f} ms = {host * ms:.2f} ms |",
        f"| mean step | {share:.5f} x ({both_full * ms:.2f} + {attention * ms:.2f}) + {1 - share:.5f} x {both_plain * ms:.2f} "
        f"+ {cache * ms:.2f} + {host * ms:.2f} = {step * ms:.2f} ms |",
        f"| **output** | {batch:.1f} / {step * ms:.2f} ms = **{batch / step:,.0f} tokens/s** |",
    ]
    return rows, batch / step


def test_the_page_the_hand_and_the_model_agree() -> None:
    rows, throughput = by_hand()
    facts, fitted = load_facts(), load_efficiency()
    asked = Deployment(model=facts.model("Llama-3.3-70B"), precision="fp8", gpu=facts.gpu("H200"), count=1, engine="tensorrt-llm")
    made = predict(asked, Shape(input_tokens=1_000, output_tokens=1_000), fitted)
    assert made.output_tok_s == pytest.approx(throughput, rel=1e-9)
    assert made.layout == "TP1"
    table = "\n".join(["| step | |", "|---|---|", *rows])
    assert table in PAGE.read_text(encoding="utf-8"), f"after a new fit put this between the marks of the page:\n{table}"
