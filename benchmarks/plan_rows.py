"""How long `freehold plan --ledger` takes on a big ledger, against reading the same columns with plain sqlite3 and nothing else.

Both run by turns, each as a process of its own; the ratio is what to remember, for the seconds are this machine's. The ledger is
made up: a month of five workloads in the ledger's schema, in a temporary folder that is removed. It takes 300 bytes a row (3 GB
for ten million). Run: `make bench-plan`. Figures belong in docs/explain/performance.md with the date.
"""

import argparse
import math
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from freehold.app.cli.output import out
from freehold.serve.stores.sqlite import SqliteStore

ROWS, ROUNDS = 10_000_000, 3
BYTES_PER_ROW = 400  # with some to spare
BATCH = 100_000
FIRST_S, MONTH_S = 1_793_500_000.0, 30 * 86_400.0
CLASSES, CLASS_SHARES = ("public", "internal", "restricted"), (0.6, 0.3, 0.1)
# Name, share of the requests, mean input and output: of Azure's 2023 conversation and code traces (Patel et al., "Splitwise",
# ISCA 2024). How far lengths spread around them is made up.
WORKLOADS = (
    ("assistant", 0.40, 1155, 211),
    ("code", 0.25, 2048, 28),
    ("search", 0.15, 1155, 211),
    ("support", 0.12, 1155, 211),
    ("extract", 0.08, 2048, 28),
)
COLUMNS = (
    "id received_at stands_for workload key data_class regions asked_model dialect stream policy outcome status reason spilled "
    "target model basis uncached_input cache_read answer_output reasoning usage_source cost_nanousd ttft_s total_s"
).split()
PLAIN = """import sqlite3, sys
rows = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute('''SELECT stands_for, workload, data_class,
    uncached_input + coalesce(cache_read, 0) + coalesce(cache_write, 0), coalesce(cache_read, 0),
    answer_output + coalesce(reasoning, 0) FROM entries
    WHERE outcome = 'finished' AND uncached_input IS NOT NULL''').fetchall()"""


def main() -> None:
    """Make the ledger, measure by turns, remove it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("rows", nargs="?", type=int, default=ROWS)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="freehold-bench-") as folder:
        free = shutil.disk_usage(folder).free
        if free < given.rows * BYTES_PER_ROW:
            sys.exit(
                f"{given.rows:,} rows need {given.rows * BYTES_PER_ROW / 1e9:.1f} GB in {folder}, free are {free / 1e9:.1f} GB"
            )
        ledger = Path(folder) / "ledger.db"
        started = time.perf_counter()
        make_ledger(ledger, given.rows)
        size = ledger.stat().st_size
        out.print(f"{given.rows:,} rows, {size / 1e9:.2f} GB, made in {time.perf_counter() - started:.0f} s", highlight=False)
        measure(ledger, given.rounds)


def measure(ledger: Path, rounds: int) -> None:
    """Both sides by turns; best and median of the rounds."""
    freehold = str(Path(sys.executable).parent / "freehold")
    sides = {
        "plain SELECT and fetchall": [sys.executable, "-c", PLAIN, str(ledger)],
        "freehold plan": [freehold, "plan", "--ledger", str(ledger), "--json"],
    }
    seen: dict[str, list[tuple[float, float, float]]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, command in sides.items():
            seen[side].append(run(command))
    for side, figures in seen.items():
        walls, cpus, sizes = zip(*figures, strict=True)
        out.print(
            f"{side}: best {min(walls):.1f} s, median {statistics.median(walls):.1f} s of {rounds}; CPU {min(cpus):.1f} s, "
            f"memory {max(sizes):.2f} GB",
            highlight=False,
        )
    plain, plan = (statistics.median(figure[0] for figure in figures) for figures in seen.values())
    out.print(f"ratio of the medians: {plan / plain:.2f}", highlight=False)


def run(command: list[str]) -> tuple[float, float, float]:
    """Seconds, CPU seconds and the most memory in GB that a command took. It must succeed."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command[0]} ended with {child.returncode}")
    return time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9


def make_ledger(path: Path, rows: int) -> None:
    """Entries without attempts, in the order in which they would be settled."""
    SqliteStore(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000", "locking_mode = EXCLUSIVE"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("BEGIN")
        insert = f"INSERT INTO entries ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
        db.executemany(insert, made_up(rows))
        db.execute("COMMIT")
    SqliteStore(path).close()  # back to the journal of a ledger that is served


def made_up(rows: int) -> Iterator[tuple[object, ...]]:
    """Requests of a month that is busiest by day; one in a hundred fails, one in three has part of its input cached."""
    random = np.random.default_rng(20_261_121)
    even = random.random(rows) * MONTH_S
    at = FIRST_S + even + 7_000 * np.sin(2 * math.pi * even / 86_400)
    at.sort()
    took = random.lognormal(0.5, 0.8, rows)
    order = np.argsort(at + took)
    at, took = at[order], took[order]
    names = [name for name, *_ in WORKLOADS]
    shares, inputs, outputs = (np.array(column) for column in list(zip(*WORKLOADS, strict=True))[1:])
    for start in range(0, rows, BATCH):
        part = slice(start, min(start + BATCH, rows))
        count = part.stop - part.start
        workload = random.choice(len(names), count, p=shares)
        asked = lengths(random, inputs[workload], 1.0, 120_000)
        answered = lengths(random, outputs[workload], 0.9, 8_000)
        cached = np.where(random.random(count) < 1 / 3, asked // 2, 0)
        data_class, failed = random.choice(len(CLASSES), count, p=CLASS_SHARES), random.random(count) < 0.01
        ids = random.bytes(10 * count).hex()
        numbers = (at[part], took[part], workload, data_class, failed, asked, cached, answered)
        for n, (t, s, w, c, bad, i, k, o) in enumerate(zip(*(column.tolist() for column in numbers), strict=True)):
            name = names[w]
            ident = f"fh-{int(t * 1000):012x}{ids[20 * n : 20 * n + 20]}"
            usage = (None,) * 5 if bad else (i - k, k, o, 0, "provider")
            outcome, status = ("failed", 502) if bad else ("finished", 200)
            yield (
                ident, t, t, name, "team", CLASSES[c], "eu,us", name, "openai_chat", 1, "0123456789abcdef", outcome, status,
                "choice 1 of 2", 0, "api", "gpt-4o", "rented", *usage, 2_500 * i + 10_000 * o, 0.2 * s, s,
            )  # fmt: skip


def lengths(random: np.random.Generator, mean: np.ndarray, spread: float, most: int) -> np.ndarray:
    """Log-normal token counts with these means, from 1 to `most`."""
    drawn = mean * random.lognormal(-(spread**2) / 2, spread, len(mean))
    return np.clip(drawn, 1, most).astype(np.int64)


if __name__ == "__main__":
    main()
