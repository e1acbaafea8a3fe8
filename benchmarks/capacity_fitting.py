"""The arithmetic of `benchmarks.fit_capacity`: rows, the damped least squares with priors, curves left out, intervals of them."""

import math
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from freehold.catalog.efficiency import Constant, Fitted, Spread
from freehold.catalog.facts import Facts
from freehold.plan.capacity.intervals import Family, judge, scenario_kind, work_kind
from freehold.plan.capacity.predict import Deployment, best, predict
from freehold.plan.capacity.table import read_question
from freehold.rules.steptime.layout import Layout
from freehold.rules.steptime.offline import Shape

# How far a row is expected to be off besides what the constants explain, in logarithms; three halves of it is where a row
# starts to count less (pseudo-Huber), so that a few odd runs do not bend the rest.
NOISE = 0.12
STEPS, AGAIN, LARGEST = 14, 5, 0.3


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One published figure: what it asks, and the logarithm of the output tokens/s seen."""

    ident: str
    asked: Deployment
    shape: Shape
    scenario: str
    seen: float
    kind: str
    curve: tuple[str, str]

    @property
    def group(self) -> str:
        """Offline rows by kind of work, the others by scenario: never one number for both."""
        kind = scenario_kind(self.scenario)
        return f"offline {self.kind}" if kind == "offline" else kind


def read_rows(truth: Iterable[dict[str, str]], facts: Facts, fitted: Fitted) -> tuple[list[Row], list[str]]:
    """The rows that state enough to be predicted, and the ids of the others.

    Where only latencies are stated, output is concurrency x answer / (time to first token + answer x time per token).
    """
    rows, left = [], []
    for cells in truth:
        seen = _seen(cells)
        if not seen or not cells["isl"] or not (cells["osl"] or cells["model"] in fitted.task_output_tokens):
            left.append(cells["id"])
            continue
        question = read_question(cells, facts, fitted)
        kind = "moe" if question.asked.model.experts else "dense"
        rows.append(
            Row(
                ident=cells["id"],
                asked=question.asked,
                shape=question.shape,
                scenario=question.scenario,
                seen=math.log(seen),
                kind=kind,
                curve=(question.asked.model.model, question.asked.gpu.gpu),
            )
        )
    return rows, left


def _seen(cells: dict[str, str]) -> float | None:
    if cells["output_tok_s"]:
        return float(cells["output_tok_s"])
    if not (cells["ttft_ms"] and cells["tpot_ms"] and cells["osl"] and cells["concurrency"].isdigit()):
        return None
    tokens = float(cells["osl"])
    return float(cells["concurrency"]) * tokens * 1000 / (float(cells["ttft_ms"]) + tokens * float(cells["tpot_ms"]))


def errors(rows: Sequence[Row], fitted: Fitted, chosen: Sequence[Layout] | None = None) -> np.ndarray:
    """Logarithm of predicted over seen, as the steady model says it; with these layouts, or with each row's best."""
    made = []
    for n, row in enumerate(rows):
        asked = row.asked if chosen is None else msgspec.structs.replace(row.asked, layout=chosen[n])
        made.append(math.log(best(asked, row.shape, fitted).output_tok_s) - row.seen)
    return np.array(made)


def fit(rows: Sequence[Row], fitted: Fitted, steps: int) -> Fitted:
    """Constants closest to the rows and to their starting values (Levenberg-Marquardt on reweighted least squares).

    Constants are fitted in logarithms, the overlap in log-odds. Layouts that a row leaves open are chosen anew at each step.
    """
    names = list(fitted.constants)
    start = np.array([_inner(n, fitted.constants[n].start) for n in names])
    spread = np.array([fitted.constants[n].spread for n in names])
    at = np.array([_inner(n, fitted.constants[n].value) for n in names])
    for _ in range(steps):
        now = with_values(fitted, names, at)
        chosen = [best(row.asked, row.shape, now).step.layout for row in rows]
        error = errors(rows, now, chosen)
        weight = 1 / (NOISE**2 * np.sqrt(1 + (error / (1.5 * NOISE)) ** 2))
        slopes = np.empty((len(rows), len(names)))
        for n in range(len(names)):
            moved = at.copy()
            moved[n] += 0.02
            slopes[:, n] = (errors(rows, with_values(fitted, names, moved), chosen) - error) / 0.02
        curvature = (slopes * weight[:, None]).T @ slopes + np.diag(1 / spread**2)
        downhill = (slopes * weight[:, None]).T @ error + (at - start) / spread**2
        step = np.clip(np.linalg.solve(curvature + 0.1 * np.diag(np.diag(curvature)), downhill), -LARGEST, LARGEST)
        at = at - step
        if np.abs(step).max() < 0.003:
            break
    return with_values(fitted, names, at)


