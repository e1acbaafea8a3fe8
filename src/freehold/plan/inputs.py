"""What a plan was worked out from: every figure with its value, unit, source, date and range, so any answer can be asked why."""

from typing import Literal, TypeAlias, get_args

import msgspec
import numpy as np

from freehold.plan.demand.traffic import Floats

Source: TypeAlias = Literal["measured", "catalog", "user", "default"]

InputName: TypeAlias = Literal[
    "api_price",
    "hosted_price",
    "gpu_price",
    "prefill_speed",
    "decode_speed",
    "max_utilisation",
    "volume",
    "output_length",
    "token_ratio",
    "people_fte",
]
INPUTS: tuple[InputName, ...] = get_args(InputName)


class Assumption(msgspec.Struct, frozen=True, kw_only=True):
    """One input: `value` as people read it, who says so (`source`), on what ground (`origin`) and from when (`date`, ISO).
    `range`: between which values it was drawn, where it was."""

    name: str
    value: str
    unit: str
    source: Source
    origin: str
    date: str = ""
    range: str = ""


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Where an uncertain input may lie. The point is the median: half the draws lie below it and half above, evenly (in
    ratios, where the range does not touch zero) up to the ends."""

    name: InputName
    low: float
    point: float
    high: float
    unit: str
    source: Source
    origin: str

    def at(self, quantile: Floats) -> Floats:
        """The value at each quantile (0-1). Widening the range moves every value away from the point, none towards it."""
        ends = np.array([self.low, self.point, self.high])
        values: Floats = (
            np.exp(np.interp(quantile, (0.0, 0.5, 1.0), np.log(ends)))
            if self.low > 0
            else np.interp(quantile, (0.0, 0.5, 1.0), ends)
        )
        return values

    def assumption(self) -> Assumption:
        """Its row in the table."""
        name = self.name.replace("_", " ").replace("api", "API").replace("gpu", "GPU").replace("fte", "FTE")
        return Assumption(
            name=f"{name}, range",
            value=f"{self.point:g}",
            unit=self.unit,
            source=self.source,
            origin=self.origin,
            range=f"{self.low:.3g} to {self.high:.3g}",
        )
