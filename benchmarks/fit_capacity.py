"""Fit the step-time constants to published throughput and say honestly how good they are. Run: python -m benchmarks.fit_capacity

Prints the error table, every curve predicted by a fit that has not seen it; `--write` puts constants and spreads into
catalog/data/efficiency.yaml and the table into docs/explain/capacity.md. It draws nothing at random: the same rows give the
same constants. About a minute.
"""

import argparse
import csv
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import yaml

from benchmarks.capacity_fitting import STEPS, Row, errors, families, fit, judged, left_out, read_rows, shipped, spreads
from freehold.app.cli.output import notes, out
from freehold.catalog.efficiency import Fitted, load_efficiency, load_truth
from freehold.catalog.facts import load_facts
from freehold.stats.intervals import coverage, interval_score

ROOT = Path(__file__).parents[1]
CONSTANTS = ROOT / "src/freehold/catalog/data/efficiency.yaml"
PAGE = ROOT / "docs/explain/capacity.md"
# What the model was asked to reach with a curve left out: median error, P90 (None: not asked), and the coverage of the interval.
BARS: dict[str, tuple[float, float | None]] = {"offline dense": (0.15, 0.30), "offline moe": (0.25, None)}
COVERED = (0.65, 0.92)
COMMAND = "python -m benchmarks.fit_capacity --write"


