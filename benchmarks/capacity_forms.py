"""What the choice of the model's form is worth: whole families left out, and forms chosen without the rows they are judged by.

The constants of the step-time model come from a fit, its form from a comparison on the same rows. Here the comparison is made
again for each model left out, among some of the forms that were at hand, on the other models alone (four parts of them, each
predicted by a fit to the rest), and the form that wins there predicts the one left out. Run: python -m benchmarks.capacity_forms
A few minutes of processor time; nothing is drawn at random.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from benchmarks.capacity_fitting import AGAIN, STEPS, Row, errors, families, family_of, fit, left_out, read_rows
from freehold.app.cli.output import notes, out
from freehold.catalog.efficiency import Fitted, load_efficiency, load_truth
from freehold.catalog.facts import load_facts
from freehold.plan.capacity.intervals import judge

_PARTS = 4
# Factors of a family, each of which the model could do without: held at 1 they are not there.
_FACTORS = {
    "no factor of Blackwell": ("gemm.Blackwell",),
    "no factor of 4 bits": ("gemm.fp4",),
    "no factors of Hopper's experts": ("experts.Hopper", "experts.mxfp4-Hopper"),
    "no factor of the experts' steps": ("step_s.experts",),
}
_HELD = 1e-3


def main() -> None:
    """Both checks, printed as rows of a table."""
    facts, shipped = load_facts(), load_efficiency()
    rows = [row for row in read_rows(load_truth(), facts, shipped)[0] if row.group.startswith("offline")]
    constants = {name: msgspec.structs.replace(one, value=one.start) for name, one in shipped.constants.items()}
    made = fit(rows, msgspec.structs.replace(shipped, constants=constants), STEPS)
    out.print(
        "| left out | rows | number | median error | P90 | 80 % interval covers |\n|---|---|---|---|---|---|", highlight=False
    )
    parts: Mapping[str, Callable[[Row], str]] = {
        "a family (work, precision and architecture)": lambda row: family_of(row, shipped).parts[0],
        "an architecture": lambda row: row.asked.gpu.arch,
    }
    for name, part in parts.items():
        error = left_out(rows, made, part, lambda _: None)
        _print(name, rows, error, _covered(rows, error, part, shipped))
    _print("a model, form as it ships", rows, left_out(rows, made, _model, lambda _: None), None)
    error, chosen = nested(rows, forms(made))
    _print("a model, form chosen without it", rows, error, None)
    counted = sorted(((chosen.count(name), name) for name in set(chosen)), reverse=True)
    out.print(f"\nChosen: {', '.join(f'{name} ({count})' for count, name in counted)}.", highlight=False, soft_wrap=True)


def forms(made: Fitted) -> dict[str, Fitted]:
    """The form that ships and those without one factor, or with other limits of TensorRT-LLM."""
    found = {"as it ships": made}
    for name, factors in _FACTORS.items():
        held = {factor: msgspec.structs.replace(made.constants[factor], value=1.0, start=1.0, spread=_HELD) for factor in factors}
        found[name] = msgspec.structs.replace(made, constants={**made.constants, **held})
    engine = msgspec.structs.replace(made.engines["tensorrt-llm"], max_sequences=2048)
    found["2,048 sequences"] = msgspec.structs.replace(made, engines={**made.engines, "tensorrt-llm": engine})
    return found


def nested(rows: Sequence[Row], among: Mapping[str, Fitted]) -> tuple[np.ndarray, list[str]]:
    """Errors (logarithms) of each model by the form that does best on the others, and which form that was."""
    error, chosen = np.empty(len(rows)), []
    for model in sorted({_model(row) for row in rows}):
        inside = [row for row in rows if _model(row) != model]
        here = [n for n, row in enumerate(rows) if _model(row) == model]
        best = min(among, key=lambda name: _inner_error(inside, among[name]))
        error[here] = errors([rows[n] for n in here], fit(inside, among[best], AGAIN))
        chosen.append(best)
        notes.print(f"{model}: {best}", highlight=False)
    return error, chosen


def _inner_error(rows: Sequence[Row], form: Fitted) -> float:
    """The mean absolute error of models that the fit has not seen, a quarter of them at a time."""
    models = sorted({_model(row) for row in rows})
    part = {model: str(n % _PARTS) for n, model in enumerate(models)}
    return float(np.abs(left_out(rows, form, lambda row: part[_model(row)], lambda _: None)).mean())


def _model(row: Row) -> str:
    return row.curve[0]


def _covered(rows: Sequence[Row], error: np.ndarray, part: Callable[[Row], str], shipped: Fitted) -> Mapping[str, float]:
    """How often the interval that such an answer would have holds the truth, for dense and for moe."""
    held: dict[str, list[bool]] = {}
    for row, off in zip(rows, error, strict=True):
        others = [other for other in rows if part(other) != part(row)]
        known = msgspec.structs.replace(shipped, covered=families(others, shipped))
        judged = judge(float(np.exp(off)), family_of(row, shipped), row.scenario, known)
        held.setdefault(row.kind, []).append(judged.low80 <= 1 <= judged.high80)
    return {kind: float(np.mean(each)) for kind, each in held.items()}


def _print(name: str, rows: Sequence[Row], error: np.ndarray, covered: Mapping[str, float] | None) -> None:
    for kind in ("dense", "moe"):
        off = np.abs(np.exp(error[[row.kind == kind for row in rows]]) - 1)
        told = "" if covered is None else f"{covered[kind]:.0%} "
        out.print(
            f"| {name} | {kind} | {len(off)} | {np.median(off):.1%} | {np.quantile(off, 0.9):.1%} | {told}|",
            highlight=False,
            soft_wrap=True,
        )


if __name__ == "__main__":
    main()
