"""The books that a soak holds against each other, and what came of it: sums, and every disagreement by what it is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from benchmarks.soak.callers import Call
from benchmarks.soak.engine import MOST_TOKENS
from benchmarks.soak.providers import Work

_SHOWN = 5
Row: TypeAlias = Mapping[str, Any]


class Own(msgspec.Struct):
    """What the ledger has of the owned engine. `open_prompt` and `open_completion`: the most that it may have counted besides,
    for attempts that were left before it told of them."""

    attempts: int = 0
    prompt: int = 0
    completion: int = 0
    open_prompt: int = 0
    open_completion: int = 0

    def add_open(self, prompt_tokens: int) -> None:
        """One that nobody heard the end of."""
        self.open_prompt += prompt_tokens
        self.open_completion += MOST_TOKENS

    def lines(self, counted: tuple[int, int]) -> list[str]:
        """What its own (prompt, completion) tokens say against it."""
        told = (
            ("prompt", counted[0], self.prompt, self.open_prompt),
            ("completion", counted[1], self.completion, self.open_completion),
        )
        return [
            f"the engine counted {real:,} {name} tokens, and the ledger says {least:,} to {least + more:,}"
            for name, real, least, more in told if not least <= real <= least + more
        ]  # fmt: skip


class Comparison(msgspec.Struct):
    """What was compared, and what did not agree: `problems` by what they are, each with its request's serial and the evidence."""

    requests: int = 0
    copies: int = 0
    releases: Counter[str] = msgspec.field(default_factory=Counter)
    own: Own = msgspec.field(default_factory=Own)
    entries: int = 0
    attempts: int = 0
    counted: int = 0
    exact_estimates: int = 0
    bounded_estimates: int = 0
    cost_nanousd: int = 0
    copies_nanousd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    problems: dict[str, list[str]] = {}

    def require(self, holds: bool, what: str, serial: int, evidence: str = "") -> None:
        """One that does not agree, where it does not hold."""
        if not holds:
            self.problems.setdefault(what, []).append(f"{serial} {evidence}".strip())

    def lines(self) -> list[str]:
        """One for each kind of problem, with the first requests it was seen on."""
        return [f"{what}: {len(found)}, such as {found[:_SHOWN]}" for what, found in self.problems.items()]


class Books(NamedTuple):
    """Everybody's: the callers', the providers', and the rows of the ledger."""

    calls: Sequence[Call]
    works: Sequence[Work]
    entries: Sequence[Row]
    attempts: Sequence[Row]
