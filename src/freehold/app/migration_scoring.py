"""How the pairs of migrations become lines of their logs: scored by agreement, or by a suite with its judge.

A pair that cannot be graded counts for neither model: it is a line that says why. A suite whose file is no longer the one that
the migration was asked for with grades nothing.
"""

import asyncio
import time
from pathlib import Path

import msgspec
import structlog

from freehold.app.judge_dispatcher import ExchangeDispatcher
from freehold.app.migration_judging import MigrationJudge
from freehold.core.errors import BadSettings
from freehold.core.ports import Graded, NotAsked
from freehold.core.said import Whole
from freehold.move.evaluate.judge import Opinion
from freehold.move.evaluate.sample import Reply, reply_of
from freehold.move.evaluate.suite import Suite
from freehold.move.evaluate.suite_file import read_suite
from freehold.move.migration.agreement import Agreement, refused, slice_of
from freehold.move.migration.lines import PairScore, Score, Unscored, Weighed
from freehold.move.migration.machine import MigrationSettings
from freehold.move.migration.origins import SuiteRef
from freehold.move.migration.progress import Migration
from freehold.serve.gateway.errand import Errands
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.shadow import Compared

_SILENCE = Whole(id="", model="", choices=())
_log = structlog.get_logger("freehold.migrations")


class _Ungraded(Exception):
    """Why, in a few words without content."""


class Scorer:
    """The pairs of one migration."""

    def __init__(self, migration: Migration, gateway: Gateway, errands: Errands) -> None:
        self._settings: MigrationSettings = migration.settings
        self._id = migration.id
        self._gateway = gateway
        self._errands = errands
        self._suite: Suite | None = None
        self._judge: MigrationJudge | None = None

    async def score(self, pair: Compared) -> list[Score]:
        """The lines for it: one, and another where the check of the judge ended with it. Raises LedgerUnavailable."""
        dispatcher = ExchangeDispatcher(self._gateway, self._errands, pair)
        line: Score
        try:
            graded, harms, judged = await self._graded(pair, dispatcher)
            line = PairScore(
                request=pair.id, at=time.time(), step=pair.assignment.step, candidate=graded.candidate,
                incumbent=graded.incumbent, slice=graded.slice, harms=measured(pair, self._settings.late_s) | harms,
                cost_nanousd=pair.cost_nanousd, recorded=pair.recorded, judge_nanousd=dispatcher.cost_nanousd, judged=judged,
            )  # fmt: skip
        except _Ungraded as why:
            line = Unscored(
                request=pair.id, at=time.time(), step=pair.assignment.step, why=str(why), cost_nanousd=pair.cost_nanousd,
                recorded=pair.recorded, judge_nanousd=dispatcher.cost_nanousd,
            )  # fmt: skip
        told = self._judge.told if self._judge is not None else None
        if self._judge is not None:
            self._judge.told = None
        return [line] if told is None else [line, told]

    async def _graded(
        self, pair: Compared, dispatcher: ExchangeDispatcher
    ) -> tuple[Graded, dict[str, tuple[float, float]], Weighed | None]:
        """The scores, the suite's own harms, and how the judge came to its verdict. Raises _Ungraded."""
        # In a thread: the models that wrote the answers decide how long grading takes, and callers do not wait for it.
        if self._settings.suite is None:
            return await asyncio.to_thread(agreed, pair, self._settings.slice_by), {}, None
        suite = self._suite or await self._read(self._settings.suite)
        slice_ = await asyncio.to_thread(slice_of, self._settings.slice_by, pair.incumbent)
        new, old = None if pair.candidate is None else reply_of(pair.candidate), reply_of(pair.incumbent)
        sample = await asyncio.to_thread(suite.sample, pair.request, old)
        if sample.reference is None and suite.needs_reference:
            raise _Ungraded("no expected answer")
        try:
            marks = await asyncio.to_thread(suite.marks, sample, new, old)
        except ValueError:
            raise _Ungraded("cannot be graded") from None
        opinion: Opinion | NotAsked | None = None
        if self._judge is not None:
            opinion = await self._judge.opinion(sample, new, old, dispatcher)
        if isinstance(opinion, NotAsked):
            raise _Ungraded(f"judge: {opinion.reason}")
        harms = {name: (harm.owned, harm.rented or 0.0) for name, harm in suite.harms(marks).items()}
        judged = None if opinion is None else weighed(opinion, new, old)
        return Graded(*suite.totals(marks, opinion), slice_), harms, judged

    async def _read(self, ref: SuiteRef) -> Suite:
        """The suite that the migration was asked for with. Raises _Ungraded."""
        try:
            suite = await asyncio.to_thread(read_suite, Path(ref.path))
        except BadSettings as error:
            _log.error("a suite cannot be read", migration=self._id, problem=error.message)
            raise _Ungraded("suite: unreadable") from None
        if suite.digest != ref.digest:
            _log.error("a suite has changed", migration=self._id, suite=ref.path, wanted=ref.digest, found=suite.digest)
            raise _Ungraded("suite: changed")
        if self._suite is None:
            self._suite = suite
            self._judge = None if suite.judge is None else MigrationJudge(suite, suite.judge)
        return self._suite


def agreed(pair: Compared, slice_by: str | None) -> Graded:
    """How far the candidate agrees with the incumbent; one without an answer does in nothing."""
    graded = Agreement(slice_by).grade(pair.request, pair.candidate or _SILENCE, pair.incumbent)
    return graded if pair.candidate is not None else msgspec.structs.replace(graded, candidate=0.0)


def measured(pair: Compared, late_s: float) -> dict[str, tuple[float, float]]:
    """The harms that show without a grader, of candidate and incumbent."""
    late = (float(pair.candidate_s > late_s), float(pair.incumbent_s > late_s))
    declined = (float(pair.candidate is not None and refused(pair.candidate)), float(refused(pair.incumbent)))
    return {"errors": (float(pair.candidate is None), 0.0), "refusals": declined, "late": late}


def weighed(opinion: Opinion, candidate: Reply | None, incumbent: Reply) -> Weighed:
    """With whether the longer answer won."""
    longer: bool | None = None
    if candidate is not None and opinion.owned.value != opinion.rented.value and len(candidate.text) != len(incumbent.text):
        longer = (opinion.owned.value > opinion.rented.value) == (len(candidate.text) > len(incumbent.text))
    return Weighed(opinion.turned, longer)
