"""Where a request goes: the compiled twin of `rules/order.py` for owned targets in order of preference and a rented one behind.

A property test holds the two equal. Health, hints and the other constraints play no part in a simulation.
"""

from freehold.plan.capacity.simulator.world import REFUSED, RENTED, SPILLED, World

ELSEWHERE = -1  # route gives ELSEWHERE - SPILLED, - RENTED or - REFUSED where it is no owned target


def route(w: World, fits: bool, sensitive: bool) -> int:
    """The owned target for a request, or ELSEWHERE minus what becomes of it.

    Owned targets that cannot hold it (not `fits`) are removed, and the rented one is where it is `sensitive`. A full target is
    passed over only where spill is on; where nothing has room and nothing may be rented it waits at the first one.
    """
    rules = w.rules[0]
    may_rent = rules["rented"] != 0 and not sensitive
    if not fits:
        return ELSEWHERE - (RENTED if may_rent else REFUSED)
    if rules["spill"] == 0:
        return 0
    for target in range(rules["targets"]):
        if not is_full(w, target):
            return int(target)
    return ELSEWHERE - SPILLED if may_rent else 0


def is_full(w: World, target: int) -> bool:
    """Whether an owned target has no room for one more: its stated concurrency is reached, or an engine reports a queue."""
    each, concurrency = int(w.rules[0]["each"]), int(w.rules[0]["concurrency"])
    in_flight, waiting = 0, 0
    for r in range(target * each, (target + 1) * each):
        in_flight += int(w.replicas[r]["in_flight"])
        waiting += int(w.replicas[r]["seen_waiting"])
    return (concurrency >= 0 and in_flight >= concurrency) or waiting > 0


def least_busy(w: World, target: int) -> int:
    """The replica of a target with the fewest requests; the first of equals."""
    each = int(w.rules[0]["each"])
    best = target * each
    for r in range(target * each + 1, (target + 1) * each):
        if w.replicas[r]["in_flight"] < w.replicas[best]["in_flight"]:
            best = r
    return best
