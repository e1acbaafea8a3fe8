"""One replica: what its next step or its next run of equal steps is, and what is different once that is over.

Continuous batching as vLLM's scheduler does it: every decoding sequence gets a token each step; prompts fill the rest of the
step's tokens in order of arrival, in chunks; where memory runs out the youngest sequence is pushed out, waits in front and is
computed anew. Unlike there, the memory of a whole prompt is taken when it is admitted.
"""

import numpy as np

from freehold.plan.capacity.simulator.finishes import drop_finish, push_finish
from freehold.plan.capacity.simulator.law import decode_line, run_seconds, step_seconds, steps_until
from freehold.plan.capacity.simulator.memory import (
    blocks_for,
    blocks_of,
    give_back,
    room,
    steps_in_memory,
    take_blocks,
    take_prompt,
)
from freehold.plan.capacity.simulator.settling import first_settled, settle, unsettle
from freehold.plan.capacity.simulator.timeline import note_run
from freehold.plan.capacity.simulator.world import DECODING, IDLE, MIXED, NOBODY, OWNED, SETTLING, STILL, World


def plan_run(w: World, r: int) -> None:
    """From where the last run ended: push out, admit, and fix what runs until the next moment at which anything can change."""
    replica = w.replicas[r]
    replica["start"], replica["ready"] = replica["end"], 0
    pushed_out = make_way(w, r)
    prompt, pairs = fill_step(w, r, not pushed_out)
    replica["prompt_tokens"], replica["planned"] = prompt, 1
    batch, context = float(replica["batch"]), float(replica["context"])
    if prompt > 0:
        replica["kind"] = MIXED
        replica["end"] = replica["start"] + step_seconds(w.law, float(prompt), pairs, batch, context)
    elif replica["batch"] > 0:
        replica["kind"] = DECODING
        seconds, growth, steps = decode_line(w.law, batch, context)
        finish = int(w.pool[w.heaps[r, 0]]["finish"])
        # What was pushed out may fit again after one step, which only a new look tells.
        steps = 1 if pushed_out else min(steps, finish - int(replica["steps"]))
        steps = steps_in_memory(w, r, steps)
        if replica["first_settling"] != NOBODY:
            left = float(w.pool[replica["first_settling"]]["settled"] - replica["start"])
            steps = steps_until(seconds, growth, left - STILL, steps)
        replica["planned"], replica["seconds"], replica["growth"] = steps, seconds, growth
        replica["end"] = replica["start"] + run_seconds(seconds, growth, steps)
    elif replica["first_settling"] != NOBODY:
        replica["kind"], replica["planned"] = SETTLING, 0
        replica["end"] = w.pool[replica["first_settling"]]["settled"]
    else:
        replica["kind"], replica["end"] = IDLE, np.inf
    replica["seen_waiting"] = replica["in_flight"] - replica["running"]


def cut_run(w: World, r: int, at: float) -> None:
    """Something arrived: end a run of equal steps with the one under way, or a wait at once, so that it can be looked at."""
    replica, rules = w.replicas[r], w.rules[0]
    # With every place taken it only waits, but where others may spill the engine's report of a queue has to be in time.
    matters = rules["spill"] != 0 or replica["running"] < rules["max_sequences"]
    if matters and replica["kind"] == SETTLING:
        replica["end"] = at
    elif matters and replica["kind"] == DECODING and replica["planned"] > 1:
        seconds, growth = float(replica["seconds"]), float(replica["growth"])
        steps = steps_until(seconds, growth, at - float(replica["start"]), int(replica["planned"]))
        replica["planned"] = steps
        replica["end"] = replica["start"] + run_seconds(seconds, growth, steps)


def end_run(w: World, r: int) -> None:
    """What the run did: memory taken, tokens out, sequences finished, prompts that now decode."""
    replica = w.replicas[r]
    if replica["kind"] < SETTLING:
        return
    steps, before = int(replica["planned"]), room(w, r)
    take_blocks(w, r, blocks_for(w, r, steps))
    note_run(w, r, before)
    replica["steps"] += steps
    replica["context"] += steps * replica["batch"]
    while replica["batch"] > 0 and w.pool[w.heaps[r, 0]]["finish"] == replica["steps"]:
        s = int(w.heaps[r, 0])
        stop_decoding(w, r, s)
        finish(w, r, s)
    for i in range(replica["ready"]):
        start_decoding(w, r, int(w.ready[r, i]))


def make_way(w: World, r: int) -> bool:
    """Push out the youngest until those who decode have memory for one step; whether any was."""
    pushed_out = False
    while blocks_for(w, r, 1) > room(w, r):
        pushed_out = True
        replica = w.replicas[r]
        s = int(replica["youngest"])
        request = w.pool[s]
        if s == replica["partial"]:
            replica["partial"] = NOBODY
            give_back(w, r, s, int(request["input"] + request["made"]), int(request["computed"]))
        elif s == replica["last_settling"]:
            unsettle(w, r, s)
            give_back(w, r, s, int(request["input"] + request["made"]), int(request["computed"]))
        else:
            stop_decoding(w, r, s)
            request["made"] = request["output"] - (request["finish"] - replica["steps"])
            tokens = int(request["input"] + request["made"]) - 1
            give_back(w, r, s, tokens, tokens)
        leave(w, r, s)
        request["behind"] = replica["first_waiting"]
        replica["first_waiting"] = s
        if request["behind"] == NOBODY:
            replica["last_waiting"] = s
        w.tally[0]["pushed_out"] += 1
    return pushed_out