def with_values(fitted: Fitted, names: Sequence[str], inner: np.ndarray) -> Fitted:
    """The same, with these values of the constants."""
    constants: dict[str, Constant] = {
        name: msgspec.structs.replace(fitted.constants[name], value=_outer(name, float(value)))
        for name, value in zip(names, inner, strict=True)
    }
    return msgspec.structs.replace(fitted, constants=constants)


def _inner(name: str, value: float) -> float:
    return math.log(value / (1 - value)) if name == "overlap" else math.log(value)


def _outer(name: str, value: float) -> float:
    return 1 / (1 + math.exp(-value)) if name == "overlap" else math.exp(value)


def left_out(rows: Sequence[Row], fitted: Fitted, part: Callable[[Row], object], note: Callable[[str], None]) -> np.ndarray:
    """Errors of offline rows when the fit has seen no row of the same part (a whole curve, or a whole model)."""
    made = np.empty(len(rows))
    for key in sorted({str(part(row)) for row in rows}):
        out = [n for n, row in enumerate(rows) if str(part(row)) == key]
        kept = [row for row in rows if str(part(row)) != key]
        made[out] = errors([rows[n] for n in out], fit(kept, fitted, AGAIN))
        note(f"{key}: {len(out)} rows, predicted/published {np.exp(np.median(made[out])):.2f}")
    return made


def spread_of(rows: Sequence[Row], error: np.ndarray) -> Spread:
    """Truth over prediction at its 10, 50 and 90 % points, the outer two further out the fewer curves there are.

    A new curve falls anywhere among n seen ones with equal chance, so its 10 % point is the mid-rank (0.1 (n + 1) - 0.5) / n.
    """
    curves = len({row.curve for row in rows})
    tail = max(0.0, (0.1 * (curves + 1) - 0.5) / curves)
    low, middle, high = (float(q) for q in np.exp(np.quantile(-error, (tail, 0.5, 1 - tail))))
    return Spread(low, middle, high)


def spreads(rows: Sequence[Row], error: np.ndarray, kept: Iterable[int]) -> dict[str, Spread]:
    """The spread of each group among the kept rows."""
    groups: dict[str, list[int]] = {}
    for n in kept:
        groups.setdefault(rows[n].group, []).append(n)
    return {group: spread_of([rows[n] for n in found], error[found]) for group, found in sorted(groups.items())}


def families(rows: Iterable[Row], fitted: Fitted) -> tuple[str, ...]:
    """The families of the rows' predictions, as coverage is judged by."""
    return tuple(sorted({family_of(row, fitted).name for row in rows}))


def family_of(row: Row, fitted: Fitted) -> Family:
    """What the constants of a row's prediction depend on."""
    found = best(row.asked, row.shape, fitted)
    work = found.step.work
    engine = fitted.engine(row.asked.engine)
    return Family(work=work_kind(work), arch=row.asked.gpu.arch, precision=work.precision, engine=engine)


def shipped(rows: Sequence[Row], fitted: Fitted) -> np.ndarray:
    """(middle, low, high) over the truth for each row, as `freehold predict` says them."""
    made = [predict(row.asked, row.shape, fitted, row.scenario) for row in rows]
    seen = np.exp([row.seen for row in rows])
    return np.array([(one.output_tok_s, one.low80, one.high80) for one in made]) / seen[:, None]


def judged(rows: Sequence[Row], error: np.ndarray, fitted: Fitted) -> np.ndarray:
    """(middle, low, high) over the truth for each row, from the spreads and families of all *other* curves."""
    made = np.empty((len(rows), 3))
    for curve in sorted({row.curve for row in rows}):
        out = [n for n, row in enumerate(rows) if row.curve == curve]
        kept = [n for n, row in enumerate(rows) if row.curve != curve]
        offline = [n for n in kept if rows[n].group.startswith("offline")]
        others = msgspec.structs.replace(
            fitted, spreads=spreads(rows, error, kept), covered=families([rows[n] for n in offline], fitted)
        )
        for n in out:
            if rows[n].group not in others.spreads:
                made[n] = math.nan
                continue
            found = judge(math.exp(error[n]), family_of(rows[n], fitted), rows[n].scenario, others)
            made[n] = found.middle, found.low80, found.high80
    return made
