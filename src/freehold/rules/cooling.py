"""How long a target is left alone after it failed or said so: the longest deadline wins, until it answers."""

import math

import msgspec


class Cooling(msgspec.Struct, frozen=True):
    """Deadlines in seconds of one clock. `asked_until` is the target's own word, `until` the later of that and our guess."""

    said_at: float = -math.inf
    until: float = -math.inf
    asked_until: float = -math.inf


def cooled(cooling: Cooling, seconds: float, now: float, *, asked: bool) -> Cooling:
    """Leave it alone for so long from now; one it was told before holds as well."""
    if not seconds > 0:
        return cooling
    asked_until = max(cooling.asked_until, now + seconds) if asked else cooling.asked_until
    return Cooling(now, max(cooling.until, now + seconds), asked_until)


def recovered(cooling: Cooling, since: float) -> Cooling:
    """It answered a request sent at `since`: a cool-down it was told before that is over."""
    return Cooling() if since > cooling.said_at else cooling