def main() -> None:
    """Fit, leave out, judge, print; write where asked."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--write", action="store_true", help="keep the result in the catalogue and the documentation")
    options.add_argument(
        "--check", type=Path, help="no fit: what ships against another table with the columns of throughput_truth.csv"
    )
    given = options.parse_args()
    facts, fitted = load_facts(), load_efficiency()
    if given.check:
        rows, left = read_rows(csv.DictReader(given.check.read_text(encoding="utf-8").splitlines()), facts, fitted)
        out.print("\n".join([*table(rows, shipped(rows, fitted)), *_aside(left)]), highlight=False, markup=False, soft_wrap=True)
        return
    rows, left = read_rows(load_truth(), facts, fitted)
    made, lines, held = assess(rows, fitted, left)
    out.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
    notes.print("\n".join(held), highlight=False, markup=False, soft_wrap=True)
    if given.write:
        CONSTANTS.write_text(_yaml(made), encoding="utf-8")
        page = PAGE.read_text(encoding="utf-8")
        for name, text in (("constants", constant_table(made)), ("errors", lines)):
            page = _between(page, name, text)
        PAGE.write_text(page, encoding="utf-8")


def assess(rows: list[Row], fitted: Fitted, left: Sequence[str]) -> tuple[Fitted, list[str], list[str]]:
    """The fit to all offline rows with the spreads of those left out, the error tables as Markdown, and a line for each bar."""
    offline = [row for row in rows if row.group.startswith("offline")]
    promised = [row for row in rows if not row.group.startswith("offline")]
    # From the starting values, so that yesterday's fit has no say in today's.
    fresh = {name: msgspec.structs.replace(c, value=c.start) for name, c in fitted.constants.items()}
    made = fit(offline, msgspec.structs.replace(fitted, constants=fresh), STEPS)
    by_curve = left_out(offline, made, lambda row: row.curve, lambda line: notes.print(line, highlight=False))
    by_model = left_out(offline, made, lambda row: row.curve[0], lambda line: None)
    ordered = [*offline, *promised]
    error = np.concatenate([by_curve, errors(promised, made)])
    made = msgspec.structs.replace(
        made,
        date=dt.datetime.now(dt.UTC).date(),
        command=COMMAND,
        rows=len(offline),
        spreads=spreads(ordered, error, range(len(ordered))),
        covered=families(offline, made),
    )
    bounds = judged(ordered, error, made)
    lines = table(ordered, bounds)
    whole = [f"{kind} {_errors(by_model[[r.kind == kind for r in offline]])}" for kind in ("dense", "moe")]
    lines += ["", f"With a whole *model* left out on every GPU: {'; '.join(whole)}."]
    return made, lines + _aside(left), bars(ordered, bounds)


def bars(rows: Sequence[Row], bounds: np.ndarray) -> list[str]:
    """What was asked beside what was reached."""
    lines = []
    for group, (most, tail) in BARS.items():
        middle, low, high = bounds[[row.group == group for row in rows]].T
        off, covered = np.abs(middle - 1), coverage(low, high, np.ones(len(middle)))
        median, p90 = np.median(off), np.quantile(off, 0.9)
        held = median <= most and (tail is None or p90 <= tail) and COVERED[0] <= covered <= COVERED[1]
        asked = "" if tail is None else f" (bar {tail:.0%})"
        lines.append(
            f"{group}: median error {median:.1%} (bar {most:.0%}), P90 {p90:.1%}{asked}, 80 % interval covers {covered:.0%} "
            f"(bar {COVERED[0]:.0%} to {COVERED[1]:.0%}): {'held' if held else 'NOT held'}"
        )
    return lines


def _aside(left: Sequence[str]) -> list[str]:
    return ["", f"Left aside, because lengths or output are not stated: {len(left)} rows ({', '.join(left) or 'none'})."]


def table(rows: Sequence[Row], bounds: np.ndarray) -> list[str]:
    """One line per group, and per architecture and kind of offline rows. Interval score is in units of the truth."""
    lines = [
        "| rows | curves | number | median error | P90 | median predicted/published | 80 % interval covers | interval score |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups = {row.group: [n for n, r in enumerate(rows) if r.group == row.group] for row in rows}
    for name in list(groups):
        if name.startswith("offline"):
            for arch in sorted({rows[n].asked.gpu.arch for n in groups[name]}):
                groups[f"{name} {arch}"] = [n for n in groups[name] if rows[n].asked.gpu.arch == arch]
    for name in sorted(groups):
        picked = [n for n in groups[name] if np.isfinite(bounds[n]).all()]
        if not picked:
            lines.append(f"| {name} | {len({rows[n].curve for n in groups[name]})} | {len(groups[name])} | | | | | |")
            continue
        middle, low, high = bounds[picked].T
        one, off = np.ones(len(picked)), np.abs(middle - 1)
        lines.append(
            f"| {name} | {len({rows[n].curve for n in picked})} | {len(picked)} | {np.median(off):.1%} | "
            f"{np.quantile(off, 0.9):.1%} | {np.median(middle):.2f} | {coverage(low, high, one):.0%} | "
            f"{interval_score(low, high, one, 0.8):.2f} |"
        )
    return lines


def constant_table(fitted: Fitted) -> list[str]:
    """The constants as Markdown."""
    lines = ["| constant | value | started from | let go | source |", "|---|---|---|---|---|"]
    for name, one in fitted.constants.items():
        lines.append(f"| `{name}` | {one.value:.4g} | {one.start:g} | {one.spread:g} | {one.source} |")
    return lines


def _between(page: str, name: str, lines: Sequence[str]) -> str:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{rest.partition(end)[2]}"


def _errors(error: np.ndarray) -> str:
    off = np.abs(np.exp(error) - 1)
    return f"median error {np.median(off):.1%}, P90 {np.quantile(off, 0.9):.1%}"


def _yaml(fitted: Fitted) -> str:
    plain = msgspec.to_builtins(fitted, builtin_types=(dt.date,))
    for constant in plain["constants"].values():
        constant["value"] = float(f"{constant['value']:.4g}")
    for spread in plain["spreads"].values():
        spread.update({key: float(f"{value:.4g}") for key, value in spread.items()})
    head = (
        "# Fitted constants of the step-time model; docs/explain/capacity.md explains each. `start`, `spread` and `source` are\n"
    )
    head += "# stated by hand, the rest is written by the command below.\n"
    return head + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=130)


if __name__ == "__main__":
    main()