def fill_step(w: World, r: int, admitting: bool) -> tuple[int, float]:
    """Prompt tokens of the next step, and the pairs they attend to: the prompt under way first, then those that settled, or
    where admission takes no time those that wait."""
    replica, rules = w.replicas[r], w.rules[0]
    settles = rules["admission_s"] > 0
    if settles and admitting:
        settle_all(w, r)
    left, prompt, pairs = int(rules["step_tokens"] - replica["batch"]), 0, 0.0
    while left > 0:
        s = int(replica["partial"])
        if s == NOBODY:
            if settles:
                s = first_settled(w, r)
            elif admitting:
                s = admit(w, r)
            if s == NOBODY:
                break
        request = w.pool[s]
        rest = int(request["input"] + request["made"] - request["computed"])
        chunk = min(left, rest)
        pairs += chunk * (request["computed"] + chunk / 2)
        request["computed"] += chunk
        prompt, left = prompt + chunk, left - chunk
        replica["partial"] = s
        if chunk == rest:
            replica["partial"] = NOBODY
            w.ready[r, replica["ready"]] = s
            replica["ready"] += 1
    return prompt, pairs


def settle_all(w: World, r: int) -> None:
    """Let those of the queue in for whom there is a place and memory; their prompts begin later."""
    s = admit(w, r)
    while s != NOBODY:
        settle(w, r, s)
        s = admit(w, r)


def admit(w: World, r: int) -> int:
    """Let the first of the queue in, if there is one with a place and memory for its prompt; NOBODY otherwise."""
    replica = w.replicas[r]
    s = int(replica["first_waiting"])
    if s == NOBODY or replica["running"] >= w.rules[0]["max_sequences"]:
        return NOBODY
    if not take_prompt(w, r, s, blocks_for(w, r, 1)):
        return NOBODY
    join(w, r, s)
    return s


def join(w: World, r: int, s: int) -> None:
    """The first of the queue now runs, as the youngest."""
    replica, request, tally = w.replicas[r], w.pool[s], w.tally[0]
    replica["first_waiting"] = request["behind"]
    if request["behind"] == NOBODY:
        replica["last_waiting"] = NOBODY
    request["turn"] = tally["admitted"]
    tally["admitted"] += 1
    request["older"], request["younger"] = replica["youngest"], NOBODY
    if request["older"] != NOBODY:
        w.pool[request["older"]]["younger"] = s
    replica["youngest"] = s
    replica["running"] += 1


def leave(w: World, r: int, s: int) -> None:
    """It runs no longer."""
    replica, request = w.replicas[r], w.pool[s]
    if request["younger"] == NOBODY:
        replica["youngest"] = request["older"]
    else:
        w.pool[request["younger"]]["older"] = request["older"]
    if request["older"] != NOBODY:
        w.pool[request["older"]]["younger"] = request["younger"]
    replica["running"] -= 1


def start_decoding(w: World, r: int, s: int) -> None:
    """Its prompt is computed and one token is out: it decodes the rest, if there is any."""
    replica, request = w.replicas[r], w.pool[s]
    if request["made"] == 0:
        request["first_token"] = replica["end"]
    tokens = int(request["input"] + request["made"])
    left = int(request["output"] - request["made"]) - 1
    if left == 0:
        finish(w, r, s)
        return
    request["finish"] = replica["steps"] + left
    request["phase"] = (replica["steps"] - tokens) % w.rules[0]["block_tokens"]
    w.phases[r, request["phase"]] += 1
    replica["context"] += tokens + 1
    push_finish(w, r, s)


def stop_decoding(w: World, r: int, s: int) -> None:
    """It decodes no longer: finished, or pushed out."""
    replica, request = w.replicas[r], w.pool[s]
    out = int(request["output"] - (request["finish"] - replica["steps"]))
    w.phases[r, request["phase"]] -= 1
    replica["context"] -= request["input"] + out
    drop_finish(w, r, s)


def finish(w: World, r: int, s: int) -> None:
    """All tokens are out: give back its memory and hand out its times."""
    replica, request, tally = w.replicas[r], w.pool[s], w.tally[0]
    tokens = int(request["input"] + request["output"]) - 1
    give_back(w, r, s, tokens, tokens)
    leave(w, r, s)
    replica["in_flight"] -= 1
    done = w.done[tally["done"]]
    done["number"], done["status"], done["at"] = request["number"], OWNED, request["arrived"]
    done["ttft_s"] = request["first_token"] - request["arrived"]
    done["total_s"] = replica["end"] - request["arrived"]
    after = int(request["output"]) - 1
    done["tpot_s"] = (replica["end"] - request["first_token"]) / after if after > 0 else np.nan
    tally["done"] += 1
    w.vacant[tally["vacant"]] = s
    tally["vacant"] += 1
    tally["on_the_way"] -= 1


def fits(w: World, tokens: int) -> bool:
    """Whether an empty replica has memory for a request of so many tokens, the last of which is never kept."""
    return blocks_of(w, tokens - 1) <= int(w.rules[0]["kv_blocks"])
