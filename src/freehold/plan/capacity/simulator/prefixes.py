"""The prefix blocks that a replica keeps: which are there, who holds them, and which of those held by nobody goes first.

A hash table with open addressing finds them; those held by nobody are a list from the oldest to the newest. There are never
more than its memory has room for, however long the trace.
"""

import numpy as np

from freehold.plan.capacity.simulator.world import NOBODY, World


def find_prefix(w: World, r: int, key: int) -> int:
    """The place of a prefix block in the replica's cache, or NOBODY."""
    mask = w.tables.shape[1] - 1
    at = _home(key, mask)
    while w.tables[r, at] != 0:
        place = int(w.tables[r, at]) - 1
        if w.prefixes[r, place]["key"] == key:
            return place
        at = (at + 1) & mask
    return NOBODY


def keep_prefix(w: World, r: int, key: int) -> None:
    """Put a block that is not there into the cache, held once. There is a spare place, because there is memory for it."""
    place = int(w.replicas[r]["spare"])
    block = w.prefixes[r, place]
    w.replicas[r]["spare"] = block["newer"]
    block["key"], block["holders"] = key, 1
    mask = w.tables.shape[1] - 1
    at = _home(key, mask)
    while w.tables[r, at] != 0:
        at = (at + 1) & mask
    w.tables[r, at] = place + 1


def forget_prefix(w: World, r: int, place: int) -> None:
    """Take a block that is in no list out of the cache; those after it in the table move up to where they are looked for."""
    mask = w.tables.shape[1] - 1
    hole = _home(int(w.prefixes[r, place]["key"]), mask)
    while w.tables[r, hole] != place + 1:
        hole = (hole + 1) & mask
    at = (hole + 1) & mask
    while w.tables[r, at] != 0:
        home = _home(int(w.prefixes[r, int(w.tables[r, at]) - 1]["key"]), mask)
        if ((at - home) & mask) >= ((at - hole) & mask):
            w.tables[r, hole] = w.tables[r, at]
            hole = at
        at = (at + 1) & mask
    w.tables[r, hole] = 0
    w.prefixes[r, place]["newer"] = w.replicas[r]["spare"]
    w.replicas[r]["spare"] = place


def hold_prefix(w: World, r: int, place: int) -> None:
    """One more sequence holds the block; it leaves the list of those that nobody holds."""
    block, replica = w.prefixes[r, place], w.replicas[r]
    if block["holders"] == 0:
        if block["older"] == NOBODY:
            replica["oldest_parked"] = block["newer"]
        else:
            w.prefixes[r, block["older"]]["newer"] = block["newer"]
        if block["newer"] == NOBODY:
            replica["newest_parked"] = block["older"]
        else:
            w.prefixes[r, block["newer"]]["older"] = block["older"]
        replica["parked"] -= 1
    block["holders"] += 1


def let_go(w: World, r: int, place: int) -> None:
    """One sequence less holds the block; the last one leaves it to the list, as its newest."""
    block, replica = w.prefixes[r, place], w.replicas[r]
    block["holders"] -= 1
    if block["holders"] > 0:
        return
    block["older"], block["newer"] = replica["newest_parked"], NOBODY
    if block["older"] == NOBODY:
        replica["oldest_parked"] = place
    else:
        w.prefixes[r, block["older"]]["newer"] = place
    replica["newest_parked"] = place
    replica["parked"] += 1


def _home(key: int, mask: int) -> int:
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return int(mixed >> np.uint64(32)) & mask
