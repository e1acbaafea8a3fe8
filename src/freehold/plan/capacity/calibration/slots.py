"""An engine by its constants under a load of callers who each ask again when answered: every token's time, exactly.

First in, first out into so many slots; each step computes prompts and puts out a token for every sequence that decodes. Steps
that only decode are taken together up to the next event. The simulator of `plan/capacity/simulator` is for traces, where
requests come whatever became of those before; here the next one waits for its caller's last answer.
"""

import math
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush

from freehold.plan.capacity.calibration.law import LatencyLaw
from freehold.plan.capacity.calibration.timings import Load, Timing

_STILL = 1e-12  # seconds by which two moments of the same event may differ


@dataclass
class _Sequence:
    """A request in a slot: prompt tokens still to compute from `ready_s` on, tokens still to put out, tokens kept."""

    number: int
    ready_s: float
    prompt: int
    left: int
    context: int


class _Engine:
    """The state of one run."""

    def __init__(self, law: LatencyLaw, load: Load) -> None:
        self.law, self.load = law, load
        self.now = 0.0
        self.sent: list[float] = []
        self.first = [0.0] * len(load.timings)
        self.last = [0.0] * len(load.timings)
        self.coming: list[tuple[float, int]] = []
        self.queue: deque[int] = deque()
        self.prompts: list[_Sequence] = []
        self.decoding: list[_Sequence] = []

    def send(self, at_s: float, late_s: float = 0.0) -> None:
        """The next request leaves its caller, if there is one left, and comes so much later than it would alone."""
        if len(self.sent) < len(self.load.timings):
            heappush(self.coming, (at_s + self.law.overhead_s + late_s, len(self.sent)))
            self.sent.append(at_s)

    def start(self, draw: int | None) -> None:
        """All callers send their first; who of them comes first is drawn."""
        for place in range(self.load.concurrency):
            self.send(0.0, place * self.law.apart_s)
        if draw is not None:
            times, numbers = zip(*sorted(self.coming), strict=True)
            self.coming = list(zip(times, random.Random(draw).sample(numbers, len(numbers)), strict=True))

    def run(self) -> None:
        """Until every request is answered."""
        while self.coming or self.queue or self.prompts or self.decoding:
            self.admit()
            if any(one.ready_s <= self.now + _STILL for one in self.prompts):
                self.mixed_step()
            elif self.decoding:
                self.decode()
            else:
                self.now = max(self.now, self.next_event())

    def admit(self) -> None:
        """Those who have come, into the queue and from there into free slots."""
        while self.coming and self.coming[0][0] <= self.now + _STILL:
            self.queue.append(heappop(self.coming)[1])
        while self.queue and self.free():
            number = self.queue.popleft()
            timing = self.load.timings[number]
            # Of a prompt found whole in the cache the engine still computes the last token: the answer begins from it.
            prompt = max(1, timing.input_tokens - timing.cached_tokens)
            ready_s = self.now + self.law.admission_s
            self.prompts.append(_Sequence(number, ready_s, prompt, timing.output_tokens, timing.input_tokens))

    def free(self) -> bool:
        """Whether a slot is."""
        return self.law.slots is None or len(self.prompts) + len(self.decoding) < self.law.slots

    def next_event(self) -> float:
        """When something else can start: a prompt is ready, or a request comes while a slot is free."""
        ready = min((one.ready_s for one in self.prompts), default=math.inf)
        return min(ready, self.coming[0][0]) if self.coming and self.free() else ready

    def mixed_step(self) -> None:
        """One step that computes prompts and decodes."""
        budget = self.law.step_tokens
        done, computed = [], 0
        for one in self.prompts:
            if one.ready_s <= self.now + _STILL and budget > 0:
                part = min(one.prompt, budget)
                one.prompt, budget, computed = one.prompt - part, budget - part, computed + part
                if not one.prompt:
                    done.append(one)
        self.now += self.law.step_s(computed, len(self.decoding), self.context())
        self.put_out(1)
        for one in done:
            self.prompts.remove(one)
            self.first[one.number] = self.now
            one.left, one.context = one.left - 1, one.context + 1
            self.decoding.append(one)
        self.finish()

    def decode(self) -> None:
        """Steps that only decode, as many as are alike."""
        batch = len(self.decoding)
        seconds = self.law.step_s(0, batch, self.context())
        growth = self.law.context_s * batch
        steps = min(one.left for one in self.decoding)
        until = self.next_event() - self.now
        if until < steps * seconds + growth * (steps * (steps - 1) / 2):
            half = seconds - growth / 2
            steps = max(1, min(steps, math.ceil(2 * until / (half + math.sqrt(half * half + 2 * growth * until)) - 1e-9)))
        self.now += steps * seconds + growth * (steps * (steps - 1) / 2)
        self.put_out(steps)
        self.finish()

    def context(self) -> int:
        """Tokens that the decoding sequences keep."""
        return sum(one.context for one in self.decoding)

    def put_out(self, steps: int) -> None:
        """So many tokens of each sequence."""
        for one in self.decoding:
            one.left, one.context = one.left - steps, one.context + steps

    def finish(self) -> None:
        """Sequences with nothing left leave; their callers ask again."""
        done = [one for one in self.decoding if one.left == 0]
        if not done:
            return
        self.decoding = [one for one in self.decoding if one.left]
        for one in done:
            self.last[one.number] = self.now
            self.send(self.now + self.load.pause_s)


def under_load(law: LatencyLaw, load: Load, draw: int | None = None) -> tuple[Timing, ...]:
    """The load's requests, by their tokens alone, as that engine would answer them; in the order they are sent from 0 s on.

    Of callers who start at once, which comes first is chance in a real engine: `draw` numbers the drawing, None takes them in
    order.
    """
    engine = _Engine(law, load)
    engine.start(draw)
    engine.run()
    return tuple(
        Timing(
            sent_s=sent_s, first_s=first_s, last_s=last_s, input_tokens=asked.input_tokens, output_tokens=asked.output_tokens,
            cached_tokens=asked.cached_tokens,
        )
        for sent_s, first_s, last_s, asked in zip(engine.sent, engine.first, engine.last, load.timings, strict=True)
    )  # fmt: skip


def at_once(spans: Iterable[tuple[float, float]], share: float = 0.1) -> int:
    """The most spans (from, to) that held together for at least that share (0-1) of the time in which any did; 1 of none."""
    edges = sorted(edge for start, end in spans for edge in ((start, 1), (end, -1)))
    held: dict[int, float] = {}
    running, before = 0, edges[0][0] if edges else 0.0
    for at_s, change in edges:
        held[running] = held.get(running, 0.0) + at_s - before
        running, before = running + change, at_s
    held.pop(0, None)
    busy_s = sum(held.values())
    return max((k for k in held if sum(s for n, s in held.items() if n >= k) >= share * busy_s), default=1)
