"""What the compiled core keeps, as plain arrays of records; `open_world` makes them for a fleet. All counts are int64.

Memory is bounded by the replicas and by the requests on their way: nothing here grows with the length of a trace.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from freehold.plan.capacity.simulator.fleet import Engine, Fleet
from freehold.plan.capacity.simulator.law import Floats

Ints: TypeAlias = NDArray[np.int64]
Records: TypeAlias = NDArray[np.void]

NOBODY = -1
# What a replica is doing until its `end`: nothing; being woken; waiting until a prompt that it admitted can begin; decode steps
# that are alike; one step with a prompt in it.
IDLE, WAKING, SETTLING, DECODING, MIXED = 0, 1, 2, 3, 4
# Seconds by which two moments of the same event may differ: sums in another order are not equal to the bit.
STILL = 1e-9
# Where a request went: an owned replica, or rented because owned ones were full, or rented because none can hold it, or nowhere.
OWNED, SPILLED, RENTED, REFUSED = 0, 1, 2, 3
BINS = 2048
BUSY_S, KV_BLOCK_S, SEQUENCE_S, PROMPT_TOKENS, OUTPUT_TOKENS, ARRIVED, LEFT = 0, 1, 2, 3, 4, 5, 6
COLUMNS = 7


def _record(ints: str, floats: str = "") -> np.dtype[np.void]:
    return np.dtype([(name, np.int64) for name in ints.split()] + [(name, np.float64) for name in floats.split()])


# `per_prefix`: KV blocks of one prefix block; `each`: replicas of a target; `concurrency` -1: not stated.
RULES = _record(
    "kv_blocks block_tokens max_sequences step_tokens prefix_tokens per_prefix targets each concurrency rented spill",
    "admission_s",
)
# `steps` counts those done; `context` is what the next step's decodes attend to; `parked` prefix blocks are held by nobody;
# `ready` prompts end with this step; those who settle are admitted, and their prompts cannot begin yet; `seen_waiting` is what
# the engine would report: those its last step could not take in.
REPLICA = _record(
    "kind planned steps batch context running partial youngest first_waiting last_waiting in_flight seen_waiting free parked"
    " ready prompt_tokens oldest_parked newest_parked spare first_settling last_settling",
    "start end seconds growth",
)
# `made` tokens were out before it was pushed out; `computed` of the prompt; `prefixes` whole prefix blocks from `ids` on;
# `finish` in steps of its replica; `place` in the heap; `older`, `younger` in order of admission; `behind` in the queue, or among
# those who settle, until `settled`.
REQUEST = _record(
    "number input output made computed prefixes ids finish place turn older younger behind phase", "arrived first_token settled"
)
PREFIX = _record("key holders older newer")
DONE = _record("number status", "at ttft_s tpot_s total_s")
TALLY = _record(
    "numbered admitted vacant done pushed_out cached_tokens prompt_tokens output_tokens on_the_way", "width_s now busy_s"
)


class World(NamedTuple):
    """Replicas are rows of `replicas`, `heaps`, `ready`, `phases`, `prefixes` and `tables`; requests on their way are rows of
    `pool`; `done` is emptied after each chunk; `timeline` has BINS bins of `width_s`, which doubles when time runs out of it."""

    law: Floats
    rules: Records
    replicas: Records
    heaps: Ints
    ready: Ints
    phases: Ints
    prefixes: Records
    tables: Ints
    pool: Records
    vacant: Ints
    ids: Ints
    done: Records
    tally: Records
    timeline: Floats


def open_world(engine: Engine, fleet: Fleet) -> World:
    """Idle replicas with empty memory; no room for requests yet (`with_room`)."""
    rules = np.zeros(1, RULES)
    for name in ("kv_blocks", "block_tokens", "max_sequences", "step_tokens", "prefix_tokens", "admission_s"):
        rules[name] = getattr(engine, name)
    rules["per_prefix"] = engine.prefix_tokens // engine.block_tokens
    rules["targets"], rules["each"] = fleet.targets, fleet.replicas // fleet.targets
    rules["concurrency"] = NOBODY if fleet.concurrency is None else fleet.concurrency
    rules["rented"], rules["spill"] = fleet.rented, fleet.spill
    replicas = np.zeros(fleet.replicas, REPLICA)
    links = "partial youngest first_waiting last_waiting first_settling last_settling oldest_parked newest_parked"
    for name in links.split():
        replicas[name] = NOBODY
    replicas["free"], replicas["end"] = engine.kv_blocks, np.inf
    slots = engine.kv_blocks * engine.block_tokens // engine.prefix_tokens if engine.prefix_tokens else 0
    prefixes = np.zeros((fleet.replicas, slots), PREFIX)
    prefixes["newer"] = np.arange(1, slots + 1)  # the chain of spare places
    tally = np.zeros(1, TALLY)
    tally["width_s"] = 1.0
    return World(
        law=engine.law.table(),
        rules=rules,
        replicas=replicas,
        heaps=np.zeros((fleet.replicas, engine.max_sequences), np.int64),
        ready=np.zeros((fleet.replicas, engine.max_sequences), np.int64),
        phases=np.zeros((fleet.replicas, engine.block_tokens), np.int64),
        prefixes=prefixes,
        tables=np.zeros((fleet.replicas, 1 << (2 * slots).bit_length()), np.int64),
        pool=np.zeros(0, REQUEST),
        vacant=np.zeros(0, np.int64),
        ids=np.zeros(0, np.int64),
        done=np.zeros(0, DONE),
        tally=tally,
        timeline=np.zeros((BINS, COLUMNS)),
    )


def with_room(world: World, arrivals: int, ids: Ints) -> tuple[World, int]:
    """The same world with room for so many more requests and their prefix blocks, and where those now start in `ids`.

    Prefix blocks of requests that are done are dropped.
    """
    tally, size = world.tally[0], len(world.pool)
    vacant = world.vacant[: tally["vacant"]]
    here = np.ones(size, bool)
    here[vacant] = False
    pool, more = world.pool, max(0, arrivals - len(vacant))
    if more:
        more = max(more, size)
        pool = np.concatenate((pool, np.zeros(more, REQUEST)))
        vacant = np.concatenate((np.arange(size + more - 1, size - 1, -1), vacant, np.zeros(int(here.sum()), np.int64)))
        tally["vacant"] += more
    else:
        vacant = world.vacant
    kept, starts = pool["prefixes"][:size][here], pool["ids"][:size][here]
    ends = np.cumsum(kept)
    total = int(ends[-1]) if len(ends) else 0
    moved = np.repeat(starts - (ends - kept), kept) + np.arange(total)
    old = world.ids[moved]
    pool["ids"][:size][here] = ends - kept
    done = np.zeros(arrivals + int(here.sum()), DONE)
    return world._replace(pool=pool, vacant=vacant, ids=np.concatenate((old, ids)), done=done), total
