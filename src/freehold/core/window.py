"""A limit as it stands: what a minute allows of something, and what is left of it."""

import msgspec


class Window(msgspec.Struct, frozen=True):
    """How many of `kind` (requests or tokens) a minute allows, how many are left in this one, and when it ends."""

    kind: str
    limit: int
    remaining: int
    reset_s: float
