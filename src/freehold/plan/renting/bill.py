"""One API's bill of a workload, request by request, split into what input and output cost."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from freehold.core.price import PriceCard
from freehold.plan.demand.traffic import Floats, Ints, Traffic
from freehold.plan.renting.rented import split_costs_nanousd


@dataclass(frozen=True, eq=False)
class Bill:
    """Nano-dollars of each request at this card, and the part that its input takes. `hosted`: it serves the owned model."""

    card: PriceCard
    hosted: bool
    nanousd: Ints
    input_nanousd: Ints

    @property
    def label(self) -> str:
        """Whose, as provider/model."""
        return f"{self.card.provider}/{self.card.model}"

    @property
    def total_nanousd(self) -> int:
        """All of it."""
        return int(self.nanousd.sum())

    def parts(self) -> tuple[Floats, Floats]:
        """What each request's input takes, and what its output adds to that."""
        return self.input_nanousd.astype(np.float64), (self.nanousd - self.input_nanousd).astype(np.float64)


def bill_of(card: PriceCard, traffic: Traffic, multiplier: Fraction | int = 1, *, hosted: bool = False) -> Bill:
    """What a request costs beyond what it would cost without an answer is its output's part; without any input, all of it."""
    whole, silent = split_costs_nanousd(card, traffic, multiplier)
    return Bill(card, hosted, whole, np.minimum(whole, silent) if traffic.input_tokens.any() else np.zeros_like(whole))
