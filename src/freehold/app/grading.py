"""A suite run over a file of pairs: the graders here, the judge through its dispatcher, and what came of it in figures."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from freehold.core.errors import BadSettings
from freehold.core.ports import NotAsked
from freehold.move.evaluate.judge import NULL_ANSWERS, Judge, NullsHeld, Opinion
from freehold.move.evaluate.pair_file import AnsweredPair, ScoredPair, scored
from freehold.move.evaluate.sample import Reply, Sample
from freehold.move.evaluate.suite import JUDGE, Marks, Suite


class Task(msgspec.Struct, frozen=True):
    """One pair with what counts as right for it, and what the graders said."""

    ident: str
    pair: AnsweredPair
    sample: Sample
    marks: dict[str, Marks]


class JudgeSummary(msgspec.Struct, frozen=True):
    """`canaries`: null answers shown to it, of which `won` were preferred to a good answer and `tied` were thought its equal.

    `turned`: verdicts that turned with the order; `longer_preferred`: of the pairs it decided whose lengths differ, the share in
    which the longer answer won.
    """

    target: str
    digest: str
    canaries: int
    won: int
    tied: int
    turned: int = 0
    longer_preferred: float | None = None

    @property
    def fit(self) -> bool:
        """Whether it placed them last."""
        return NullsHeld(self.canaries, self.won, self.tied).fit


class Grading(msgspec.Struct, frozen=True):
    """The lines for the gate, in the order of the file; `left_out`: why pairs have no score, and how many."""

    lines: tuple[ScoredPair, ...]
    left_out: dict[str, int] = {}
    judge: JudgeSummary | None = None

    def means(self) -> dict[str, tuple[float, float]]:
        """Mean scores of owned and rented by grader."""
        names = self.lines[0].graders if self.lines else {}
        return {
            name: (_mean([line.graders[name].owned.value for line in self.lines]),
                   _mean([line.graders[name].rented.value for line in self.lines]))
            for name in names
        }  # fmt: skip

    def overall(self) -> tuple[float, float]:
        """Mean scores of owned and rented."""
        return _mean([line.owned for line in self.lines]), _mean([line.rented for line in self.lines])


def mark_pair(suite: Suite, ident: str, pair: AnsweredPair) -> Task:
    """The graders' part. Raises ValueError naming what the pair lacks."""
    owned, rented, reference = pair.replies()
    if suite.reference == "incumbent" and rented is None:
        raise ValueError("the rented answer counts as right and there is none; leave this pair out, or use reference: given")
    sample = suite.known(pair.request, reference, rented)
    if twice := [name for name in pair.guardrails if any(one.name == name and one.guardrail for one in suite.graders)]:
        raise ValueError(f"guardrail {twice[0]!r} is stated with the pair and graded by the suite; keep one of them")
    return Task(ident, pair, sample, suite.marks(sample, owned, rented))


def without_judge(suite: Suite, tasks: Sequence[Task]) -> Grading:
    """Scores of a suite that asks nobody."""
    return Grading(tuple(scored(task.ident, task.pair, suite, task.marks, None) for task in tasks))


async def with_judge(suite: Suite, tasks: Sequence[Task], judge: Judge, at_once: int, done: Callable[[], None]) -> Grading:
    """First null answers, which must lose: else there are no lines. Then every pair, some at once.

    Raises BadSettings where the judge cannot be asked about a null answer.
    """
    summary = await _canaries(suite, judge, tasks)
    if not summary.fit:
        return Grading((), {"the judge did not place null answers last": len(tasks)}, summary)
    slots = asyncio.Semaphore(at_once)

    async def ask(task: Task) -> Opinion | NotAsked:
        async with slots:
            owned, rented, _ = task.pair.replies()
            found = await judge.compare(shown(suite, task.sample), owned, rented)
            done()
            return found

    opinions = await asyncio.gather(*map(ask, tasks))
    lines = [
        scored(task.ident, task.pair, suite, task.marks, opinion)
        for task, opinion in zip(tasks, opinions, strict=True)
        if isinstance(opinion, Opinion)
    ]
    left_out = Counter(opinion.reason for opinion in opinions if isinstance(opinion, NotAsked))
    turned = sum(line.judge is not None and line.judge.turned for line in lines)
    return Grading(
        tuple(lines), dict(left_out), msgspec.structs.replace(summary, turned=turned, longer_preferred=longer_preferred(lines))
    )


def longer_preferred(lines: Sequence[ScoredPair]) -> float | None:
    """How often the judge preferred the longer answer; None where it never had that choice. Half would be no liking."""
    decided = [
        (marks.owned.value > marks.rented.value) == (line.lengths[0] > line.lengths[1])
        for line in lines
        if (marks := line.graders.get(JUDGE)) is not None
        and marks.owned.value != marks.rented.value
        and line.lengths[0] != line.lengths[1]
    ]
    return _mean([float(one) for one in decided]) if decided else None


def shown(suite: Suite, sample: Sample) -> Sample:
    """What the judge sees of a sample: an incumbent that counts as right would have won before it is read."""
    return sample if suite.reference == "given" else Sample(request=sample.request)


def says_something(good: Reply) -> bool:
    """Whether a null answer can lose to it."""
    return bool(good.text.strip() or good.calls)


async def _canaries(suite: Suite, judge: Judge, tasks: Sequence[Task]) -> JudgeSummary:
    """On the first pairs that have an answer to lose to: what is known to be right, else the rented one."""
    goods = [
        (task, good)
        for task in tasks
        if (good := task.sample.reference or task.pair.replies()[1]) is not None and says_something(good)
    ]
    if not goods:
        raise BadSettings("no pair has an answer to hold a null answer against, so the judge cannot be checked; give such pairs")
    leads: list[float] = []
    for at in range(min(judge.settings.canaries, len(NULL_ANSWERS) * len(goods))):
        task, good = goods[at // len(NULL_ANSWERS) % len(goods)]
        found = await judge.lead(shown(suite, task.sample), good, at)
        if isinstance(found, NotAsked):
            raise BadSettings(f"the judge {judge.settings.target!r} gave no verdict: {found.reason}")
        leads.append(found)
    held = NullsHeld.of(leads)
    return JudgeSummary(judge.settings.target, judge.settings.digest, held.canaries, held.won, held.tied)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def ids(numbered: Sequence[tuple[int, AnsweredPair]]) -> Mapping[int, str]:
    """Each line's id: its own, else the number of its line. Raises ValueError where two are the same."""
    seen: dict[str, int] = {}
    for number, pair in numbered:
        ident = pair.id or f"line-{number}"
        if ident in seen:
            raise ValueError(f"line {number}: the id {ident!r} is that of line {seen[ident]} too; give each pair its own")
        seen[ident] = number
    return {number: ident for ident, number in seen.items()}
