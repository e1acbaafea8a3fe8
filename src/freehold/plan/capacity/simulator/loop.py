"""All replicas in the order of time: each arrival is routed by what is true at its moment, then whatever it may change is cut."""

import numpy as np

from freehold.plan.capacity.simulator.batch import cut_run, end_run, fits, plan_run
from freehold.plan.capacity.simulator.law import Floats
from freehold.plan.capacity.simulator.routing import ELSEWHERE, least_busy, route
from freehold.plan.capacity.simulator.timeline import bin_of
from freehold.plan.capacity.simulator.world import ARRIVED, IDLE, LEFT, NOBODY, WAKING, Ints, World


def run_until(w: World, at: float) -> None:
    """End every run that is over before `at` and plan the next; a moment's arrivals come before what ends in it."""
    while True:
        r = first_over(w)
        if not w.replicas[r]["end"] < at:
            return
        w.tally[0]["now"] = w.replicas[r]["end"]
        end_run(w, r)
        plan_run(w, r)


def first_over(w: World) -> int:
    """The replica whose run ends first; the first of equals."""
    first = 0
    for r in range(1, len(w.replicas)):
        if w.replicas[r]["end"] < w.replicas[first]["end"]:
            first = r
    return first


def run(w: World, times: Floats, lengths: Ints, to_the_end: bool) -> None:
    """Let requests arrive in order of time, counted from the first one; then, if `to_the_end`, until none is on its way.

    Columns of `lengths`: input, output, whether it is sensitive, its prefix blocks, and where they start in `ids`.
    """
    for i in range(len(times)):
        at = float(times[i])
        run_until(w, at)
        w.tally[0]["now"] = at
        arrive(w, at, lengths[i])
    if to_the_end:
        run_until(w, np.inf)


def arrive(w: World, at: float, lengths: Ints) -> None:
    """One request: it joins a replica's queue, or leaves."""
    tally = w.tally[0]
    number, row = int(tally["numbered"]), w.timeline[bin_of(w, at)]
    tally["numbered"] += 1
    row[ARRIVED] += 1
    target = route(w, fits(w, int(lengths[0] + lengths[1])), lengths[2] != 0)
    if target <= ELSEWHERE:
        row[LEFT] += 1
        done = w.done[tally["done"]]
        done["number"], done["status"], done["at"] = number, ELSEWHERE - target, at
        done["ttft_s"], done["tpot_s"], done["total_s"] = np.nan, np.nan, np.nan
        tally["done"] += 1
        return
    tally["vacant"] -= 1
    tally["on_the_way"] += 1
    s = int(w.vacant[tally["vacant"]])
    request = w.pool[s]
    request["number"], request["arrived"], request["made"], request["computed"] = number, at, 0, 0
    request["input"], request["output"], request["prefixes"], request["ids"] = lengths[0], lengths[1], lengths[3], lengths[4]
    enqueue(w, least_busy(w, target), s, at)


def enqueue(w: World, r: int, s: int, at: float) -> None:
    """Last in the replica's queue. Only who is also its first changes what the replica would do next."""
    replica, request = w.replicas[r], w.pool[s]
    request["behind"] = NOBODY
    replica["in_flight"] += 1
    if replica["last_waiting"] != NOBODY:
        w.pool[replica["last_waiting"]]["behind"] = s
        replica["last_waiting"] = s
        return
    replica["first_waiting"], replica["last_waiting"] = s, s
    if replica["kind"] == IDLE:
        replica["kind"], replica["end"] = WAKING, at
    else:
        cut_run(w, r, at)
