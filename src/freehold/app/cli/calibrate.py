"""`freehold calibrate`: an owned engine's own constants from a short sweep of load, checked on loads the fit never saw."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

from freehold.app import config_file
from freehold.app.calibrating import BARS, Extent, Outcome, engine_of, engine_version, imported, machine_of, measured
from freehold.app.calibration_file import Calibrated, Origin, calibrated, write_calibration
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.policy import build_policy
from freehold.core.errors import BadSettings
from freehold.core.target import Target
from freehold.lab.sweep import Engine
from freehold.plan.capacity.calibration.check import Errors
from freehold.plan.capacity.calibration.law import CONSTANTS

app = App(name="calibrate", help="Fit an owned engine's own constants to a short sweep of load, and check them.")

_FIXED = 1e-6  # below a microsecond a constant is shown as 0
_NOTABLE = 0.01  # share of the time that is worth a word


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to measure, as typed."""

    target: str | None = None
    "An owned target of the configuration."
    url: str | None = None
    "An engine that stands in no configuration, such as http://127.0.0.1:8603."
    model: str | None = None
    "The name it knows its model by, with --url."
    results: tuple[Path, ...] = ()
    "Take these results instead of measuring: vllm bench serve, guidellm or AIPerf. May be repeated."
    slots: int | None = None
    "Requests it works on at once; the target's concurrency if left out."
    isl: int = 512
    "Tokens of the longest prompts."
    osl: int = 128
    "Tokens of the longest answers."
    seconds: float = 60.0
    "About how long the sweep takes; answers under way are waited for."
    rounds: int = 6
    "How often each load comes by turns in that time."

    def extent(self, target: Target | None) -> Extent:
        """How much to measure. Raises BadSettings."""
        stated = self.slots if self.slots is not None or target is None else target.concurrency
        if stated is not None and stated < 1:
            raise BadSettings(f"--slots is {stated}; give 1 or more")
        return Extent(slots=stated, isl=self.isl, osl=self.osl, seconds=self.seconds, rounds=self.rounds)


_NOTHING = Asked()


@app.default
def calibrate(
    *,
    asked: Asked = _NOTHING,
    config: Annotated[Path, Parameter(alias="-c")] = Path("freehold.yaml"),
    keep: Annotated[bool, Parameter(negative="")] = False,
    json: bool = False,
) -> int:
    """Put a bounded load on an owned engine, fit its constants, and predict loads that were held out.

    With --target they are written to freehold.calibration.yaml beside the configuration. Exit code 0; 1 where the held-out loads
    were missed by more than 10 % (time per token, end to end) or 25 % (first token), and nothing is written.

    Parameters
    ----------
    config
        The configuration file that has the target.
    keep
        Write the constants even so; their errors stand beside them.
    json
        Print one JSON document.
    """
    target = _target(config, asked)
    engine = _engine(asked, target)
    extent = asked.extent(target)
    if asked.results:
        made = imported(asked.results, extent.slots)
        source = f"{made.requests} requests from {', '.join(file.name for file in asked.results)}"
    else:
        assert engine is not None
        with _bar() as show:
            made = measured(engine, extent, show)
        source = f"freehold calibrate, {made.requests} requests{_without(made.waited)}"
    kept = _kept(made, source, engine, target)
    path = None
    if target is not None and kept is not None and (made.good or keep):
        path = write_calibration(config, target.name, kept)
    if json:
        emit_json(
            {"file": None if path is None else str(path), "good": made.good, "bars": BARS, "calibration": kept, "outcome": made}
        )
    else:
        _show(made)
        _say(made, path, target)
    return 0 if made.good else 1


def _target(config: Path, asked: Asked) -> Target | None:
    if asked.target is None:
        return None
    if asked.url is not None or asked.model is not None:
        raise BadSettings("--target has its address and model in the configuration; leave out --url and --model")
    targets = build_policy(config_file.load(config), datetime.now(UTC).date()).targets
    if asked.target not in targets:
        raise BadSettings(f"no target {asked.target!r} in {config}; it has {', '.join(targets)}")
    return targets[asked.target]


