"""The simulator's rules once more, as slowly and plainly as they can be said: one step at a time, everything counted anew.

Shares nothing with the compiled core but the structs that describe engine, fleet and requests.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.fleet import Engine, Fleet
from freehold.plan.capacity.simulator.law import StepLaw

OWNED, SPILLED, RENTED, REFUSED = 0, 1, 2, 3


def seconds(law: StepLaw, prefill: float, pairs: float, batch: float, context: float) -> float:
    total = 0.0
    for group in law.groups:
        terms = [
            t.fixed_s + t.prefill_s * prefill + t.pair_s * pairs + t.sequence_s * batch + t.context_s * context for t in group.terms
        ]
        total += max(terms) if group.of == "max" else min(terms)
    return total


@dataclass(eq=False)
class Sequence:
    number: int
    at: float
    input: int
    output: int
    sensitive: bool
    ids: list[int]
    emitted: int = 0
    prompt: int = 0
    computed: int = 0
    first: float = 0.0
    end: float = 0.0

    @property
    def decoding(self) -> bool:
        return self.computed == self.prompt

    @property
    def kept(self) -> int:
        return self.input + self.emitted - 1 if self.decoding else self.prompt


@dataclass(eq=False)
class Replica:
    engine: Engine
    waiting: list[Sequence] = field(default_factory=list)
    running: list[Sequence] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)  # prefix blocks, those let go last at the end
    seen_waiting: int = 0
    stepping: bool = False
    pushed_out: int = 0
    cached: int = 0

    @property
    def in_flight(self) -> int:
        return len(self.waiting) + len(self.running)

    def blocks(self, tokens: int) -> int:
        return -(-tokens // self.engine.block_tokens)

    def holders(self, block: int) -> int:
        return sum(block in s.ids for s in self.running)

    def room(self) -> int:
        per = self.engine.prefix_tokens // self.engine.block_tokens
        held = sum(self.holders(block) > 0 for block in self.resident)
        return self.engine.kv_blocks - held * per - sum(self.blocks(s.kept) - len(s.ids) * per for s in self.running)

    def growing(self) -> int:
        return sum(s.decoding and s.kept % self.engine.block_tokens == 0 for s in self.running)

    def evict(self) -> None:
        """Forget the oldest blocks nobody holds until what is kept fits."""
        per = self.engine.prefix_tokens // self.engine.block_tokens
        while per and sum(self.holders(b) == 0 for b in self.resident) * per > self.room():
            self.resident.remove(next(b for b in self.resident if self.holders(b) == 0))

    def let_go(self, s: Sequence) -> None:
        computed = s.kept if s.decoding else s.computed
        self.running.remove(s)
        for place, block in reversed(list(enumerate(s.ids))):
            if self.holders(block) == 0:
                self.resident.remove(block)
                if (place + 1) * self.engine.prefix_tokens <= computed:
                    self.resident.append(block)

    def admit(self, s: Sequence, growing: int) -> bool:
        per = self.engine.prefix_tokens // self.engine.block_tokens
        found = next((i for i, block in enumerate(s.ids) if block not in self.resident), len(s.ids))
        prompt = s.input + s.emitted
        new = sum(self.holders(block) == 0 for block in s.ids)
        if self.blocks(prompt) - len(s.ids) * per + new * per > self.room() - growing:
            return False
        s.prompt, s.computed = prompt, min(found * self.engine.prefix_tokens, prompt - 1)
        self.cached += s.computed
        self.running.append(s)
        # What it needs must not be evicted to make room for it; its new blocks come last.
        fresh = [block for block in s.ids if block not in self.resident]
        self.resident += fresh
        self.evict()
        return True

    def step(self) -> tuple[float, list[Sequence]]:
        """Begin a step: its seconds, and who gets a token at its end."""
        engine, pushed = self.engine, False
        while self.growing() > self.room():
            s = self.running[-1]
            self.let_go(s)
            s.computed, s.prompt, pushed = 0, 0, True
            self.waiting.insert(0, s)
            self.pushed_out += 1
        growing = self.growing()
        decoders = [s for s in self.running if s.decoding]
        context = sum(s.kept + 1 for s in decoders)
        left, prefill, pairs, ready = engine.step_tokens - len(decoders), 0, 0.0, []
        while left > 0:
            partial = [s for s in self.running if not s.decoding]
            if not partial:
                if pushed or not self.waiting or len(self.running) >= engine.max_sequences:
                    break
                if not self.admit(self.waiting[0], growing):
                    break
                partial = [self.waiting.pop(0)]
            s = partial[0]
            chunk = min(left, s.prompt - s.computed)
            pairs += chunk * (s.computed + chunk / 2)
            s.computed += chunk
            left, prefill = left - chunk, prefill + chunk
            if s.decoding:
                s.emitted += 1  # said at the end of the step; until then it keeps its prompt, which is as much
                ready.append(s)
        self.seen_waiting = len(self.waiting)
        return seconds(engine.law, prefill, pairs, len(decoders), context), [*decoders, *ready]

    def end_step(self, now: float, told: list[Sequence], ready_from: int) -> Iterator[Sequence]:
        """One token for each: decoders first. Yields those that are done."""
        for i, s in enumerate(told):
            s.emitted += i < ready_from
            if s.emitted == 1:
                s.first = now
        self.evict()
        for s in told:
            if s.emitted == s.output:
                s.end = now
                self.let_go(s)
                yield s


@dataclass
class Run:
    """What became of each request: status, seconds to the first and the last token; and what was counted."""

    status: list[int]
    ttft: list[float]
    total: list[float]
    pushed_out: int = 0
    cached: int = 0


def run(engine: Engine, fleet: Fleet, arrivals: Arrivals) -> Run:
    each = fleet.replicas // fleet.targets
    replicas = [Replica(engine) for _ in range(fleet.replicas)]
    out = Run([-1] * len(arrivals), [float("nan")] * len(arrivals), [float("nan")] * len(arrivals))
    order = count()
    # (time, 0 arrival | 1 wake or end of a step, ...): a moment's arrivals come before what ends in it.
    events: list[tuple[float, int, int, int]] = [(float(at), 0, next(order), i) for i, at in enumerate(arrivals.at_s)]
    heapq.heapify(events)
    under_way: dict[int, tuple[list[Sequence], int]] = {}
    starts = arrivals.prefix_counts.cumsum() - arrivals.prefix_counts
    while events:
        now, kind, _, which = heapq.heappop(events)
        if kind == 1:
            replica = replicas[which]
            for s in replica.end_step(now, *under_way.pop(which, ([], 0))):
                out.status[s.number], out.ttft[s.number], out.total[s.number] = OWNED, s.first - s.at, s.end - s.at
            replica.stepping = bool(replica.in_flight)
            if replica.stepping:
                took, told = replica.step()
                under_way[which] = (told, sum(s.emitted > 0 and s.kept != s.prompt for s in told))
                under_way[which] = (told, _decoders(told, replica))
                heapq.heappush(events, (now + took, 1, next(order), which))
            continue
        ids = arrivals.prefix_ids[starts[which] : starts[which] + arrivals.prefix_counts[which]].tolist()
        size = engine.prefix_tokens
        s = Sequence(
            which, now, int(arrivals.input_tokens[which]), int(arrivals.output_tokens[which]), bool(arrivals.sensitive[which]),
            ids[: int(arrivals.input_tokens[which]) // size] if size else [],
        )  # fmt: skip
        place = _place(engine, fleet, replicas, s)
        if place < 0:
            out.status[which] = -place
            continue
        chosen = min(replicas[place * each : (place + 1) * each], key=lambda r: r.in_flight)
        chosen.waiting.append(s)
        if not chosen.stepping:
            chosen.stepping = True
            heapq.heappush(events, (now, 1, next(order), replicas.index(chosen)))
    out.pushed_out, out.cached = sum(r.pushed_out for r in replicas), sum(r.cached for r in replicas)
    return out
