"""A model of one's own as a second opinion: an owned engine that is asked which labels a text deserves."""

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager

import msgspec

from freehold.core.ports import Native, Outbound, UpstreamFailure
from freehold.core.request import Request
from freehold.core.target import Target
from freehold.rules.sensitivity.judging import answered, parts, question
from freehold.rules.sensitivity.kinds import Label
from freehold.rules.sensitivity.opinion import Mandate, NoOpinion

_REPLY_BYTES = 1024 * 1024


class Classifier:
    """Asks about a text part by part, one after the other, over connections that end with the question."""

    def __init__(
        self, mandate: Mandate, target: Target, native: Native, part: int,
        reach: Callable[[], AbstractAsyncContextManager[Outbound]],
    ) -> None:  # fmt: skip
        """`part`: characters of one question. `native` speaks OpenAI's chat dialect to it, `reach` opens the way there."""
        self.mandate = mandate
        self._target = target
        self._native = native
        self._part = part
        self._reach = reach

    async def labels(self, text: str) -> Collection[Label]:
        """The labels of any part. Raises NoOpinion where one part gets no answer that can be read."""
        found: set[Label] = set()
        async with self._reach() as outbound:
            for part in parts(text, self._part):
                found |= await self._labels(outbound, part)
        return found

    async def _labels(self, outbound: Outbound, part: str) -> frozenset[Label]:
        fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in question(part, self.mandate.labels).items()}
        call = self._native.encode(Request(dialect="openai_chat", model=self._target.model, fields=fields), self._target)
        try:
            reply = await outbound.send(call)
            try:
                body = await reply.read(_REPLY_BYTES)
            finally:
                reply.close()
            if reply.status != 200:
                raise NoOpinion(f"{self._target.name} answered with status {reply.status}")
            return answered(body, self.mandate.labels)
        except UpstreamFailure as failure:
            raise NoOpinion(f"{self._target.name}: {failure.outcome}: {failure.detail}") from None
        except (ValueError, RecursionError):  # its words are of the text, so they are not told
            raise NoOpinion(f"{self._target.name} gave no answer of the form that was asked for") from None
