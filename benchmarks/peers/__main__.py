"""The gateway and its peers in turns, on this machine: `python -m benchmarks.peers` (about seven minutes; `make bench` runs it).

In front of one upstream and behind one load generator, both in C, so that what is measured is the system between them. CPU is
that of the system's own processes, and suffers least from what else the machine does; latency and streams held contain the wait
for a core. Each figure is the best of the rounds, in which the systems take turns. What cannot be had is left out, by name.
"""

import argparse
import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.table import Table

from benchmarks.peers.gateways import SYSTEMS
from benchmarks.peers.measures import CALLERS, HELD_MS, LADDER, RATE, STREAMS, Load, Quantiles, Round
from benchmarks.peers.running import Running, running
from benchmarks.peers.setup import Kept, Missing, Setup
from freehold.app.cli.demo.children import free_port
from freehold.app.cli.output import out

EVENTS, INTERVAL_US = 100, 20_000
BAR = 1.2
ALIKE = ("freehold, limits on", "tensorzero, records on")
ELSE = ("freehold", "tensorzero")  # what the bar is against where the peer cannot be had with the same on
DIRECT = "upstream itself"


class Result(msgspec.Struct, frozen=True):
    """One system's best figures. Microseconds; latency beyond the upstream's own, the best of each."""

    name: str
    version: str
    cpu_us_per_request: float | None
    cpu_us_per_event: float | None
    added_latency_us: Quantiles
    requests_per_s: float
    streams_held: int | None
    failures: int
    kept: Kept | None
    rounds: list[Round]


def main() -> int:
    """Exit code: 0; 1 where our CPU of a request is above the bar; 2 where nothing can be measured."""
    asked = _arguments()
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        sys.stderr.write("the load generator needs a C compiler (Debian: apt-get install gcc libc6-dev)\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="freehold-peers-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        for program in ("upstream", "load"):
            source = Path(__file__).with_name(f"{program}.c")
            subprocess.run([compiler, "-O2", "-o", str(folder / program), str(source)], check=True)
        port = free_port(0)
        command = (str(folder / "upstream"), str(port), str(EVENTS), str(INTERVAL_US))
        direct = stack.enter_context(running(DIRECT, Setup("", command, port), folder))
        systems: list[Running] = []
        for system, build in SYSTEMS.items():
            if system in asked.without:
                continue
            place = folder / system.replace(", ", "-").replace(" ", "-")
            place.mkdir()
            try:
                systems.append(stack.enter_context(running(system, build(place, port), place)))
            except Missing as missing:
                out.print(f"left out: {system}: {missing}", highlight=False)
        results = _measure(Load(folder / "load"), direct, systems, asked)
    _print(results)
    if asked.json is not None:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode({"machine": _machine(), "results": results}), indent=1))
    return _verdict(results)


def _measure(load: Load, direct: Running, systems: list[Running], asked: argparse.Namespace) -> list[Result]:
    """In rounds, each system after the other; then the ladder of streams once."""
    rounds: dict[str, list[Round]] = {system.name: [] for system in (direct, *systems)}
    for system in systems:
        load.round(system, 0.5)  # caches, pools and prices are warm from here on
    for _ in range(asked.rounds):
        for system in (direct, *systems):
            rounds[system.name].append(load.round(system, asked.seconds))
    held = {} if asked.no_ladder else {system.name: load.held(system, direct, asked.seconds) for system in systems}
    results = []
    for system in systems:
        kept, answered = load.kept(system), load.answered[system.name]
        if kept is not None:
            said = f"{answered:,} answered, {kept.recorded:,} recorded, {kept.counted:,} counted against its limits"
            short = min(kept.recorded, kept.counted) < max(answered, 1)
            out.print(f"{'left out: ' if short else ''}{system.name}: {said}", highlight=False)
            if short:
                continue
        results.append(_result(system, rounds[system.name], rounds[direct.name], held.get(system.name), kept))
    return results


def _result(system: Running, rounds: list[Round], direct: list[Round], held: int | None, kept: Kept | None) -> Result:
    there, here = (_best([r.latency_us for r in those]) for those in (rounds, direct))
    return Result(
        name=system.name, version=system.version,
        cpu_us_per_request=min((r.cpu_us_per_request for r in rounds if r.cpu_us_per_request is not None), default=None),
        cpu_us_per_event=min((r.cpu_us_per_event for r in rounds if r.cpu_us_per_event is not None), default=None),
        added_latency_us=Quantiles(there.p50 - here.p50, there.p99 - here.p99),
        requests_per_s=max(r.requests_per_s for r in rounds),
        streams_held=held, failures=sum(r.failures for r in rounds), kept=kept, rounds=rounds,
    )  # fmt: skip


def _best(latencies: list[Quantiles]) -> Quantiles:
    return Quantiles(min(latency.p50 for latency in latencies), min(latency.p99 for latency in latencies))


def _print(results: list[Result]) -> None:
    machine = _machine()
    title = f"{machine['at']} · {machine['cpu']}, {machine['cores']} cores, load {machine['load']} · Python {machine['python']}"
    table = Table("system", "version", "CPU us/request", f"CPU us/event, {STREAMS} streams", f"added us at {RATE}/s, p50", "p99",
                  f"requests/s, {CALLERS} callers", f"streams held (of {LADDER[-1]})", "failures", title=title)  # fmt: skip
    for r in results:
        latency = (f"{r.added_latency_us.p50:,.0f}", f"{r.added_latency_us.p99:,.0f}")
        held = "-" if r.streams_held is None else str(r.streams_held)
        cpu = (_whole(r.cpu_us_per_request), _whole(r.cpu_us_per_event))
        table.add_row(r.name, r.version, *cpu, *latency, f"{r.requests_per_s:,.0f}", held, str(r.failures))
    out.print(table)
    out.print(f"A stream is held where its events come at most {HELD_MS:g} ms later than direct ones, p99.", highlight=False)


def _verdict(results: list[Result]) -> int:
    cpu = {r.name: r.cpu_us_per_request for r in results if not r.failures}  # a refusal costs less than an answer
    ratios = []
    for name, peer in (ALIKE, ELSE):
        ours, theirs = cpu.get(name), cpu.get(peer)
        if not ours or not theirs:
            out.print(
                f"CPU of a request, {name} / {peer}: not measured, one of the two is missing or failed requests.", highlight=False
            )
            continue
        ratios.append(ours / theirs)
        of_bar = f"; the bar is {BAR}, and it {'holds' if ratios[0] <= BAR else 'does not hold'}" if len(ratios) == 1 else ""
        out.print(f"CPU of a request, {name} / {peer}: {ratios[-1]:.2f}{of_bar}.", highlight=False)
    return 1 if ratios and ratios[0] > BAR else 0


def _machine() -> dict[str, str]:
    names = (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line)
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "cpu": next(names, platform.machine()),
        "cores": str(len(os.sched_getaffinity(0))), "load": f"{os.getloadavg()[0]:.1f}", "python": platform.python_version(),
        "kernel": platform.release(),
    }  # fmt: skip


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="The gateway and its peers in turns.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--without", action="append", default=[], choices=sorted(SYSTEMS), help="leave a system out; may repeat")
    parser.add_argument("--no-ladder", action="store_true", help="do not look for the most streams held")
    parser.add_argument("--json", type=Path, help="write all figures of all rounds there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
