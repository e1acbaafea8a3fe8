"""What a person can set on a lab server. Bad values raise BadSettings naming the field."""

from dataclasses import dataclass

from freehold.core.errors import BadSettings
from freehold.lab.faults import Fault, parse_probabilities
from freehold.lab.pace import Pace


@dataclass(frozen=True, kw_only=True)
class LabSettings:
    """What a rented API and an owned engine have in common."""

    ttft_ms: float = 200.0
    """Milliseconds from a request's start to its first token."""
    tokens_per_s: float = 60.0
    """Tokens per second of each answer after its first."""
    time_scale: float = 1.0
    """Divides every wait: with a trace replayed at this speed, concurrency stays what it was."""
    event_ms: float = 20.0
    """Tokens closer together than this share a stream event."""
    key: str | None = None
    """Bearer key to require on /v1."""
    faults: str = ""
    """Fault probabilities, NAME=P,...: rate_limit, rate_limit_date, rate_limit_silent, quota, error_401, error_500, error_502,
    error_503, error_529, refusal, filtered, stall_head, stall_open, stall_stream, drip, cut, cut_before, malformed, huge,
    wrong_type, error_event, error_first, no_usage, wrong_usage, double_finish, split_letters, no_done, body_200_error."""
    stall_s: float = 600.0
    """Seconds a stall lasts."""
    seed: int = 0
    """Seed of the answers' words and of the faults."""

    def __post_init__(self) -> None:
        if self.stall_s < 0:
            raise BadSettings(f"stall_s is {self.stall_s:g}; use 0 or more seconds")
        self.pace()
        self.probabilities()

    def pace(self) -> Pace:
        """The pace of every answer."""
        return Pace(
            ttft_ms=self.ttft_ms, tokens_per_s=self.tokens_per_s, time_scale=self.time_scale, event_ms=self.event_ms
        )  # fmt: skip

    def probabilities(self) -> dict[Fault, float]:
        """The chance of each fault."""
        return parse_probabilities(self.faults)


def at_least(name: str, value: int | None, least: int) -> None:
    """Raises BadSettings naming the field where a given number is below `least`."""
    if value is not None and value < least:
        raise BadSettings(f"{name} is {value}; use {least} or more")
