"""`freehold predict`: what a model on so many GPUs puts out, with an interval and what limits it."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import Progress
from rich.table import Table

from freehold.app.cli.output import emit_json, notes, out
from freehold.app.measured_targets import measured_target
from freehold.app.prediction_table import answer_table, read_table
from freehold.catalog.efficiency import load_efficiency
from freehold.catalog.facts import load_facts
from freehold.core.errors import BadSettings
from freehold.plan.capacity.measured import steady_output
from freehold.plan.capacity.predict import Deployment, Prediction
from freehold.plan.capacity.predict import predict as predict_output
from freehold.rules.steptime.layout import read_layout
from freehold.rules.steptime.offline import Shape

app = App(name="predict", help="Output tokens per second of a model on owned GPUs, before anybody rents one.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to predict, as typed."""

    model: str | None = None
    "The model, by its name in the catalogue or its hub id."
    target: str | None = None
    "In place of model and GPU: an owned target of --config, by the law that `freehold calibrate` measured there."
    precision: str = "fp8"
    "bf16, fp8, fp4, mxfp4 or int4."
    gpu: str | None = None
    "The GPU, such as H100-SXM or L40S."
    count: int = 1
    "GPUs in all."
    engine: str = "vllm"
    "tensorrt-llm, vllm or sglang."
    isl: float = 1000
    "Input tokens of a request."
    osl: float = 1000
    "Output tokens of a request."
    concurrency: float | None = None
    "Requests at once over all GPUs; as many as fit if left out."
    prefix_reuse: float = 0.0
    "Share (0-1) of the input found in the prefix cache."
    layout: str | None = None
    "Keep to this layout, such as TP4, TP2,PP2 or DEP8; the best one if left out."

    def deployment(self, model: str, gpu: str) -> Deployment:
        """The deployment meant. Raises BadSettings."""
        facts = load_facts()
        layout = None if self.layout is None else read_layout(self.layout, self.count)
        if self.layout is not None and layout is None:
            raise BadSettings(
                f"--layout is {self.layout!r}; give one such as TP4, TP2,PP2 or DEP8 whose GPUs divide --count ({self.count})"
            )
        return Deployment(
            model=facts.model(model),
            precision=self.precision,
            gpu=facts.gpu(gpu),
            count=self.count,
            engine=self.engine,
            layout=layout,
        )

    def shape(self) -> Shape:
        """The requests meant. Raises BadSettings."""
        return Shape(
            input_tokens=self.isl,
            output_tokens=self.osl,
            reused=self.prefix_reuse,
            concurrency=math.inf if self.concurrency is None else self.concurrency,
        )


_NOTHING = Asked()
# What a measured target has of its own.
_DEPLOYMENT = ("model", "precision", "gpu", "count", "engine", "layout")


@app.default
def predict(
    *,
    asked: Asked = _NOTHING,
    config: Annotated[Path, Parameter(alias="-c")] = Path("freehold.yaml"),
    csv: Path | None = None,
    write: Annotated[Path | None, Parameter(name="--out")] = None,
    json: bool = False,
) -> int:
    """Predict steady output with requests always waiting. Exit code 0, or 2 where it cannot be predicted.

    Parameters
    ----------
    config
        The configuration that has the target of --target.
    csv
        Predict every row of a table with the columns of throughput_truth.csv instead.
    write
        Write that table here instead of to the screen.
    json
        Print one JSON document.
    """
    if csv is not None:
        if json or asked != _NOTHING:
            raise BadSettings("--csv takes every question from its table; give --out beside it and nothing else")
        return _table(csv, write)
    if asked.target is not None and write is None:
        return _of_target(asked, asked.target, config, json=json)
    if asked.model is None or asked.gpu is None or write is not None:
        raise BadSettings("give --model and --gpu, --target of a configuration, or --csv FILE with --out FILE for a whole table")
    deployment, shape = asked.deployment(asked.model, asked.gpu), asked.shape()
    made = predict_output(deployment, shape, load_efficiency())
    if json:
        emit_json(made)
    else:
        _show(deployment, shape, made)
    return 0


def _of_target(asked: Asked, name: str, config: Path, *, json: bool) -> int:
    """By the target's own law. Raises BadSettings where options ask for another deployment than the one that was measured."""
    if stated := [f"--{option}" for option in _DEPLOYMENT if getattr(asked, option) != getattr(_NOTHING, option)]:
        raise BadSettings(f"--target was measured as it is; leave out {', '.join(stated)}")
    made = steady_output(measured_target(config, name, load_facts()), asked.shape())
    if json:
        emit_json(made)
        return 0
    out.print(
        f"[bold]{name}: about {made.output_tok_s:,.0f} output tokens/s[/bold], 80 % between {made.low80:,.0f} and "
        f"{made.high80:,.0f}",
        soft_wrap=True,
        highlight=False,
    )
    table = Table("what", "value", show_header=False)
    table.add_row(
        "requests", f"{asked.isl:,.0f} tokens in, {asked.osl:,.0f} out, {made.callers:,} callers who ask again when answered"
    )
    table.add_row("first token", f"{1000 * made.ttft_s:,.1f} ms at the median, with the wait for a slot")
    table.add_row("each further one", f"{1000 * made.tpot_s:,.2f} ms at the median")
    table.add_row("rests on", made.basis)
    out.print(table)
    return 0


def _table(file: Path, target: Path | None) -> int:
    rows = read_table(file)
    facts, fitted = load_facts(), load_efficiency()
    with Progress(console=notes, transient=True) as progress:
        bar = progress.add_task("predicting", total=len(rows))
        answered = answer_table(rows, facts, fitted, lambda: progress.advance(bar))
    for line in answered.refused:
        notes.print(f"left empty, {line}", soft_wrap=True, markup=False, highlight=False)
    if target is None:
        sys.stdout.write(answered.text)
        return 0
    try:
        target.write_text(answered.text, encoding="utf-8", newline="")
    except OSError as error:
        raise BadSettings(f"cannot write {target}: {error}") from None
    notes.print(f"{len(rows) - len(answered.refused)} of {len(rows)} rows predicted: {target}", soft_wrap=True, highlight=False)
    return 0


def _show(asked: Deployment, shape: Shape, made: Prediction) -> None:
    out.print(
        f"[bold]{asked.model.model} at {asked.precision} on {asked.count}x {asked.gpu.gpu}: about {made.output_tok_s:,.0f} "
        f"output tokens/s[/bold], 80 % between {made.low80:,.0f} and {made.high80:,.0f}",
        soft_wrap=True,
        highlight=False,
    )
    table = Table("what", "value", show_header=False)
    table.add_row("requests", f"{shape.input_tokens:,.0f} tokens in, {shape.output_tokens:,.0f} out, always some waiting")
    table.add_row("layout", made.layout)
    table.add_row("limited by", made.limit)
    table.add_row("a copy decodes", f"{made.batch:,.0f} at once, bounded by {made.batch_limit}")
    table.add_row("a step takes", f"{made.step_s * 1000:.1f} ms")
    table.add_row("interval", made.basis)
    out.print(table)
