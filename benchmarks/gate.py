"""The gate's promises, simulated: how often it promotes a model as bad as the margin, and how many pairs its decisions take.

2,000 runs of 10,000 requests with a look after each one, for models that differ from the rented one on 3 to 40 % of requests; a
z-test that is looked at just as often stands beside it. The runs go through numpy many at once; some of them also go through the
shipped gate pair by pair, and must decide alike. Run: `python -m benchmarks.gate` (under a minute; `--pictures DIR` writes
those of docs/explain/gate.md). Exit code 1 when a bar is missed.
"""

import math
import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from freehold import __version__
from freehold.app.cli.output import out
from freehold.move.migration.gate import open_gate
from freehold.move.migration.pair import GateSettings, Pair
from freehold.plan.report import svg
from freehold.stats.sequences import BETS

Differences = NDArray[np.int8]
Moments = NDArray[np.int64]

RUNS, REQUESTS = 2_000, 10_000
MARGIN, ALPHA, MIN_SAMPLES = 0.03, 0.05, 100
WORSE, MUCH_WORSE = -0.03, -0.08
SEED = 20261121
NEVER = np.iinfo(np.int64).max
UPPER_BAR = 0.061
PROMOTE_BARS = {0.10: 800, 0.25: 2_100, 0.40: 3_400}
ROLLBACK_BARS = {0.10: 250, 0.25: 650, 0.40: 1_100}
DISCORDANCES = (0.03, *PROMOTE_BARS)
REPLAYED, REPLAYED_REQUESTS = 6, 4_000
_RUNS_AT_ONCE, _LOOKS_AT_ONCE = 100, 1_000


@dataclass(frozen=True)
class Outcome:
    """One discordance: after how many pairs each run decided (NEVER where it did not)."""

    discordance: float
    false_promotions: Moments
    peeked: Moments
    promotions: Moments
    false_rollbacks: Moments
    rollbacks: Moments | None
    replayed_alike: int
    replayed: int

    def missed(self) -> list[str]:
        """The bars that these runs do not reach."""
        found = []
        for name, at in (("false promotion", self.false_promotions), ("false rollback", self.false_rollbacks)):
            if share(at) > ALPHA or upper_limit(hits(at), len(at)) > UPPER_BAR:
                found.append(f"{name} {share(at):.1%}, upper limit {upper_limit(hits(at), len(at)):.1%}")
        for name, bars, moments in (("promotion", PROMOTE_BARS, self.promotions), ("rollback", ROLLBACK_BARS, self.rollbacks)):
            bar = bars.get(self.discordance)
            if bar is not None and moments is not None and np.median(moments) > bar:
                found.append(f"median {name} after {np.median(moments):,.0f} pairs, not {bar:,}")
        if self.replayed_alike != self.replayed:
            found.append("the shipped gate decides otherwise")
        return [f"{self.discordance:.0%} discordant: {text}" for text in found]


def main() -> int:
    """Simulate, print the table, write the pictures where asked."""
    began = time.perf_counter()
    outcomes = [simulate(discordance, RUNS, REQUESTS) for discordance in DISCORDANCES]
    out.print(table(outcomes))
    out.print(
        f"Margin {MARGIN:.0%}, alpha {ALPHA:g}, {RUNS:,} runs of {REQUESTS:,} requests, a look after each; seed {SEED}. "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}, "
        f"freehold {__version__}; {time.perf_counter() - began:.0f} s.",
        soft_wrap=True,
    )
    if "--pictures" in sys.argv:
        folder = Path(sys.argv[sys.argv.index("--pictures") + 1])
        (folder / "gate-peeking.svg").write_text(peeking_picture(outcomes), encoding="utf-8")
        (folder / "gate-decisions.svg").write_text(decisions_picture(outcomes), encoding="utf-8")
    missed = [text for outcome in outcomes for text in outcome.missed()]
    for text in missed:
        out.print(f"Missed: {text}", style="bold")
    return 1 if missed else 0


def simulate(discordance: float, runs: int, requests: int, replayed: int = REPLAYED) -> Outcome:
    """Runs at one discordance: of a model at the margin, an equal one, and one 8 points worse where there is room for it. So many
    of each also go through the shipped gate."""
    random = np.random.default_rng([SEED, round(1000 * discordance)])
    at_margin, equal = (differences(random, discordance, mean, (runs, requests)) for mean in (WORSE, 0.0))
    much_worse = differences(random, discordance, MUCH_WORSE, (runs, requests)) if discordance >= -MUCH_WORSE else None
    replays = [row for stream in (at_margin, equal, much_worse) if stream is not None for row in stream[:replayed]]
    return Outcome(
        discordance=discordance,
        false_promotions=promoted_at(at_margin),
        peeked=peeked_z_test(at_margin),
        promotions=promoted_at(equal),
        false_rollbacks=rolled_back_at(equal),
        rollbacks=None if much_worse is None else rolled_back_at(much_worse),
        replayed_alike=sum(decides_alike(row[:REPLAYED_REQUESTS]) for row in replays),
        replayed=len(replays),
    )


