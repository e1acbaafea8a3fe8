"""What can go wrong with an API, on purpose: each fault with a probability, or forced on one request."""

import enum
import random
import time
from collections.abc import Mapping
from email.utils import formatdate

from freehold.core.errors import BadSettings
from freehold.lab.asgi import Refusal

MODEL_SUFFIX = "+fault:"
_DATED_WAIT_S = 30


class Fault(enum.StrEnum):
    """The faults, by name. Those about events need a stream; on a whole answer they break its body the same way."""

    rate_limit = enum.auto()  # 429 with Retry-After in seconds
    rate_limit_date = enum.auto()  # 429 with Retry-After as a date
    rate_limit_silent = enum.auto()  # 429 that does not say for how long
    quota = enum.auto()  # 429 insufficient_quota: no wait mends it
    error_401 = enum.auto()  # it does not know our key
    error_500 = enum.auto()
    error_502 = enum.auto()
    error_503 = enum.auto()
    error_529 = enum.auto()
    refusal = enum.auto()  # 400: its content policy forbids the request
    filtered = enum.auto()  # a whole answer whose finish says that a filter stopped it
    stall_head = enum.auto()  # accepts the request, never answers
    stall_open = enum.auto()  # falls silent after its headers
    stall_stream = enum.auto()  # falls silent after the first tokens
    drip = enum.auto()  # one token each half second, however fast its pace
    cut = enum.auto()  # breaks the connection after the first tokens
    cut_before = enum.auto()  # breaks the connection before the first token
    malformed = enum.auto()  # sends JSON that is none
    huge = enum.auto()  # after the first tokens an event without end; a body padded with blanks
    wrong_type = enum.auto()  # status 200 around a page for people
    error_event = enum.auto()  # an error event after the first tokens
    error_first = enum.auto()  # an error event before them
    no_usage = enum.auto()  # leaves the token counts out
    wrong_usage = enum.auto()  # counts that cannot be
    double_finish = enum.auto()  # says twice that it is finished
    split_letters = enum.auto()  # letters of several bytes, cut inside one
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
        case Fault.rate_limit_date:
            when = [("retry-after", formatdate(time.time() + _DATED_WAIT_S, usegmt=True))]
            return Refusal(429, "tokens", "rate_limit_exceeded", "Rate limit reached for tokens (lab fault).", when)
        case Fault.rate_limit_silent:
            return Refusal(429, "requests", "rate_limit_exceeded", "Too many requests at once (lab fault).")
        case Fault.quota:
            message = "You exceeded your current quota (lab fault), please check your plan and billing details."
            return Refusal(429, "insufficient_quota", "insufficient_quota", message)
        case Fault.error_401:
            return Refusal(401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided (lab fault).")
        case Fault.error_500:
            return Refusal(500, "server_error", None, "The server had an error while processing your request (lab fault).")
        case Fault.error_502:
            return Refusal(502, "server_error", None, "Bad gateway (lab fault).")
        case Fault.error_503:
            return Refusal(503, "server_error", "server_is_overloaded", "The server is overloaded (lab fault).")
        case Fault.error_529:
            return Refusal(529, "overloaded_error", "overloaded", "The whole service is overloaded (lab fault).")
        case Fault.refusal:
            message = "The request was rejected by the content policy (lab fault)."
            return Refusal(400, "invalid_request_error", "content_policy_violation", message)
        case Fault.body_200_error:
            return Refusal(200, "server_error", "server_error", "An error in a body whose status says 200 (lab fault).")
    return None
