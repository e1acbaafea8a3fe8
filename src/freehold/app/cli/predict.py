"""`freehold predict`: what a model on so many GPUs puts out, with an interval and what limits it."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import Progress
from rich.table import Table

from freehold.app.cli.output import emit_json, notes, out
from freehold.app.prediction_table import answer_table, read_table
from freehold.catalog.efficiency import load_efficiency
from freehold.catalog.facts import load_facts
from freehold.core.errors import BadSettings
from freehold.plan.capacity.predict import Deployment, Prediction, predict
from freehold.rules.steptime.layout import read_layout
from freehold.rules.steptime.offline import Shape

app = App(name="predict", help="Output tokens per second of a model on owned GPUs, before anybody rents one.")


@app.default
def command(  # noqa: PLR0913 (a command's options are its data table)
    *,
    model: str | None = None,
    precision: str = "fp8",
    gpu: str | None = None,
    count: int = 1,
    engine: str = "vllm",
    isl: float = 1000,
    osl: float = 1000,
    concurrency: float | None = None,
    prefix_reuse: float = 0.0,
    layout: str | None = None,
    csv: Path | None = None,
    write: Annotated[Path | None, Parameter(name="--out")] = None,
    json: bool = False,
) -> int:
    """Predict steady output with requests always waiting. Exit code 0, or 2 where it cannot be predicted.

    Parameters
    ----------
    model
        The model, by its name in the catalogue or its hub id.
    precision
        bf16, fp8, fp4, mxfp4 or int4.
    gpu
        The GPU, such as H100-SXM or L40S.
    count
        GPUs in all.
    engine
        tensorrt-llm, vllm or sglang.
    isl
        Input tokens of a request.
    osl
        Output tokens of a request.
    concurrency
        Requests at once over all GPUs; as many as fit if left out.
    prefix_reuse
        Share (0-1) of the input found in the prefix cache.
    layout
        Keep to this layout, such as TP4, TP2,PP2 or DEP8; the best one if left out.
    csv
        Predict every row of a table with the columns of throughput_truth.csv instead.
    write
        Write that table here instead of to the screen.
    json
        Print one JSON document.
    """
    if csv is not None:
        if json or model or gpu:
            raise BadSettings("--csv takes every question from its table; leave --model, --gpu and --json out")
        return _table(csv, write)
    if model is None or gpu is None or write is not None:
        raise BadSettings("give --model and --gpu, or --csv FILE with --out FILE for a whole table")
    facts = load_facts()
    laid = None if layout is None else read_layout(layout, count)
    if layout is not None and laid is None:
        raise BadSettings(f"--layout is {layout!r}; give one such as TP4, TP2,PP2 or DEP8 whose GPUs divide {count}")
    asked = Deployment(model=facts.model(model), precision=precision, gpu=facts.gpu(gpu), count=count, engine=engine, layout=laid)
    shape = Shape(
        input_tokens=isl,
        output_tokens=osl,
        reused=prefix_reuse,
        concurrency=float("inf") if concurrency is None else concurrency,
    )
    made = predict(asked, shape, load_efficiency())
    if json:
        emit_json(made)
    else:
        _show(asked, shape, made)
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
