"""The measured profile: per window of ten seconds what a workload asks of a replica and what an API asks for it."""

from dataclasses import dataclass, replace

import numpy as np

from freehold.plan.demand.traffic import Floats, Traffic
from freehold.plan.owning.capacity import Pace
from freehold.plan.renting.bill import Bill

WINDOW_S = 10.0


@dataclass(frozen=True)
class Profile:
    """Per window: replica-seconds of prefill and decode, the sensitive part of each, and the bill of what may be rented, split
    into what input and output cost. `input_nanousd_all`, `output_nanousd_all`: the bill as if everything could be rented."""

    window_s: float
    prefill_s: Floats
    decode_s: Floats
    sensitive_prefill_s: Floats
    sensitive_decode_s: Floats
    input_nanousd: Floats
    output_nanousd: Floats
    input_nanousd_all: float
    output_nanousd_all: float

    def work(self, decode_share: float) -> tuple[Floats, Floats]:
        """All work and the sensitive part per window, in means of all work, where decode makes up that share of it."""
        parts = []
        for prefill, decode in ((self.prefill_s, self.decode_s), (self.sensitive_prefill_s, self.sensitive_decode_s)):
            parts.append(
                (1 - decode_share) * _per_mean(prefill, self.prefill_s) + decode_share * _per_mean(decode, self.decode_s)
            )
        return parts[0], parts[1]


def measure_profile(traffic: Traffic, pace: Pace, bill: Bill) -> Profile:
    """Sum work and bill of the requests into windows."""
    index, count = traffic.windows(WINDOW_S)
    sensitive = traffic.sensitive
    prefill, decode = pace.replica_seconds(traffic)
    held, nothing = sensitive.any(), np.zeros(count)

    def per_window(values: Floats) -> Floats:
        return np.bincount(index, weights=values, minlength=count).astype(np.float64)

    bare = Profile(
        window_s=traffic.span_s / count,
        prefill_s=per_window(prefill),
        decode_s=per_window(decode),
        sensitive_prefill_s=per_window(prefill * sensitive) if held else nothing,
        sensitive_decode_s=per_window(decode * sensitive) if held else nothing,
        input_nanousd=nothing,
        output_nanousd=nothing,
        input_nanousd_all=0.0,
        output_nanousd_all=0.0,
    )
    return billed(bare, traffic, bill)


def billed(profile: Profile, traffic: Traffic, bill: Bill) -> Profile:
    """The same work at another API."""
    index, count = traffic.windows(WINDOW_S)
    asked, answered = bill.parts()
    free = ~traffic.sensitive

    def per_window(values: Floats) -> Floats:
        weights = values if free.all() else values * free
        return np.bincount(index, weights=weights, minlength=count).astype(np.float64)

    return replace(
        profile,
        input_nanousd=per_window(asked),
        output_nanousd=per_window(answered),
        input_nanousd_all=float(asked.sum()),
        output_nanousd_all=float(answered.sum()),
    )


def _per_mean(part: Floats, whole: Floats) -> Floats:
    mean = float(whole.mean())
    return part / mean if mean > 0 else np.zeros_like(part)
