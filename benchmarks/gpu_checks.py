"""The checks that wait for a machine with a GPU: vLLM launched, calibrated, compared with what `freehold predict` says.

Not run yet: no machine with a GPU and vLLM was at hand. Run there, with vLLM installed:
`python -m benchmarks.gpu_checks org/name@COMMIT --model NAME --gpu H100-SXM --precision bf16` (`--json` for programs). NAME and
GPU are those of the catalogue. What it prints belongs in docs/explain/capacity.md, with the date, the driver and vLLM's version.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import msgspec
from rich.table import Table

from freehold.app.calibrating import Extent, Outcome, measured
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.engines import EngineFailed, Patience, supervised
from freehold.catalog.efficiency import load_efficiency
from freehold.catalog.facts import load_facts
from freehold.core.errors import BadSettings
from freehold.core.ports import EngineSpec
from freehold.lab.sweep import Engine
from freehold.plan.capacity.calibration.law import LatencyLaw
from freehold.plan.capacity.calibration.slots import under_load
from freehold.plan.capacity.calibration.timings import Load, Timing
from freehold.plan.capacity.predict import Deployment, Prediction, predict
from freehold.rules.steptime.offline import Shape
from freehold.serve.engines import ENGINES

ALIAS, PORT, READY_S = "under-test", 8641, 1800.0
WAVES = 4  # of requests per slot: the ramps at both ends weigh little


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Output tokens/s of full slots by the measured constants, beside the prediction made from the datasheet."""

    calibrated_tok_s: float
    predicted: Prediction
    inside80: bool
    calibration: Outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0 where the held-out loads were met and the prediction's interval holds; 1 where not; 2 where it cannot run."""
    asked = _parse(arguments)
    try:
        if hint := ENGINES["vllm"].missing():
            raise BadSettings(f"vllm is not installed here; {hint}")
        result = checked(asked)
    except (BadSettings, EngineFailed) as error:
        notes.print(f"gpu_checks: {error.message}", markup=False, highlight=False, soft_wrap=True)
        return 2
    if asked.json:
        emit_json(result)
    else:
        show(result)
    return 0 if result.inside80 and result.calibration.good else 1


def checked(asked: argparse.Namespace) -> Result:
    """Predict first, then launch, measure and compare. Raises BadSettings, EngineFailed."""
    facts = load_facts()
    deployment = Deployment(
        model=facts.model(asked.model), precision=asked.precision, gpu=facts.gpu(asked.gpu), count=1, engine="vllm"
    )
    shape = Shape(input_tokens=asked.isl, output_tokens=asked.osl, concurrency=asked.slots)
    predicted = predict(deployment, shape, load_efficiency())
    made = asyncio.run(swept(asked))
    rate = output_tok_s(made.fit.law, asked.slots, asked.isl, asked.osl)
    inside = predicted.low80 <= rate <= predicted.high80
    return Result(calibrated_tok_s=rate, predicted=predicted, inside80=inside, calibration=made)


async def swept(asked: argparse.Namespace) -> Outcome:
    """vLLM under supervision, and the sweep against it from a thread beside the supervisor's loop."""
    context = asked.isl + asked.osl + 256
    spec = EngineSpec(model_path=asked.weights, alias=ALIAS, port=PORT, parallel=asked.slots, context_tokens=context, threads=1)
    launch = ENGINES["vllm"].launch(spec)
    extent = Extent(slots=asked.slots, isl=asked.isl, osl=asked.osl, seconds=asked.seconds)
    engine = Engine(url=launch.url, model=ALIAS)
    log = notes.print if asked.verbose else (lambda _: None)
    async with supervised(launch, log=log, patience=Patience(ready_s=READY_S, restarts=0)):
        return await asyncio.to_thread(measured, engine, extent, lambda _: None)


def output_tok_s(law: LatencyLaw, slots: int, isl: int, osl: int) -> float:
    """Tokens a second while all slots are kept busy with requests alike."""
    alike = Timing(sent_s=0.0, first_s=0.0, last_s=0.0, input_tokens=isl, output_tokens=osl)
    timings = under_load(law, Load(name="steady", concurrency=slots, timings=(alike,) * slots * WAVES))
    return len(timings) * osl / max(one.last_s for one in timings)


def show(result: Result) -> None:
    """Both, and what the calibration itself missed by."""
    said, errors = result.predicted, result.calibration.held_out.by_load
    table = Table("what", "value", show_header=False)
    table.add_row("calibrated", f"{result.calibrated_tok_s:,.0f} output tokens/s")
    table.add_row("predicted", f"{said.output_tok_s:,.0f}, 80 % between {said.low80:,.0f} and {said.high80:,.0f} ({said.layout})")
    table.add_row("inside the interval", "yes" if result.inside80 else "no")
    table.add_row(
        "held-out loads missed by", f"TTFT {errors.ttft:.1%}, per token {errors.tpot:.1%}, end to end {errors.total:.1%}"
    )
    out.print(table)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gpu_checks", description="Launch vLLM, calibrate it, compare with predict.")
    parser.add_argument("weights", help="what vLLM serves: org/name@COMMIT or a folder")
    parser.add_argument("--model", required=True, help="the same model in Freehold's catalogue")
    parser.add_argument("--gpu", required=True, help="the GPU in Freehold's catalogue")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--isl", type=int, default=1024)
    parser.add_argument("--osl", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="vLLM's own lines, on stderr")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
