"""A suite: what a workload's answers are graded by. Named graders with weights, guardrails among them, and maybe a judge."""

import hashlib
import math
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from freehold.core.request import Request
from freehold.move.evaluate.judge import JudgeSettings, Opinion
from freehold.move.evaluate.sample import NO_ANSWER, Grader, Reply, Sample, Score
from freehold.move.migration.pair import Harm

JUDGE = "judge"
# What counts as right: the reference that comes with a sample, or the answer of the model that serves today.
Right: TypeAlias = Literal["given", "incumbent"]


class Named(msgspec.Struct, frozen=True):
    """One grader of a suite. A `guardrail` is no part of the score: what it takes off 1 is the harm of that name."""

    name: str
    grader: Grader
    weight: float = 1.0
    guardrail: bool = False


class Marks(msgspec.Struct, frozen=True):
    """What one grader, or the judge, says of both answers."""

    owned: Score
    rented: Score


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """`references`: right answers by the digest of their request, `asked`: the sets of fields that these requests state. `digest`
    names all of it: scores of two suites do not mix."""

    workload: str
    graders: tuple[Named, ...]
    digest: str
    reference: Right = "given"
    references: Mapping[str, Reply] = {}
    asked: frozenset[frozenset[str]] = frozenset()
    judge: JudgeSettings | None = None

    def marks(self, sample: Sample, owned: Reply | None, rented: Reply | None) -> dict[str, Marks]:
        """Every grader's word, by name; None is a model that gave no answer, which is worth 0 to each.

        Raises ValueError naming the grader that lacks a reference, or that cannot use it.
        """
        marks: dict[str, Marks] = {}
        for one in self.graders:
            scores = [self._score(one, sample, reply) for reply in (owned, rented)]
            marks[one.name] = Marks(scores[0], scores[1])
        return marks

    def known(self, request: msgspec.Raw, stated: Reply | None, incumbent: Reply | None) -> Sample:
        """The sample with what counts as right for it: what is stated with it, what the suite has for it, or the incumbent's."""
        found = stated or self.references.get(request_digest(request))
        return Sample(request=request, reference=incumbent if self.reference == "incumbent" else found)

    def sample(self, request: Request, incumbent: Reply) -> Sample:
        """A live request with what counts as right for it: the reference of the sample that states the most of what it asks.

        A sample says only what matters, such as the messages: whatever else the request has is not looked at.
        """
        fields = request.fields
        stated = None
        for names in sorted(self.asked, key=lambda names: (-len(names), sorted(names))):
            if stated is None and names <= fields.keys():
                stated = self.references.get(request_digest(_json({name: fields[name] for name in names})))
        return Sample(request=_json(fields), reference=incumbent if self.reference == "incumbent" else stated)

    @property
    def needs_reference(self) -> bool:
        """Whether a sample without what counts as right cannot be graded."""
        return any(one.grader.needs_reference for one in self.graders)

    def totals(self, marks: Mapping[str, Marks], opinion: Opinion | None) -> tuple[float, float]:
        """The weighted means of owned and rented, guardrails left out."""
        weighted = [(one.weight, marks[one.name]) for one in self.graders if not one.guardrail]
        if opinion is not None and self.judge is not None:
            weighted.append((self.judge.weight, Marks(opinion.owned, opinion.rented)))
        whole = math.fsum(weight for weight, _ in weighted)
        owned = math.fsum(weight * each.owned.value for weight, each in weighted) / whole
        rented = math.fsum(weight * each.rented.value for weight, each in weighted) / whole
        return min(1.0, owned), min(1.0, rented)

    def harms(self, marks: Mapping[str, Marks]) -> dict[str, Harm]:
        """Each guardrail's harm to both."""
        rails = {one.name: marks[one.name] for one in self.graders if one.guardrail}
        return {name: Harm(1 - each.owned.value, 1 - each.rented.value) for name, each in rails.items()}

    def _score(self, one: Named, sample: Sample, reply: Reply | None) -> Score:
        if one.grader.needs_reference and sample.reference is None:
            raise ValueError(f"grader {one.name!r} needs a reference; give one with the pair or in the suite's samples")
        if reply is None:
            return NO_ANSWER
        try:
            return one.grader.grade(sample, reply)
        except ValueError as error:
            if self.reference == "incumbent":  # it counts as right by what was said, so only the same answer is right too
                return Score(float(reply == sample.reference), "the incumbent's answer cannot be compared")
            raise ValueError(f"grader {one.name!r}: {error}") from None


def _json(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def request_digest(request: msgspec.Raw) -> str:
    """The same for the same JSON, however it is spaced and in whatever order its members stand. Raises ValueError."""
    canonical = msgspec.json.encode(msgspec.json.decode(request), order="sorted")
    return hashlib.sha256(canonical).hexdigest()
