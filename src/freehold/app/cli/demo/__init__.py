"""`freehold demo`: the main job once, on one machine: four real processes, a real trace, the ledger, the plan."""

import asyncio
from typing import Annotated

import uvloop
from cyclopts import App, Parameter

from freehold.app.cli.demo.migration import run_migrations
from freehold.app.cli.demo.run import DemoOptions, run_demo
from freehold.app.cli.output import emit_json, notes
from freehold.core.errors import BadSettings

app = App(name="demo", help="Engine, gateway, a real trace replayed, the ledger, the plan, the dashboard: the main job once.")


@app.default
def demo(  # noqa: PLR0913  a command's options are its data table
    *,
    exit: Annotated[bool, Parameter(negative="")] = False,
    json: bool = False,
    live: Annotated[bool, Parameter(negative="")] = False,
    migration: Annotated[bool, Parameter(negative="")] = False,
    minutes: float = 10.0,
    speed: float = 12.0,
) -> int:
    """Replay minutes of the Azure conversation trace through a gateway in front of a real engine and two lab stand-ins.

    Parameters
    ----------
    exit
        Stop when the plan is printed, instead of serving until Ctrl-C.
    json
        Print one JSON object alone on stdout.
    live
        Send rented traffic to a real API whose key is in the environment (OPENAI_API_KEY or another known one). It costs money.
    migration
        Instead: three moves of a workload to real engines, one that is promoted, one stopped in the shadow, one rolled back.
    minutes
        How much of the trace.
    speed
        How many times faster than it happened.
    """
    for name, value in (("minutes", minutes), ("speed", speed)):
        if not 0 < value < float("inf"):
            raise BadSettings(f"--{name} is {value:g}; use a number above 0")
    if migration:
        return _migration(json=json)
    try:
        report = uvloop.run(run_demo(DemoOptions(exit=exit, json=json, live=live, minutes=minutes, speed=speed)))
    except asyncio.CancelledError:
        notes.print("The demo was broken off; its processes have ended.")
        return 130
    if json:
        emit_json(report)
    return 1 if any(report[name] for name in ("errors", "lost", "constraint_violations", "unproven")) else 0


def _migration(*, json: bool) -> int:
    figures = uvloop.run(run_migrations(json=json))
    if json:
        emit_json(figures)
    as_told = all(move["as_expected"] and move["proven"] for move in figures["moves"])
    return 0 if as_told and not figures["unanswered"] else 1
