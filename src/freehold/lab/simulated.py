"""The lab's owned engine as the simulator knows engines, so that a replay and a simulation of the same trace can be compared."""

from collections.abc import Sequence

import numpy as np

from freehold.core.trace import TracedRequest
from freehold.lab.engine import EngineSettings
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.fleet import Engine
from freehold.plan.capacity.simulator.law import Floats, Group, StepLaw, Term

# The lab knows no steps. Steps of a small part of a token keep its times to a millisecond.
_PARTS = 20


def lab_engine(settings: EngineSettings) -> Engine:
    """Slots without a memory limit; every step takes the same time, however many sequences are in it."""
    law = StepLaw((Group((Term(fixed_s=1 / (settings.tokens_per_s * _PARTS)),)),))
    return Engine(law=law, kv_blocks=1 << 24, block_tokens=1 << 10, max_sequences=settings.slots)


def lab_seconds(requests: Sequence[TracedRequest], settings: EngineSettings) -> Floats:
    """How long each request holds a slot: the delay to the first token, then the steady rate."""
    tokens = np.array([max(1, request.output_tokens) for request in requests], np.float64)
    held: Floats = settings.ttft_ms / 1000 + (tokens - 1) / settings.tokens_per_s
    return held


def lab_arrivals(requests: Sequence[TracedRequest], settings: EngineSettings, sensitive: Sequence[bool]) -> Arrivals:
    """The requests with lengths that hold a slot just as long; prompts cost nothing beside the delay to the first token."""
    parts = np.rint(lab_seconds(requests, settings) * settings.tokens_per_s * _PARTS)
    return Arrivals(
        at_s=np.array([request.at for request in requests], np.float64),
        input_tokens=np.ones(len(requests), np.int64),
        output_tokens=np.maximum(1, parts.astype(np.int64)),
        sensitive=np.array(sensitive, np.int64),
    )
