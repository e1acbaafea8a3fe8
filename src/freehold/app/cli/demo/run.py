"""Run the demo: start the processes, replay the trace, read the ledger, make the plan, tell the story."""

import asyncio
import signal
from collections import Counter
from importlib import resources
from typing import Any

import msgspec

from freehold.app.cli.demo.children import Children
from freehold.app.cli.demo.evidence import evidence, unmeant
from freehold.app.cli.demo.spill import ENGINE, spill
from freehold.app.cli.demo.story import Story, Told
from freehold.app.cli.demo.world import World, build_world
from freehold.app.cli.plan import choices
from freehold.app.cli.plan_flags import Compared
from freehold.app.spending import spending
from freehold.catalog.facts import load_facts
from freehold.catalog.prices import PriceBook
from freehold.core.money import dollars
from freehold.core.trace import TracedRequest
from freehold.lab.mix import Mix, parse_mix
from freehold.lab.replay import ReplayOptions, replay
from freehold.lab.report import ReplayReport
from freehold.lab.traces import open_trace, window
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.quote import Quotes, plan_from_requests
from freehold.serve.stores.reader import LedgerReader

# Which share of the prompts holds made-up sensitive values. The assistant's hold none: what may not be rented at all would have
# to be owned at any price, and its plan is about the price.
_MIX = (
    "ticket-triage=20:confidential:tickets:4%,assistant=47:internal,contracts=8:internal:words:12%,reports=22:public:words:6%,"
    "trial=3:public"
)

_ALL = 1_000_000

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`minutes` of the trace at `speed` times the pace it happened."""

    exit: bool
    json: bool
    live: bool
    minutes: float
    speed: float


async def run_demo(options: DemoOptions) -> dict[str, Any]:
    """The demo's figures, once it ended. Raises BadSettings when something cannot start."""
    _end_on_signals()
    world = build_world(live=options.live)
    story = Story(quiet=options.json)
    async with Children(world.folder) as children:
        story.starting(world)
        await _start(children, world, options)
        trace = resources.files("freehold.lab").joinpath("data/azure_llm_2023_conv.csv.gz")
        with resources.as_file(trace) as path:
            requests = list(window(open_trace(path), 0.0, options.minutes * 60))
        mix = parse_mix(_MIX, world.keys)
        replay_options = ReplayOptions(url=f"http://127.0.0.1:{world.gateway}", mix=mix, key=world.key, speed=options.speed)
        story.replaying(len(requests), options.minutes, options.speed)
        with story.progress(len(requests)) as told:
            report = await replay(requests, replay_options, told)
        if report.interrupted:
            raise asyncio.CancelledError
        figures = await asyncio.to_thread(_figures, world, report, story, (requests, mix))
        if not options.exit:
            story.serving(world)
            await _until_interrupted()
    return figures


def _end_on_signals() -> None:
    """The first signal breaks the demo off and its processes end with it; further ones do not disturb the ending."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    told: list[int] = []

    def end() -> None:
        told.append(1)
        if len(told) == 1:
            task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, end)


async def _start(children: Children, world: World, options: DemoOptions) -> None:
    """The three places models are served, then the gateway in front of them. Lab waits shrink with the replay's speed."""
    scale = ["--time-scale", str(options.speed)]
    pace = ["--ttft-ms", f"{ENGINE.ttft_ms:g}", "--tokens-per-s", f"{ENGINE.tokens_per_s:g}"]
    engine = ["lab", "engine", "--port", str(world.engine), "--slots", str(ENGINE.slots), *pace]
    starts = [
        children.start("tickets-llamacpp", ["engines", "run", "tiny-tickets", "--port", str(world.tickets)], world.tickets),
        children.start("assistant-owned", [*engine, *scale], world.engine),
    ]
    if world.live is None:
        provider = ["lab", "provider", "--port", str(world.provider), "--ttft-ms", "400", "--tokens-per-s", "80"]
        starts.append(children.start("rented-api", [*provider, *scale], world.provider))
    await asyncio.gather(*starts)
    await children.start("gateway", ["serve", "-c", str(world.config)], world.gateway)


def _figures(world: World, report: ReplayReport, story: Story, sent: tuple[list[TracedRequest], Mix]) -> dict[str, Any]:
    """What the ledger says, held against what the clients got and what a simulation of the same trace says."""
    story.reading()
    reader = LedgerReader(world.ledger)
    spent = spending(world.ledger)
    slices = spent.slices
    seen = evidence(world)
    quotes = Quotes(load_facts(), PriceBook(), story.today)
    plan = plan_from_requests(reader.columns(), choices(world.config, Compared()), quotes, PlanTerms())
    by_target: Counter[str] = Counter()
    by_workload: dict[str, dict[str, int]] = {}
    for piece in slices:
        by_target[piece.target or "none"] += piece.requests
        by_workload.setdefault(piece.workload, {})[piece.target or "none"] = piece.requests
    spilled = sum(piece.spilled for piece in slices)
    figures: dict[str, Any] = {
        "requests": report.sent,
        "answered": report.answered,
        "errors": report.unfinished + unmeant(report.errors, seen.meant),
        "lost": len(reader.missing(report.whole_ids)),
        "spilled": spilled,
        "spill": spill(*sent, by_workload, spilled),
        "by_target": dict(by_target),
        "by_workload": by_workload,
        "cost_usd": float(dollars(sum(piece.cost_nanousd for piece in slices))),
        "tickets": {"right": report.tickets_right, "total": report.tickets_total},
        "lab_targets": seen.lab_targets,
        **seen.figures(),
        "plan": plan,
    }
    story.told(Told(report, spent, seen, reader.recent(_ALL), figures), world.folder)
    return figures


async def _until_interrupted() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
