"""What is left to send to the caller once the entry is durable: the end of an answer, or an error in its dialect."""

from collections.abc import Sequence

import msgspec

from freehold.core.errors import FreeholdError
from freehold.core.ports import Surface
from freehold.wire import errors


class Closing(msgspec.Struct, frozen=True):
    """`status` None: the head is out already, `data` ends the stream."""

    data: bytes
    status: int | None = None
    headers: Sequence[tuple[str, str]] = ()


def refusal(error: FreeholdError, surface: Surface, request_id: str, *, started: bool) -> Closing:
    """An error as a whole reply, or as the last event of a stream that has begun (never followed by its usual end)."""
    if started:
        return Closing(surface.error_event(error, request_id))
    return Closing(surface.error(error, request_id), error.status, errors.headers(error, surface.dialect))
