"""The judge of one migration in one process: held to null answers with the first pairs, then asked about every one.

Which pairs it is asked about must not depend on what the answers say: a pair that needs no verdict, since both answers are the
same or one is missing, counts only where the judge could have been asked. Else a judge that is down would leave ties alone.
"""

import asyncio
import time

from freehold.app.grading import says_something, shown
from freehold.app.judge_dispatcher import ExchangeDispatcher
from freehold.core.ports import NotAsked
from freehold.move.evaluate.judge import NULL_ANSWERS, Judge, JudgeSettings, NullsHeld, Opinion
from freehold.move.evaluate.sample import Reply, Sample
from freehold.move.evaluate.suite import Suite
from freehold.move.migration.lines import Checked


class MigrationJudge:
    """One suite's judge. `told`: the check as a line of the log, once it is over; whoever writes it takes it away."""

    def __init__(self, suite: Suite, settings: JudgeSettings) -> None:
        self.told: Checked | None = None
        self._suite = suite
        self._settings = settings
        self._leads: list[float] = []
        self._checking = asyncio.Lock()

    async def opinion(
        self, sample: Sample, candidate: Reply | None, incumbent: Reply, dispatcher: ExchangeDispatcher
    ) -> Opinion | NotAsked:
        """NotAsked where there is no verdict; its reason is one word. Raises LedgerUnavailable."""
        judge, seen = Judge(self._settings, dispatcher), shown(self._suite, sample)
        if not self._is_checked:
            async with self._checking:
                if not self._is_checked:
                    return await self._check(judge, seen, sample.reference or incumbent)
        if not NullsHeld.of(self._leads).fit:
            return NotAsked("unfit")
        if candidate is None or (candidate.text, candidate.calls) == (incumbent.text, incumbent.calls):
            null = Reply(NULL_ANSWERS[0])
            refusal = await dispatcher.refusal(judge.question(seen, null, incumbent), self._settings.target)
            if refusal is not None:
                return refusal
        found = await judge.compare(seen, candidate, incumbent)
        return _brief(found) if isinstance(found, NotAsked) else found

    @property
    def _is_checked(self) -> bool:
        return len(self._leads) >= self._settings.canaries

    async def _check(self, judge: Judge, seen: Sample, good: Reply) -> NotAsked:
        """One pair's part of the check; that pair is not judged."""
        if not says_something(good):
            return NotAsked("unchecked")
        for _ in range(min(len(NULL_ANSWERS), self._settings.canaries - len(self._leads))):
            lead = await judge.lead(seen, good, len(self._leads))
            if isinstance(lead, NotAsked):
                return _brief(lead)
            self._leads.append(lead)
        if self._is_checked:
            held = NullsHeld.of(self._leads)
            self.told = Checked(
                at=time.time(), target=self._settings.target, digest=self._settings.digest, canaries=held.canaries, won=held.won,
                tied=held.tied, fit=held.fit,
            )  # fmt: skip
        return NotAsked("checking")


def _brief(refusal: NotAsked) -> NotAsked:
    """What the judge itself got wrong, in one word like the rest."""
    return refusal if " " not in refusal.reason else NotAsked("mute")
