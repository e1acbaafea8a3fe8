"""What can go wrong with an API, on purpose: each fault with a probability, or forced on one request."""

import enum
import random
from collections.abc import Mapping

from freehold.core.errors import BadSettings
from freehold.lab.asgi import Refusal

MODEL_SUFFIX = "+fault:"


class Fault(enum.StrEnum):
    """The faults, by name. Those about events need a stream; on a whole answer they break its body the same way."""

    rate_limit = enum.auto()  # 429 with Retry-After
    quota = enum.auto()  # 429 insufficient_quota: no wait mends it
    error_500 = enum.auto()
    error_503 = enum.auto()
    stall_head = enum.auto()  # accepts the request, never answers
    stall_stream = enum.auto()  # falls silent after the first tokens
    cut = enum.auto()  # breaks the connection after the first tokens
    cut_before = enum.auto()  # breaks the connection before the first token
    malformed = enum.auto()  # sends JSON that is none
    error_event = enum.auto()  # an error event after the first tokens
    no_usage = enum.auto()  # leaves the token counts out
    no_done = enum.auto()  # ends the stream cleanly without [DONE]
    body_200_error = enum.auto()  # status 200 around an error body


def parse_fault(name: str) -> Fault:
    """The fault of that name. Raises BadSettings naming those that exist."""
    try:
        return Fault(name.strip())
    except ValueError:
        raise BadSettings(f"unknown fault {name!r}; use one of {', '.join(Fault)}") from None


def parse_probabilities(text: str) -> dict[Fault, float]:
    """Read `error_500=0.01,cut=0.02`; the empty text means none. Raises BadSettings."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    try:
        return checked({name: float(value) for name, _, value in pairs})
    except ValueError:
        raise BadSettings(f"faults {text!r} cannot be read; use NAME=PROBABILITY,... such as error_500=0.01,cut=0.02") from None


def checked(probabilities: Mapping[str, float]) -> dict[Fault, float]:
    """The same by fault. Raises BadSettings unless every one is in 0..1 and all together at most 1."""
    known = {parse_fault(name): value for name, value in probabilities.items()}
    for fault, value in known.items():
        if not 0 <= value <= 1:
            raise BadSettings(f"fault {fault} has probability {value:g}; use 0 to 1")
    if sum(known.values()) > 1 + 1e-9:
        raise BadSettings(
            f"fault probabilities add up to {sum(known.values()):g}; they exclude each other, so keep the sum at most 1"
        )
    return known


class Faults:
    """Draws at most one fault per request; the probabilities can be swapped while running."""

    def __init__(self, probabilities: Mapping[Fault, float], seed: int) -> None:
        self.probabilities = dict(probabilities)
        self._random = random.Random(seed)

    def pick(self, forced: str | None, model: str) -> Fault | None:
        """`forced` (the x-lab-fault header) wins over the model's `+fault:` suffix, that over chance. Raises BadSettings."""
        _, _, suffix = model.partition(MODEL_SUFFIX)
        if name := forced or suffix:
            return parse_fault(name)
        draw = self._random.random()
        for fault, probability in self.probabilities.items():
            draw -= probability
            if draw < 0:
                return fault
        return None


def refusal(fault: Fault) -> Refusal | None:
    """The error reply of a fault that is one."""
    match fault:
        case Fault.rate_limit:
            message, wait = "Rate limit reached (lab fault). Please try again in 1s.", [("retry-after", "1")]
            return Refusal(429, "requests", "rate_limit_exceeded", message, wait)
        case Fault.quota:
            message = "You exceeded your current quota (lab fault), please check your plan and billing details."
            return Refusal(429, "insufficient_quota", "insufficient_quota", message)
        case Fault.error_500:
            return Refusal(500, "server_error", None, "The server had an error while processing your request (lab fault).")
        case Fault.error_503:
            return Refusal(503, "server_error", "server_is_overloaded", "The server is overloaded (lab fault).")
        case Fault.body_200_error:
            return Refusal(200, "server_error", "server_error", "An error in a body whose status says 200 (lab fault).")
    return None