def _engine(asked: Asked, target: Target | None) -> Engine | None:
    if target is not None:
        return engine_of(target)
    if asked.url is not None and asked.model is not None:
        return Engine(url=asked.url, model=asked.model)
    if asked.results and asked.url is None and asked.model is None:
        return None
    raise BadSettings("say what to measure: --target with -c, or --url and --model, or --results FILE")


def _kept(made: Outcome, source: str, engine: Engine | None, target: Target | None) -> Calibrated | None:
    """What the file is to keep; None of results whose engine nobody named."""
    if engine is None:
        return None
    origin = Origin(
        source=source, machine=machine_of(engine, target), engine="unknown" if target is None else target.codec,
        engine_version=asyncio.run(engine_version(engine)), url=engine.url if target is None else target.url,
        model=engine.model if target is None else target.model,
    )  # fmt: skip
    return calibrated(origin, made.fit, made.held_out, datetime.now(UTC).date())


@contextmanager
def _bar() -> Iterator[Callable[[float], None]]:
    columns = (TextColumn("measuring"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeElapsedColumn())
    with RichProgress(*columns, console=notes, disable=not notes.is_terminal) as bar:
        task = bar.add_task("measuring", total=1.0)
        yield lambda done: bar.update(task, completed=done)


def _show(made: Outcome) -> None:
    constants = Table("constant", "value", "80 % interval", title="Fitted", title_justify="left")
    for name in CONSTANTS:
        interval = made.fit.intervals[name]
        constants.add_row(name, _shown(getattr(made.fit.law, name)), f"{_shown(interval.low80)} to {_shown(interval.high80)}")
    slots = made.fit.law.slots
    constants.add_row("slots", "no bound was met" if slots is None else str(slots), "")
    out.print(constants)
    loads = Table(
        "held out", "in / out", "requests", "TTFT", "per token", "end to end", title="Measured / predicted", title_justify="left"
    )  # fmt: skip
    for load in made.held_out.loads:
        pairs = zip(load.measured, load.predicted, strict=True)
        loads.add_row(
            f"{load.concurrency} at once", f"{load.input_tokens} / {load.output_tokens}", str(load.requests),
            *(f"{_shown(seen)} / {_shown(said)}" for seen, said in pairs),
        )  # fmt: skip
    out.print(loads)
    table = Table("median error on", "TTFT", "per token", "end to end")
    table.add_row("fitted loads", *_percent(made.fitted.by_load))
    table.add_row("held-out loads", *_percent(made.held_out.by_load))
    table.add_row("single held-out requests", *_percent(made.held_out.by_request))
    if made.repeats is not None:
        table.add_row("repeats of a load, by each other", *_percent(made.repeats))
    out.print(table)


def _say(made: Outcome, path: Path | None, target: Target | None) -> None:
    if made.waited is not None and made.waited >= _NOTABLE:
        notes.print(
            f"freehold: other programs had the engine's core for {made.waited:.0%} of the time; all times are without that, and "
            "while they run it takes longer",
            highlight=False,
            soft_wrap=True,
        )
    if not made.good:
        notes.print(
            f"freehold: held-out loads were missed by more than {BARS.ttft:.0%} (TTFT) or {BARS.tpot:.0%} (the others): "
            "measure again while the machine does nothing else, or longer with --seconds",
            highlight=False,
            soft_wrap=True,
        )
    if path is not None:
        notes.print(f"constants written to {path}", highlight=False, soft_wrap=True)
    elif target is None:
        notes.print("nothing written: with --target and -c the constants are kept beside the configuration", highlight=False)
    else:
        notes.print("nothing written; --keep writes them even so", highlight=False)


def _without(waited: float | None) -> str:
    """What was taken off the times, for the record."""
    return "" if waited is None or waited < _NOTABLE else f", without the {waited:.0%} of the time it waited for a core"


def _shown(seconds: float) -> str:
    if seconds < _FIXED:
        return "0"
    for scale, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"


def _percent(errors: Errors) -> list[str]:
    return [f"{error:.1%}" for error in errors]
