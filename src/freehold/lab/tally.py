"""What a lab server really did, counted at the source: the bill that a ledger has to match."""

from collections import OrderedDict
from typing import Literal, TypeAlias

import msgspec

Ending: TypeAlias = Literal["completed", "cancelled", "failed"]
_IDS_KEPT = 10_000


class Produced(msgspec.Struct):
    """Tokens of one request, growing while it is answered. A prompt counts once its work has begun."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Tally:
    """Counts since the start; the ids of the last 10,000 answers with their tokens. `running`: answers being produced now."""

    def __init__(self) -> None:
        self.requests = 0
        self.endings: dict[Ending, int] = {"completed": 0, "cancelled": 0, "failed": 0}
        self.total = Produced()
        self.faults: dict[str, int] = {}
        self.running: dict[str, Produced] = {}
        self._by_id: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def begin(self, answer_id: str) -> Produced:
        """A new request's counts, to be raised as its tokens are made."""
        self.requests += 1
        self.running[answer_id] = Produced()
        return self.running[answer_id]

    def count_fault(self, fault: str) -> None:
        """One more request that met this fault."""
        self.faults[fault] = self.faults.get(fault, 0) + 1

    def end(self, answer_id: str, ending: Ending) -> None:
        """Book a request: completed (sent whole), cancelled (the caller hung up) or failed (refused or broken off)."""
        produced = self.running.pop(answer_id)
        self.endings[ending] += 1
        self.total.prompt_tokens += produced.prompt_tokens
        self.total.completion_tokens += produced.completion_tokens
        if produced.prompt_tokens:
            self._by_id[answer_id] = (produced.prompt_tokens, produced.completion_tokens)
            if len(self._by_id) > _IDS_KEPT:
                self._by_id.popitem(last=False)

    def totals(self) -> tuple[int, int]:
        """(prompt, completion) tokens, those of answers still running included."""
        prompt = self.total.prompt_tokens + sum(p.prompt_tokens for p in self.running.values())
        completion = self.total.completion_tokens + sum(p.completion_tokens for p in self.running.values())
        return prompt, completion

    def report(self) -> dict[str, object]:
        """The JSON of /lab/tally."""
        prompt, completion = self.totals()
        return {
            "requests": self.requests,
            "running": len(self.running),
            **{str(ending): number for ending, number in self.endings.items()},
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "faults": self.faults,
            "by_id": self._by_id,
        }
