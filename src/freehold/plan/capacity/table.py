"""Rows of a table with the columns of throughput_truth.csv, read as questions and answered cell by cell."""

import math
from collections.abc import Mapping

import msgspec

from freehold.catalog.efficiency import Fitted
from freehold.catalog.facts import Facts
from freehold.core.errors import BadSettings
from freehold.plan.capacity.predict import Deployment, Prediction, predict
from freehold.rules.steptime.layout import read_layout
from freehold.rules.steptime.offline import Shape

ASKED = ("model", "precision", "gpu", "gpu_count", "engine", "isl", "osl")
ANSWERED = ("predicted_tok_s", "low80", "high80", "limit", "layout")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One row: the deployment, its requests, and the scenario they come in."""

    asked: Deployment
    shape: Shape
    scenario: str


def read_question(cells: Mapping[str, str], facts: Facts, fitted: Fitted) -> Question:
    """What a row asks. Columns `parallelism`, `scenario` and `concurrency` may be missing or empty.

    A stated layout is kept where it uses the GPUs evenly. A concurrency that is no number (`max`, `poisson+SLO`) is no bound.
    An empty osl of a task with a published length is that length. Raises BadSettings naming the column.
    """
    stated = _number(cells, "gpu_count")
    if stated != round(stated):
        raise BadSettings(f"gpu_count is {stated:g}; give a whole number")
    count = round(stated)
    asked = Deployment(
        model=facts.model(_text(cells, "model")),
        precision=_text(cells, "precision"),
        gpu=facts.gpu(_text(cells, "gpu")),
        count=count,
        engine=_text(cells, "engine"),
        layout=read_layout(cells.get("parallelism") or "", count),
    )
    task = fitted.task_output_tokens.get(asked.model.model)
    shape = Shape(
        input_tokens=_number(cells, "isl"),
        output_tokens=task if task and not cells.get("osl") else _number(cells, "osl"),
        concurrency=_bound(cells.get("concurrency") or "max"),
    )
    return Question(asked=asked, shape=shape, scenario=cells.get("scenario") or "offline")


def answer(cells: Mapping[str, str], facts: Facts, fitted: Fitted) -> dict[str, str]:
    """The answered columns of a row. Raises BadSettings where it cannot be predicted."""
    question = read_question(cells, facts, fitted)
    return written(predict(question.asked, question.shape, fitted, question.scenario))


def written(made: Prediction) -> dict[str, str]:
    """A prediction as cells, under the names in ANSWERED."""
    figures = (made.output_tok_s, made.low80, made.high80)
    return dict(zip(ANSWERED, (*(f"{figure:.6g}" for figure in figures), made.limit, made.layout), strict=True))


def _text(cells: Mapping[str, str], column: str) -> str:
    found = (cells.get(column) or "").strip()
    if not found:
        raise BadSettings(f"{column} is empty; state it")
    return found


def _number(cells: Mapping[str, str], column: str) -> float:
    text = _text(cells, column)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadSettings(f"{column} is {text!r}; give a number")
    return value


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf
