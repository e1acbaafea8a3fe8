"""KV memory of a replica in blocks: a whole prompt's when it is admitted, one more for a sequence whenever its last one is full.

Prefix blocks are counted once, however many hold them; those that nobody holds make room when it is needed, the oldest first.
A sequence needs a new block once in `block_tokens` steps, so sequences are counted by the step's remainder they need it in.
"""

from freehold.plan.capacity.simulator.prefixes import find_prefix, forget_prefix, hold_prefix, keep_prefix, let_go
from freehold.plan.capacity.simulator.world import NOBODY, World


def blocks_of(w: World, tokens: int) -> int:
    """KV blocks that so many tokens take."""
    size = int(w.rules[0]["block_tokens"])
    return (tokens + size - 1) // size


def room(w: World, r: int) -> int:
    """Blocks that could be had now."""
    return int(w.replicas[r]["free"] + w.replicas[r]["parked"] * w.rules[0]["per_prefix"])


def take_blocks(w: World, r: int, blocks: int) -> None:
    """Take blocks; `room` has said that they are there."""
    replica = w.replicas[r]
    while replica["free"] < blocks:
        place = int(replica["oldest_parked"])
        hold_prefix(w, r, place)
        forget_prefix(w, r, place)
        replica["free"] += w.rules[0]["per_prefix"]
    replica["free"] -= blocks


def take_prompt(w: World, r: int, s: int, spoken_for: int) -> bool:
    """Take the memory of a request's prompt, with what it had made before it was pushed out, unless that is more than there is
    beside `spoken_for` blocks. Its tokens found in the cache, up to the last but one, count as computed."""
    request, rules = w.pool[s], w.rules[0]
    per, first, count = int(rules["per_prefix"]), int(request["ids"]), int(request["prefixes"])
    found, absent, parked = 0, 0, 0
    for i in range(count):
        place = find_prefix(w, r, int(w.ids[first + i]))
        if place == NOBODY:
            absent += 1
        else:
            parked += w.prefixes[r, place]["holders"] == 0
            found += absent == 0
    tokens = int(request["input"] + request["made"])
    blocks = blocks_of(w, tokens) - (count - absent) * per
    if blocks + parked * per > room(w, r) - spoken_for:
        return False
    for i in range(count):
        place = find_prefix(w, r, int(w.ids[first + i]))
        if place != NOBODY:
            hold_prefix(w, r, place)
    take_blocks(w, r, blocks)
    if absent:
        for i in range(count):
            key = int(w.ids[first + i])
            if find_prefix(w, r, key) == NOBODY:
                keep_prefix(w, r, key)
    cached = min(found * int(rules["prefix_tokens"]), tokens - 1)
    request["computed"] = cached
    w.tally[0]["cached_tokens"] += cached
    return True


def give_back(w: World, r: int, s: int, tokens: int, computed: int) -> None:
    """Give back the memory of `tokens`. Prefix blocks stay in the cache, except those that were never computed; the later ones
    are let go first, so that a block never outlives the ones it continues."""
    request, rules = w.pool[s], w.rules[0]
    per, count = int(rules["per_prefix"]), int(request["prefixes"])
    w.replicas[r]["free"] += blocks_of(w, tokens) - count * per
    for i in range(count - 1, -1, -1):
        place = find_prefix(w, r, int(w.ids[request["ids"] + i]))
        if (i + 1) * rules["prefix_tokens"] > computed and w.prefixes[r, place]["holders"] == 1:
            forget_prefix(w, r, place)
            w.replicas[r]["free"] += per
        else:
            let_go(w, r, place)


def blocks_for(w: World, r: int, steps: int) -> int:
    """Blocks that the decoding sequences take in the next `steps` steps."""
    size = int(w.rules[0]["block_tokens"])
    now, blocks = int(w.replicas[r]["steps"]), int(w.replicas[r]["batch"]) * (steps // size)
    for step in range(now, now + steps % size):
        blocks += int(w.phases[r, step % size])
    return blocks


def steps_in_memory(w: World, r: int, most: int) -> int:
    """The steps, `most` or fewer, that the decoding sequences have memory for."""
    size, batch, left = int(w.rules[0]["block_tokens"]), int(w.replicas[r]["batch"]), room(w, r)
    if batch * (most // size + 1) <= left or blocks_for(w, r, most) <= left:
        return most
    steps = left // batch * size
    left -= steps // size * batch
    while left >= w.phases[r, (w.replicas[r]["steps"] + steps) % size]:
        left -= int(w.phases[r, (w.replicas[r]["steps"] + steps) % size])
        steps += 1
    return steps
