"""`freehold size`: how many of which GPU keep a promise on latency under a trace, and what that costs a month."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import Progress

from freehold.app.cli.ledger_flag import LedgerFlag
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.cli.size_report import as_json, show_sizing, show_what_ifs, write_picture
from freehold.app.measured_targets import measured_target
from freehold.app.sizing import recorded, traced
from freehold.catalog.efficiency import load_efficiency
from freehold.catalog.facts import Facts, load_facts
from freehold.core.errors import BadSettings
from freehold.plan.capacity.measured import Measured
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.compiling import compiled
from freehold.plan.capacity.sizing.fewest import Promise
from freehold.plan.capacity.sizing.prices import Hire
from freehold.plan.capacity.sizing.promises import TIMES, Promised, by_promise
from freehold.plan.capacity.sizing.served import unknown_to
from freehold.plan.capacity.sizing.size import Asked, Ground, Sizing
from freehold.plan.capacity.sizing.size import size as size_fleet
from freehold.plan.capacity.sizing.whatif import Change, WhatIf, changes, what_if

app = App(name="size", help="How many of which GPU keep a promise on latency, and what that costs a month.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to size, as typed."""

    model: str | None = None
    "The model, by its name in the catalogue or its hub id."
    target: str | None = None
    "In place of the model: an owned target of --config, by the law that `freehold calibrate` measured there."
    config: Annotated[Path, Parameter(alias="-c")] = Path("freehold.yaml")
    "The configuration that has the target."
    gpu: tuple[str, ...] = ()
    "Only this GPU; may be repeated. All that somebody hires out if left out."
    precision: str | None = None
    "Precisions to try, with commas: bf16, fp8, fp4, mxfp4, int4. Default: bf16,fp8."
    engine: str | None = None
    "tensorrt-llm, vllm or sglang. Default: vllm."
    ttft: str = "1000"
    "Time to the first token that is promised, in ms; 0.5s means seconds."
    tpot: str = "50"
    "Time per token after it that is promised, in ms."
    percentile: float = 95.0
    "How many per cent of the requests keep each of the two."
    replicas_max: int = 64
    "Replicas to try at most."
    price_provider: str | None = None
    "Only this seller's prices. Marketplaces are left out unless named."
    hire_plan: str | None = None
    "How machines are hired: on_demand, spot, reserved_1y, reserved_3y, or a mix. Default: on_demand."
    zones: int = 1
    "Spread machines so that one of so many zones may be lost."

    def asked(self, measured: Measured | None) -> Asked:
        """The question meant, of the catalogue or of a target as it was measured. Raises BadSettings."""
        precisions = tuple(dict.fromkeys(part.strip() for part in (self.precision or "bf16,fp8").split(",") if part.strip()))
        return Asked(
            model=measured.model if measured else self.model or "",
            promise=Promise(ttft_s=_seconds(self.ttft, "ttft"), tpot_s=_seconds(self.tpot, "tpot"), level=self.percentile / 100),
            gpus=self.gpu,
            precisions=("as served",) if measured else precisions,
            engine="as served" if measured else self.engine or "vllm",
            replicas_max=self.replicas_max,
            hire=Hire(plan=self.hire_plan or "on_demand", provider=self.price_provider, zones=self.zones),
        )

    def measured(self, facts: Facts) -> Measured | None:
        """The target meant, None where it is a model. Raises BadSettings where it is neither or both, or was not calibrated."""
        if (self.model is None) == (self.target is None):
            raise BadSettings("give --model NAME to try the catalogue's GPUs, or --target NAME for one that was calibrated")
        if self.target is None:
            return None
        flags = {"--gpu": self.gpu, "--precision": self.precision, "--engine": self.engine}
        flags |= {"--price-provider": self.price_provider, "--hire-plan": self.hire_plan}
        if stated := [name for name, value in flags.items() if value]:
            raise BadSettings(
                f"--target is sized as it was measured and at what its machine costs; leave out {', '.join(stated)}"
            )
        return measured_target(self.config, self.target, facts)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Given:
    """Where the traffic comes from; one of them."""

    trace: Path | None = None
    "A request trace (Azure 2023 CSV or Mooncake JSONL, plain or gzipped)."
    ledger: LedgerFlag | None = None
    "A ledger that `freehold serve` or `freehold import` wrote."
    workload: str | None = None
    "Only this workload of the ledger; all of them share the fleet if left out."

    def arrivals(self) -> Arrivals:
        """The requests meant. Raises BadSettings."""
        if self.workload is not None and self.ledger is None:
            raise BadSettings("--workload chooses from a ledger; give --ledger with it")
        if self.trace is not None and self.ledger is None:
            return traced(self.trace)
        if self.ledger is not None and self.trace is None:
            return recorded(self.ledger, self.workload)
        raise BadSettings("give --trace FILE or --ledger FILE, one of them")


