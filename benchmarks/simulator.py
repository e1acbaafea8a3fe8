"""How many requests a second the simulator takes, beside a queue of eight servers kept in Python's heap, in the same run.

One core, seconds of processor time. A replica under Azure's 2023 conversation lengths at four fifths of what it can carry, then
14 days of ServeGen's rates over 64 replicas, fed in chunks. Run: `python -m benchmarks.simulator [FOLDER]` with the folder of the
public traces. The heap baseline does less (no batch, no memory, no tokens) and says how fast a plain event loop is here.
Figures belong in docs/explain/capacity.md with the date.
"""

import argparse
import csv
import gzip
import heapq
import platform
import random
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
from rich.progress import Progress

from freehold.app.cli.output import notes, out
from freehold.lab.traces import open_trace
from freehold.plan.capacity.simulator.arrivals import Arrivals, arrivals_at_rates, arrivals_of
from freehold.plan.capacity.simulator.fleet import Engine, Fleet, Slo
from freehold.plan.capacity.simulator.law import Group, StepLaw, Term
from freehold.plan.capacity.simulator.simulate import simulate
from freehold.plan.capacity.simulator.summary import summarise

TRACES = Path(__file__).parents[2] / "shared" / "data" / "traces"
# A made-up engine of about the speed of an 8-billion-parameter model on one big GPU; the simulator's speed is what is measured.
LAW = StepLaw(
    (
        Group((Term(fixed_s=0.006), Term(fixed_s=0.001, prefill_s=2.5e-5, sequence_s=2.5e-5))),
        Group((Term(sequence_s=1e-5, context_s=4e-8, pair_s=1e-10),)),
    )
)
ENGINE = Engine(law=LAW, kv_blocks=30_000)
SLO = Slo(ttft_s=1.0, tpot_s=0.05)
REQUESTS, ROUNDS, SEED = 1_000_000, 5, 6
LOAD, MEAN_RPS = 0.8, 20.0


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("traces", nargs="?", type=Path, default=TRACES)
    options.add_argument("--requests", type=int, default=REQUESTS, help="simulated in each round on one replica")
    options.add_argument("--days", type=float, default=14.0, help="of the long trace; 0 leaves it out")
    given = options.parse_args()
    if not given.traces.is_dir():
        sys.exit(f"no public traces in {given.traces}; name their folder")
    out.print(
        f"{_machine()}; Python {platform.python_version()}, numpy {version('numpy')}, numba {version('numba')}", highlight=False
    )
    azure = arrivals_of(open_trace(given.traces / "azure_llm_2023_conv.csv.gz"))
    started = time.process_time()
    simulate(ENGINE, Fleet(), azure)
    out.print(
        f"first simulation, with compiling or loading the machine code: {time.process_time() - started:.1f} s", highlight=False
    )
    if given.days > 0:  # first, while the most memory this process ever had is little
        fortnight(azure, given.traces / "servegen_m-large_rate.csv.gz", given.days)
    one_replica(azure, given.requests)


def one_replica(azure: Arrivals, requests: int) -> None:
    """The simulator and the baseline by turns, as many requests each; best and median."""
    rate = LOAD * _capacity_rps(azure)
    trace = next(arrivals_at_rates(np.array([rate]), requests / rate, azure, SEED))
    fast, plain = [], []
    for _ in range(ROUNDS):
        started = time.process_time()
        done = simulate(ENGINE, Fleet(), trace)
        fast.append(len(trace) / (time.process_time() - started))
        plain.append(heap_queue(requests))
    tokens = done.totals.output_tokens / len(trace)
    out.print(
        f"one replica, {len(trace):,} requests at {rate:.1f}/s, {tokens:.0f} output tokens each, {done.totals.utilisation:.0%} of"
        f" the time in a step, {done.timeline.running.mean():.0f} running: best {max(fast):,.0f}, median"
        f" {np.median(fast):,.0f} requests/s",
        highlight=False,
    )
    out.print(
        f"M/M/8 in Python's heap: best {max(plain):,.0f}, median {np.median(plain):,.0f} requests/s;"
        f" ratio of the medians {np.median(fast) / np.median(plain):.2f}",
        highlight=False,
    )


def heap_queue(requests: int) -> float:
    """Requests a second of the plainest event loop: Poisson arrivals, eight servers, one queue, a heap of departures."""
    rng, free_at, now, waited = random.Random(SEED), [0.0] * 8, 0.0, 0.0
    started = time.process_time()
    for _ in range(requests):
        now += rng.expovariate(8 * LOAD)
        begin = max(now, free_at[0])
        waited += begin - now
        heapq.heapreplace(free_at, begin + rng.expovariate(1.0))
    took = time.process_time() - started
    assert waited > 0
    return requests / took


def fortnight(azure: Arrivals, path: Path, days: float) -> None:
    """ServeGen's rates, scaled to a mean of MEAN_RPS, over 64 replicas whose steps are so stretched that they carry that mean at
    four fifths."""
    with gzip.open(path, "rt") as lines:
        rates = np.array([float(row["rate_rps"]) for row in csv.DictReader(lines)])[: int(days * 144)]
    rates *= MEAN_RPS / rates.mean()
    engine = msgspec.structs.replace(ENGINE, law=_stretched(LAW, LOAD * 64 * _capacity_rps(azure) / MEAN_RPS))
    fleet = Fleet(replicas=64, rented=True, spill=True)
    before, started, began = _memory_gb(), time.process_time(), time.perf_counter()
    with Progress(console=notes) as bar:
        task = bar.add_task("requests", total=float(rates.sum() * 600))
        chunks = arrivals_at_rates(rates, 600.0, azure, SEED)
        summary, _ = summarise(engine, fleet, chunks, SLO, lambda totals: bar.update(task, completed=totals.requests))
    took, wall, totals = time.process_time() - started, time.perf_counter() - began, summary.totals
    out.print(
        f"{len(rates) / 144:g} days over 64 replicas: {totals.requests:,} requests in {took:.0f} s ({wall:.0f} s on the clock),"
        f" {totals.requests / took:,.0f} requests/s; most memory {_memory_gb() - before:.3f} GB above the start;"
        f" {totals.utilisation:.0%} of the time in a step, {totals.spilled / totals.requests:.2%} spilled",
        highlight=False,
    )


def _stretched(law: StepLaw, times: float) -> StepLaw:
    """A law of steps that take so many times as long."""
    return StepLaw(
        tuple(
            Group(
                tuple(Term(**{n: times * v for n, v in msgspec.structs.asdict(term).items()}) for term in group.terms), group.of
            )
            for group in law.groups
        )
    )


def _capacity_rps(azure: Arrivals) -> float:
    """Requests a second that one replica carries when they all wait from the start."""
    at_once = Arrivals(np.zeros(len(azure)), azure.input_tokens, azure.output_tokens)
    return len(azure) / simulate(ENGINE, Fleet(), at_once).totals.span_s


def _memory_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