def differences(random: np.random.Generator, discordance: float, mean: float, shape: tuple[int, int]) -> Differences:
    """owned - rented of pass or fail: 1 or -1 on a share `discordance` of requests, with this mean over all."""
    drawn = random.random(shape, dtype=np.float32)
    better, worse = (discordance + mean) / 2, (discordance - mean) / 2
    return (drawn < better).astype(np.int8) - ((drawn >= better) & (drawn < better + worse)).astype(np.int8)


def promoted_at(stream: Differences) -> Moments:
    """After how many pairs each run shows a mean above -MARGIN, never before the fewest pairs."""
    return np.maximum(crossed_at(stream, [(d + MARGIN) / (1 - MARGIN) for d in (-1, 0, 1)]), MIN_SAMPLES)


def rolled_back_at(stream: Differences) -> Moments:
    """After how many pairs each run shows a mean below -MARGIN."""
    return crossed_at(stream, [-(d + MARGIN) / (1 + MARGIN) for d in (-1, 0, 1)])


def crossed_at(stream: Differences, won: list[float]) -> Moments:
    """When the mean wealth of the bets first reaches 1/ALPHA; `won` is what the largest safe bet wins on -1, 0 and 1."""
    runs, requests = stream.shape
    logs = np.log1p(np.outer(BETS, won))
    found = np.full(runs, NEVER)
    for first in range(0, runs, _RUNS_AT_ONCE):
        open_ = np.arange(first, min(first + _RUNS_AT_ONCE, runs))
        counts = np.zeros((len(open_), 2))
        for start in range(0, requests, _LOOKS_AT_ONCE):
            block = stream[open_, start : start + _LOOKS_AT_ONCE]
            lost, gained = (np.cumsum(block == d, axis=1, dtype=np.float64) + counts[:, [at]] for at, d in enumerate((-1, 1)))
            seen = np.arange(start + 1, start + block.shape[1] + 1)
            wealth = sum(
                np.exp(np.minimum(lost * (down - even) + gained * (up - even) + seen * even, 500.0)) for down, even, up in logs
            ) / len(BETS)
            reached = wealth >= 1 / ALPHA
            done = reached.any(axis=1)
            found[open_[done]] = start + 1 + reached[done].argmax(axis=1)
            open_, counts = open_[~done], np.stack([lost[~done, -1], gained[~done, -1]], axis=1)
    return found


def peeked_z_test(stream: Differences) -> Moments:
    """When a one-sided z-test at ALPHA, looked at after every request from the hundredth on, finds the model good enough."""
    seen = np.arange(1, stream.shape[1] + 1)
    found = np.full(len(stream), NEVER)
    critical = statistics.NormalDist().inv_cdf(1 - ALPHA)
    for first in range(0, len(stream), _RUNS_AT_ONCE):
        block = stream[first : first + _RUNS_AT_ONCE]
        mean = np.cumsum(block, axis=1, dtype=np.float64) / seen
        variance = np.cumsum(block != 0, axis=1) / seen - mean * mean
        called = (mean + MARGIN > critical * np.sqrt(variance / seen)) & (variance > 0) & (seen >= MIN_SAMPLES)
        found[first : first + len(block)] = np.where(called.any(axis=1), called.argmax(axis=1) + 1, NEVER)
    return found


def decides_alike(run: Differences) -> bool:
    """Whether the shipped gate, pair by pair, decides as the runs in numpy do, at the same pair."""
    promoted, rolled_back = int(promoted_at(run[None])[0]), int(rolled_back_at(run[None])[0])
    gate = open_gate(GateSettings(MARGIN, ALPHA, MIN_SAMPLES))
    for difference in run.tolist():
        if gate.add(Pair(float(difference > 0), float(difference < 0))) != "continue":
            break
    verdict = gate.verdict()
    first = min(promoted, rolled_back)
    expected = "continue" if first > len(run) else "rollback" if rolled_back <= promoted else "promote"
    return verdict.decision == expected and verdict.at_sample == (None if first > len(run) else first)


def hits(moments: Moments) -> int:
    """In how many runs it happened at all."""
    return int((moments < NEVER).sum())


def share(moments: Moments) -> float:
    """In what share of runs it happened at all."""
    return hits(moments) / len(moments)


def upper_limit(happened: int, runs: int, confidence: float = 0.95) -> float:
    """The exact one-sided upper limit of a share (Clopper & Pearson 1934), by bisection."""
    low, high = happened / runs, 1.0
    for _ in range(50):
        p = (low + high) / 2
        logs = (
            math.lgamma(runs + 1) - math.lgamma(k + 1) - math.lgamma(runs - k + 1) + k * math.log(p) + (runs - k) * math.log1p(-p)
            for k in range(happened + 1)
        )
        low, high = (p, high) if sum(map(math.exp, logs)) > 1 - confidence else (low, p)
    return high


