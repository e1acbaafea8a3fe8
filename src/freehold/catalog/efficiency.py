"""The fitted constants of the step-time model, and the published throughput they were fitted to. Written by the fit."""

import csv
import datetime as dt
from importlib import resources

import msgspec
import yaml

from freehold.catalog.names import fold, near
from freehold.core.errors import BadSettings


class Constant(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted value, where the fit started, how far it was let go (a standard deviation of its logarithm), and whence."""

    value: float
    start: float
    spread: float
    source: str


class EngineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine runs at once, and the words by which a table's engine column means it."""

    words: tuple[str, ...]
    of_rest: bool
    reserve: float
    max_sequences: int
    step_tokens: int
    block_tokens: int
    source: str


class Spread(msgspec.Struct, frozen=True):
    """Truth over prediction, of whole curves left out: its 10 %, 50 % and 90 % points."""

    low: float
    middle: float
    high: float


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """efficiency.yaml: constants by name, engines, spreads by kind or scenario, families with data, published task lengths."""

    source: str
    date: dt.date
    command: str
    rows: int
    constants: dict[str, Constant]
    engines: dict[str, EngineFacts]
    spreads: dict[str, Spread]
    covered: tuple[str, ...]
    task_output_tokens: dict[str, float]

    def engine(self, text: str) -> str:
        """The engine a name or a version line means. Raises BadSettings naming those there are."""
        folded = fold(text)
        for name, facts in self.engines.items():
            if any(word in folded for word in facts.words):
                return name
        hint = ", ".join(near(text, self.engines) or self.engines)
        raise BadSettings(f"unknown engine {text!r}; known: {hint}")


def load_efficiency() -> Fitted:
    """Read the constants shipped with the package. Call once and keep the result."""
    return msgspec.convert(yaml.safe_load(_text("efficiency.yaml")), Fitted)


def load_truth() -> list[dict[str, str]]:
    """The rows of published throughput, each with its source; an empty cell is unknown."""
    return list(csv.DictReader(_text("throughput_truth.csv").splitlines()))


def _text(file: str) -> str:
    return (resources.files("freehold.catalog") / "data" / file).read_text(encoding="utf-8")
