"""An owned engine as it was measured: what its constants are for the simulator, what it puts out, and how far that may be off."""

import math

import msgspec

from freehold.core.errors import BadSettings
from freehold.core.target import Hardware
from freehold.plan.capacity.calibration.check import Errors, medians
from freehold.plan.capacity.calibration.law import LatencyLaw
from freehold.plan.capacity.calibration.slots import under_load
from freehold.plan.capacity.calibration.timings import Load, Timing
from freehold.plan.capacity.simulator.fleet import Engine
from freehold.rules.steptime.offline import Shape

# Of a normal spread 80 % lie within 1.9 times its median distance from the middle.
TO_80 = 1.2816 / 0.6745
# Memory was never the bound where an engine was measured: its slots are.
_BLOCKS, _BLOCK_TOKENS = 1 << 24, 1 << 10
_SLOTS_UNKNOWN = 256
# Requests each caller asks one after the other, so that the beginning and the end weigh little.
_ROUNDS, _MOST_REQUESTS = 16, 4096


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The law of one target: when, where and how it was measured, and its median misses on loads it had not seen.

    `hardware` is the machine that is paid, with `gpus` of it for a replica; None: its configuration names none.
    `concurrency`: requests at once by its configuration; `context_tokens`: of one request; None: not stated.
    """

    target: str
    model: str
    law: LatencyLaw
    missed: Errors
    machine: str
    date: str
    source: str
    hardware: Hardware | None = None
    gpus: int = 1
    concurrency: int | None = None
    context_tokens: int | None = None

    @property
    def slots(self) -> int | None:
        """Requests it works on at once; None: no bound was met, and none is configured."""
        return self.law.slots or self.concurrency

    @property
    def engine(self) -> Engine:
        """One replica for the simulator. Its prompts fill a step beside what decodes, as they do in the law."""
        slots = self.slots or _SLOTS_UNKNOWN
        return Engine(
            law=self.law.step_law(),
            kv_blocks=_BLOCKS,
            block_tokens=_BLOCK_TOKENS,
            max_sequences=slots,
            step_tokens=self.law.step_tokens + slots,
            outside_s=self.law.overhead_s,
            admission_s=self.law.admission_s,
        )

    @property
    def longer(self) -> Errors:
        """By which shares its times may be longer: the far end of their 80 % intervals."""
        return Errors(*(TO_80 * share for share in self.missed))

    @property
    def words(self) -> str:
        """What the figures rest on."""
        return (
            f"measured on {self.machine}, {self.date} ({self.source}); loads it had not seen were missed by "
            f"{self.missed.ttft:.0%} (first token), {self.missed.tpot:.0%} (per token) and {self.missed.total:.0%} (end to end)"
        )

    def interval(self, value: float, missed: float) -> tuple[float, float]:
        """The 80 % interval of a figure that rests on a time missed by that share."""
        wider = 1 + TO_80 * missed
        return value / wider, value * wider


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """Steady output of a measured target with its 80 % interval, the median times of `callers` who ask again when answered, and
    what it rests on."""

    target: str
    output_tok_s: float
    low80: float
    high80: float
    callers: int
    ttft_s: float
    tpot_s: float
    basis: str


def steady_output(measured: Measured, shape: Shape) -> Output:
    """What it puts out under such requests. Raises BadSettings where they do not fit, or nothing says how many at once."""
    if measured.context_tokens is not None and shape.input_tokens + shape.output_tokens > measured.context_tokens:
        raise BadSettings(
            f"isl + osl is {shape.input_tokens + shape.output_tokens:,.0f} tokens; {measured.target} takes "
            f"{measured.context_tokens:,} (its context_tokens)"
        )
    slots = measured.slots
    if math.isinf(shape.concurrency) and slots is None:
        raise BadSettings(
            f"no bound on the requests at once was met when {measured.target} was calibrated; give --concurrency, or state "
            "concurrency in its configuration"
        )
    # As many again in the queue, so that a slot is never free.
    callers = 2 * (slots or 0) if math.isinf(shape.concurrency) else max(1, round(shape.concurrency))
    law = measured.law if measured.law.slots else msgspec.structs.replace(measured.law, slots=slots)
    inputs = max(1, round(shape.input_tokens))
    one = Timing(
        sent_s=0.0, first_s=0.0, last_s=0.0, input_tokens=inputs, output_tokens=max(1, round(shape.output_tokens)),
        cached_tokens=min(inputs, round(inputs * shape.reused)),
    )  # fmt: skip
    requests = min(_MOST_REQUESTS, max(callers, _ROUNDS * min(callers, slots or callers)))
    answered = under_load(law, Load(name="predicted", concurrency=callers, timings=(one,) * requests))
    middle = medians(answered)
    rate = sum(each.output_tokens for each in answered) / max(each.last_s for each in answered)
    low80, high80 = measured.interval(rate, measured.missed.total)
    return Output(
        target=measured.target, output_tok_s=rate, low80=low80, high80=high80, callers=callers, ttft_s=middle.ttft_s,
        tpot_s=middle.tpot_s, basis=measured.words,
    )  # fmt: skip