def table(outcomes: list[Outcome]) -> Table:
    """A row for each discordance, bars in brackets."""
    made = Table(title="the gate, simulated: medians of pairs with their bars, upper limits of 95 % (6.1 % at most)")
    for name in (
        "differ", "false promotion", "upper limit", "peeked z-test", "pairs to promote equal", "promoted", "false rollback",
        "upper limit", "pairs to roll back -8", "shipped alike",
    ):  # fmt: skip
        made.add_column(name, justify="right")
    for one in outcomes:
        made.add_row(
            f"{one.discordance:.0%}",
            f"{share(one.false_promotions):.1%}",
            f"{upper_limit(hits(one.false_promotions), len(one.false_promotions)):.1%}",
            f"{share(one.peeked):.1%}",
            _median(one.promotions, PROMOTE_BARS.get(one.discordance)),
            f"{share(one.promotions):.1%}",
            f"{share(one.false_rollbacks):.1%}",
            f"{upper_limit(hits(one.false_rollbacks), len(one.false_rollbacks)):.1%}",
            _median(one.rollbacks, ROLLBACK_BARS.get(one.discordance)),
            f"{one.replayed_alike} of {one.replayed}",
        )
    return made


def _median(moments: Moments | None, bar: int | None) -> str:
    if moments is None:
        return "-"
    return f"{np.median(moments):,.0f}" + (f" ({bar:,})" if bar else "")


_STYLE = "<style>text { font: 13px system-ui, 'DejaVu Sans', sans-serif }</style>"
_GROUND = f'<rect width="{svg.WIDTH}" height="{svg.HEIGHT}" fill="#ffffff"/>'
_DASHES = {0.10: "", 0.25: "9 4", 0.40: "2 3"}


def peeking_picture(outcomes: list[Outcome]) -> str:
    """In what share of runs a model at the margin has been promoted, look by look: z-test and gate."""
    frame = svg.Frame(float(REQUESTS), 0.5)
    labels = ("requests, with a look after each one", "runs in which a model 3 points worse was promoted")
    body = [_STYLE, _GROUND, frame.axes(*labels, "{:,.0f}".format, "{:.0%}".format)]
    at = frame.y(ALPHA)
    body.append(svg.line([(svg.LEFT, at), (svg.RIGHT, at)], svg.INK, width=1.2, dash="2 2"))
    body.append(svg.text(svg.RIGHT, at - 6, "5 %, as promised", anchor="end", colour=svg.SOFT))
    for outcome in outcomes:
        if outcome.discordance in PROMOTE_BARS:
            dash = _DASHES[outcome.discordance]
            body.append(svg.line(_curve(frame, outcome.peeked), svg.RENTED, dash=dash))
            body.append(svg.line(_curve(frame, outcome.false_promotions), svg.OWNED, dash=dash))
    legend = [
        ("z-test", svg.RENTED, ""),
        ("this gate", svg.OWNED, ""),
        *((f"{d:.0%}", svg.SOFT, dash) for d, dash in _DASHES.items()),
    ]
    body.append(_legend(legend))
    shares = [f"{share(o.peeked):.0%} and {share(o.false_promotions):.1%} at {o.discordance:.0%} discordance" for o in outcomes]
    return svg.picture("False promotions of a peeked z-test and of the gate", "; ".join(shares), "".join(body)) + "\n"


def decisions_picture(outcomes: list[Outcome]) -> str:
    """In what share of runs an equal model is promoted and one 8 points worse is rolled back, pair by pair."""
    frame = svg.Frame(float(REQUESTS), 1.0)
    body = [_STYLE, _GROUND, frame.axes("pairs", "runs decided", "{:,.0f}".format, "{:.0%}".format)]
    for outcome in outcomes:
        if outcome.rollbacks is not None:
            dash = _DASHES[outcome.discordance]
            body.append(svg.line(_curve(frame, outcome.promotions), svg.OWNED, dash=dash))
            body.append(svg.line(_curve(frame, outcome.rollbacks), svg.RENTED, dash=dash))
    legend = [("8 worse: back", svg.RENTED, ""), ("equal: promoted", svg.OWNED, "")]
    body.append(_legend([*legend, *((f"{d:.0%}", svg.SOFT, dash) for d, dash in _DASHES.items())]))
    medians = [f"{np.median(o.promotions):,.0f} pairs at {o.discordance:.0%}" for o in outcomes if o.rollbacks is not None]
    told = f"Medians of promotion: {'; '.join(medians)}."
    return svg.picture("After how many pairs the gate decides", told, "".join(body)) + "\n"


def _curve(frame: svg.Frame, moments: Moments) -> list[tuple[float, float]]:
    looks = np.arange(0, REQUESTS + 1, 50)
    shares = np.searchsorted(np.sort(moments), looks, side="right") / len(moments)
    return [(frame.x(float(n)), frame.y(float(y))) for n, y in zip(looks, shares, strict=True)]


def _legend(entries: list[tuple[str, str, str]]) -> str:
    parts, left = [], float(svg.LEFT)
    for words, colour, dash in entries:
        parts.append(svg.line([(left, 387), (left + 28, 387)], colour, dash=dash))
        parts.append(svg.text(left + 34, 392, words))
        left += 52 + 7.2 * len(words)
    return "".join(parts)


if __name__ == "__main__":
    sys.exit(main())
