"""The constants of one engine on one machine: the time of its steps, what a request costs besides, how many it takes at once."""

import math

import msgspec

from freehold.core.errors import BadSettings
from freehold.plan.capacity.simulator.law import Group, StepLaw, Term

CONSTANTS = ("fixed_s", "prefill_s", "sequence_s", "context_s", "overhead_s", "admission_s", "apart_s")


class LatencyLaw(msgspec.Struct, frozen=True, kw_only=True):
    """A step takes fixed_s + prefill_s x new prompt tokens + sequence_s x decoding sequences + context_s x their tokens.

    A request reaches the engine's queue `overhead_s` after it was sent; of callers who start at once each comes `apart_s` after
    the one before. Once it has one of the `slots` (None: no bound was met) it takes `admission_s` until its prompt is computed,
    `step_tokens` at most in a step.
    """

    fixed_s: float
    prefill_s: float
    sequence_s: float
    context_s: float
    overhead_s: float
    admission_s: float
    apart_s: float = 0.0
    slots: int | None = None
    step_tokens: int = 2048

    def __post_init__(self) -> None:
        for name in CONSTANTS:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise BadSettings(f"{name} of a calibration is {value:g}; give seconds of 0 or more")
        if self.fixed_s <= 0:
            raise BadSettings("fixed_s of a calibration is 0; a step takes time, so calibrate again")
        if (self.slots is not None and self.slots < 1) or self.step_tokens < 1:
            raise BadSettings(f"slots is {self.slots} and step_tokens {self.step_tokens}; give 1 or more")

    def step_s(self, prefill: float, batch: float, context: float) -> float:
        """Seconds of one step: new prompt tokens, decoding sequences, and the tokens these keep together."""
        return self.fixed_s + self.prefill_s * prefill + self.sequence_s * batch + self.context_s * context

    def step_law(self) -> StepLaw:
        """The same step for the simulator, which knows nothing of what comes before a slot."""
        term = Term(
            fixed_s=self.fixed_s, prefill_s=self.prefill_s, sequence_s=self.sequence_s, context_s=self.context_s
        )  # fmt: skip
        return StepLaw((Group((term,)),))
