"""How much a target that has just recovered is given: a share of its requests that grows with time, drawn evenly."""

import msgspec

_GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, lie more evenly than chance would lay them


class Ramp(msgspec.Struct, frozen=True):
    """From `start` (0-1) of its requests to all of them, over so many seconds; at once where `over_s` is 0."""

    start: float = 0.1
    over_s: float = 30.0


def share(ramp: Ramp, recovered_s: float) -> float:
    """The share of its requests, 0-1, that a target takes so many seconds after it recovered."""
    if recovered_s >= ramp.over_s:
        return 1.0
    return ramp.start + (1.0 - ramp.start) * max(0.0, recovered_s) / ramp.over_s


def nth_draw(n: int) -> float:
    """The n-th draw, in [0, 1): any run of them falls below a share about as often as the share says."""
    return n * _GOLDEN % 1.0