@app.default
def size(
    wanted: Wanted = Wanted(),
    given: Given = Given(),
    *,
    change: Annotated[str | None, Parameter(name="--what-if")] = None,
    picture: Path | None = None,
    json: bool = False,
) -> int:
    """Simulate a trace on every layout of the model, or on a calibrated target of yours.

    Exit code 0; 1 where nothing keeps the promise, 2 on bad input.

    Parameters
    ----------
    change
        Also size with one thing changed at a time: fp8,gpu=H200,engine=sglang,prompts=x1.5,traffic=x2,zones=-1.
    picture
        Write what a tighter promise costs, and cost against latency, as one SVG file.
    json
        Print one JSON document; money in integer nano-dollars.
    """
    facts = load_facts()
    measured = wanted.measured(facts)
    asked, asked_changes = wanted.asked(measured), changes(change) if change else []
    of = measured or facts.model(asked.model)
    if picture is not None and measured is not None and measured.hardware is None:
        raise BadSettings(
            f"--picture draws cost, and {measured.target} has no cost: in its configuration; state gpu and usd_per_hour"
        )
    compiled()  # says at once where the extra is missing
    arrivals = given.arrivals()
    ground = Ground(facts, load_efficiency(), arrivals, measured)
    made = _sized(asked, ground)
    compared = _compared(made, asked_changes, ground)
    doubts = unknown_to(of, arrivals)
    if picture is not None:
        write_picture(picture, made, _promised(made, ground))
        notes.print(f"Picture: {picture}", soft_wrap=True, highlight=False)
    if json:
        emit_json(as_json(made, compared, doubts))
    else:
        show_sizing(made, doubts, out)
        if compared:
            show_what_ifs(made, compared, out)
    return 0 if made.cheapest is not None else 1


def _sized(asked: Asked, ground: Ground) -> Sizing:
    with Progress(console=notes, transient=True) as progress:
        bar = progress.add_task("simulating layouts", total=None)
        return size_fleet(asked, ground, lambda done, total: progress.update(bar, completed=done, total=total))


def _compared(made: Sizing, asked: list[Change], ground: Ground) -> list[WhatIf]:
    if not asked or made.cheapest is None:
        return []
    with Progress(console=notes, transient=True) as progress:
        bar = progress.add_task("what if", total=len(asked))
        return what_if(made, asked, ground, lambda text: progress.update(bar, advance=1, description=f"what if {text}"))


def _promised(made: Sizing, ground: Ground) -> list[Promised]:
    with Progress(console=notes, transient=True) as progress:
        bar = progress.add_task("other promises", total=len(TIMES))
        return by_promise(made, ground, lambda: progress.advance(bar))


def _seconds(text: str, option: str) -> float:
    """Milliseconds, unless the unit says otherwise. Raises BadSettings."""
    bare, times = text.strip().lower(), 1e-3
    if bare.endswith("ms"):
        bare = bare[:-2]
    elif bare.endswith("s"):
        bare, times = bare[:-1], 1.0
    try:
        seconds = float(bare) * times
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise BadSettings(f"--{option} is {text!r}; give milliseconds above 0 such as 500, or 0.5s")
    return seconds
