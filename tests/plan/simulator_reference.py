"""The simulator's rules once more, as slowly and plainly as they can be said: one step at a time, everything counted anew.

Shares nothing with the compiled core but the structs that describe engine, fleet and requests.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from freehold.core.data import DataClass, Handling
from freehold.core.decision import Decision, Load, TargetState
from freehold.core.request import Ask
from freehold.core.target import Target, Workload
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.fleet import Engine, Fleet
from freehold.plan.capacity.simulator.law import StepLaw
from freehold.rules.order import decide

OWNED, SPILLED, RENTED, REFUSED = 0, 1, 2, 3


def seconds(law: StepLaw, prefill: float, pairs: float, batch: float, context: float) -> float:
    total = 0.0
    for group in law.groups:
        terms = [
            t.fixed_s + t.prefill_s * prefill + t.pair_s * pairs + t.sequence_s * batch + t.context_s * context
            for t in group.terms
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
    settled: float = 0.0
    decoding: bool = False
    first: float = 0.0
    end: float = 0.0

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
    turn: int = -1  # of the event that it next acts on; those before it are void
    pushed_out: int = 0
    unsettled: int = 0
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

    def step(self, now: float) -> tuple[float, list[Sequence], list[Sequence]]:
        """Begin a step, or a wait in which nobody does anything: its seconds, who decodes in it, whose prompt ends with it."""
        engine, pushed = self.engine, False
        while self.growing() > self.room():
            s = self.running[-1]
            self.let_go(s)
            s.computed, s.decoding, pushed = 0, False, True
            self.waiting.insert(0, s)
            self.pushed_out += 1
            self.unsettled += s.settled > now
        decoders = [s for s in self.running if s.decoding]
        context = sum(s.kept + 1 for s in decoders)
        left, prefill, pairs = engine.step_tokens - len(decoders), 0, 0.0
        ready: list[Sequence] = []
        while engine.admission_s and not pushed and self.waiting and len(self.running) < engine.max_sequences:
            if not self.admit(self.waiting[0], self.growing()):
                break
            self.waiting.pop(0).settled = now + engine.admission_s
        while left > 0:
            partial = [s for s in self.running if not s.decoding and s not in ready and s.settled <= now]
            if not partial:
                if engine.admission_s or pushed or not self.waiting or len(self.running) >= engine.max_sequences:
                    break
                if not self.admit(self.waiting[0], self.growing()):
                    break
                partial = [self.waiting.pop(0)]
            s = partial[0]
            chunk = min(left, s.prompt - s.computed)
            pairs += chunk * (s.computed + chunk / 2)
            s.computed += chunk
            left, prefill = left - chunk, prefill + chunk
            if s.computed == s.prompt:
                ready.append(s)
        self.seen_waiting = len(self.waiting)
        self.stepping = bool(decoders or prefill)
        if not self.stepping:
            return min(s.settled for s in self.running) - now, [], []
        return seconds(engine.law, prefill, pairs, len(decoders), context), decoders, ready

    def end_step(self, now: float, decoders: list[Sequence], ready: list[Sequence]) -> Iterator[Sequence]:
        """One token for each. Yields those that are done."""
        for s in decoders:
            s.emitted += 1
        self.evict()
        for s in ready:
            s.emitted, s.decoding = s.emitted + 1, True
            s.first = now if s.emitted == 1 else s.first
        for s in [*decoders, *ready]:
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
    unsettled: int = 0
    cached: int = 0


def gateway(fleet: Fleet, context_tokens: int) -> tuple[list[Target], Workload]:
    """What the gateway would know of the fleet: its owned targets in order of preference, and a rented one behind them."""
    names = [f"owned-{i}" for i in range(fleet.targets)]
    targets = [
        Target(
            name=name, kind="owned", codec="c", url="u", model="m", clearance=DataClass.restricted,
            concurrency=fleet.concurrency, context_tokens=context_tokens,
        )
        for name in names
    ]  # fmt: skip
    if fleet.rented:
        targets.append(Target(name="rented", kind="rented", codec="c", url="u", model="m", clearance=DataClass.public))
    return targets, Workload(name="w", targets=tuple(t.name for t in targets), spill=fleet.spill)


def asked(tokens: int, sensitive: bool) -> Ask:
    data_class = DataClass.confidential if sensitive else DataClass.public
    return Ask(workload="w", handling=Handling(data_class), least_tokens=tokens)


def routed(decision: Decision) -> tuple[int, int]:
    """The place of the owned target that comes first, and what that means for the request."""
    if not decision.candidates:
        return 0, REFUSED
    first = decision.candidates[0]
    if first.target.rented:
        return 0, SPILLED if first.spill else RENTED
    return int(first.target.name.removeprefix("owned-")), OWNED


def run(engine: Engine, fleet: Fleet, arrivals: Arrivals) -> Run:
    each = fleet.replicas // fleet.targets
    replicas = [Replica(engine) for _ in range(fleet.replicas)]
    targets, workload = gateway(fleet, engine.kv_blocks * engine.block_tokens + 1)
    out = Run([-1] * len(arrivals), [float("nan")] * len(arrivals), [float("nan")] * len(arrivals))
    order = count()
    # (time, 0 arrival | 1 wake or end of a step, ...): a moment's arrivals come before what ends in it.
    events: list[tuple[float, int, int, int]] = [(float(at), 0, next(order), i) for i, at in enumerate(arrivals.at_s)]
    heapq.heapify(events)
    under_way: dict[int, tuple[list[Sequence], list[Sequence]]] = {}
    starts = arrivals.prefix_counts.cumsum() - arrivals.prefix_counts
    while events:
        now, kind, turn, which = heapq.heappop(events)
        if kind == 1:
            replica = replicas[which]
            if turn != replica.turn:
                continue
            for s in replica.end_step(now, *under_way.pop(which, ([], []))):
                out.status[s.number], out.ttft[s.number], out.total[s.number] = OWNED, s.first - s.at, s.end - s.at
            replica.stepping = False
            if replica.in_flight:
                took, decoders, ready = replica.step(now)
                under_way[which] = (decoders, ready)
                replica.turn = next(order)
                heapq.heappush(events, (now + took, 1, replica.turn, which))
            continue
        ids = arrivals.prefix_ids[starts[which] : starts[which] + arrivals.prefix_counts[which]].tolist()
        size = engine.prefix_tokens
        s = Sequence(
            which, now, int(arrivals.input_tokens[which]), int(arrivals.output_tokens[which]), bool(arrivals.sensitive[which]),
            ids[: int(arrivals.input_tokens[which]) // size] if size else [],
        )  # fmt: skip
        loads = [replicas[t * each : (t + 1) * each] for t in range(fleet.targets)]
        states = {
            t.name: TargetState(
                in_flight=sum(r.in_flight for r in load), load=Load(running=0, waiting=sum(r.seen_waiting for r in load))
            )
            for t, load in zip(targets, loads, strict=False)
        }
        place, status = routed(decide(asked(s.input + s.output, s.sensitive), workload, targets, states))
        if status != OWNED:
            out.status[which] = status
            continue
        chosen = min(replicas[place * each : (place + 1) * each], key=lambda r: r.in_flight)
        chosen.waiting.append(s)
        if not chosen.stepping:
            chosen.stepping, chosen.turn = True, next(order)
            heapq.heappush(events, (now, 1, chosen.turn, replicas.index(chosen)))
    out.pushed_out, out.unsettled = sum(r.pushed_out for r in replicas), sum(r.unsettled for r in replicas)
    out.cached = sum(r.cached for r in replicas)
    return out
