"""How busy the fleet was over time, in a fixed number of bins: where time outgrows them, two become one and the width doubles."""

from freehold.plan.capacity.simulator.memory import room
from freehold.plan.capacity.simulator.world import (
    BINS,
    BUSY_S,
    COLUMNS,
    KV_BLOCK_S,
    OUTPUT_TOKENS,
    PROMPT_TOKENS,
    SEQUENCE_S,
    World,
)


def bin_of(w: World, at: float) -> int:
    """The bin of a moment; the width doubles until there is one."""
    tally = w.tally[0]
    while at >= tally["width_s"] * BINS:
        for b in range(BINS // 2):
            for c in range(COLUMNS):
                w.timeline[b, c] = w.timeline[2 * b, c] + w.timeline[2 * b + 1, c]
        w.timeline[BINS // 2 :] = 0.0
        tally["width_s"] *= 2
    return int(at / tally["width_s"])


def note_run(w: World, r: int, room_before: int) -> None:
    """Spread a run that is over evenly on the bins it lay in. KV in use is the mean of before and after."""
    replica, tally = w.replicas[r], w.tally[0]
    start, end = float(replica["start"]), float(replica["end"])
    seconds, steps = end - start, int(replica["planned"])
    output = float(replica["batch"] * steps + replica["ready"])
    used = w.rules[0]["kv_blocks"] - (room_before + room(w, r)) / 2
    tally["busy_s"] += seconds
    tally["prompt_tokens"] += replica["prompt_tokens"]
    tally["output_tokens"] += int(output)
    last = bin_of(w, end)
    for b in range(bin_of(w, start), last + 1):
        low, high = b * tally["width_s"], (b + 1) * tally["width_s"]
        inside = min(end, high) - max(start, low)
        share = inside / seconds if seconds > 0 else 1.0
        row = w.timeline[b]
        row[BUSY_S] += inside
        row[KV_BLOCK_S] += inside * used
        row[SEQUENCE_S] += inside * replica["running"]
        row[PROMPT_TOKENS] += share * replica["prompt_tokens"]
        row[OUTPUT_TOKENS] += share * output
