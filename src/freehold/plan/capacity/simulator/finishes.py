"""The decoding sequences of a replica as a heap, by the step they finish in; equal ones in order of admission."""

from freehold.plan.capacity.simulator.world import World


def push_finish(w: World, r: int, request: int) -> None:
    """Add a sequence; the batch grows by it."""
    last = int(w.replicas[r]["batch"])
    w.replicas[r]["batch"] = last + 1
    _rise(w, r, last, request)


def drop_finish(w: World, r: int, request: int) -> None:
    """Take a sequence out, wherever in the heap it is; the batch shrinks by it."""
    last = int(w.replicas[r]["batch"]) - 1
    w.replicas[r]["batch"] = last
    place = int(w.pool[request]["place"])
    if place == last:
        return
    moved = int(w.heaps[r, last])
    if place > 0 and _before(w, moved, int(w.heaps[r, (place - 1) // 2])):
        _rise(w, r, place, moved)
    else:
        _sink(w, r, place, moved)


def _before(w: World, one: int, other: int) -> bool:
    a, b = w.pool[one]["finish"], w.pool[other]["finish"]
    return bool(a < b or (a == b and w.pool[one]["turn"] < w.pool[other]["turn"]))


def _put(w: World, r: int, place: int, request: int) -> None:
    w.heaps[r, place] = request
    w.pool[request]["place"] = place


def _rise(w: World, r: int, place: int, request: int) -> None:
    while place > 0:
        above = (place - 1) // 2
        parent = int(w.heaps[r, above])
        if not _before(w, request, parent):
            break
        _put(w, r, place, parent)
        place = above
    _put(w, r, place, request)


def _sink(w: World, r: int, place: int, request: int) -> None:
    size = int(w.replicas[r]["batch"])
    while 2 * place + 1 < size:
        below = 2 * place + 1
        if below + 1 < size and _before(w, int(w.heaps[r, below + 1]), int(w.heaps[r, below])):
            below += 1
        child = int(w.heaps[r, below])
        if not _before(w, child, request):
            break
        _put(w, r, place, child)
        place = below
    _put(w, r, place, request)
