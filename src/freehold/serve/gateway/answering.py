"""From the decided targets to a whole answer: attempts in order, the first that begins is passed on.

Once content has left, a stream that breaks off is an error to its caller. Only one who asked for it (`x-freehold-restart: anew`)
gets a new answer from another target after the broken one, and an event between the two that says so.
"""

from collections.abc import Mapping

import msgspec

from freehold.core.errors import StreamBroken
from freehold.core.ports import Sink
from freehold.serve.gateway.answer import Answer
from freehold.serve.gateway.attempt import Attempts
from freehold.serve.gateway.classify import RESTART
from freehold.serve.gateway.closing import Closing
from freehold.serve.gateway.relay import relay


class Answering:
    """One request being answered. `close` stops whoever still works on it; `finish` lets a good end come by itself."""

    def __init__(self, attempts: Attempts, headers: Mapping[str, str]) -> None:
        self._attempts = attempts
        self._anew = headers.get(RESTART) == "anew"
        self._answer: Answer | None = None

    async def pass_on(self, sink: Sink) -> Closing:
        """Send everything but the end. Raises UpstreamRefused, TargetsExhausted, StreamBroken; BadRequest with nothing sent."""
        if (alone := self._attempts.alone()) is not None:
            return Closing(alone, 200, [("content-type", "application/json")])
        await self._attempts.prepare()
        while True:
            self._answer = await self._attempts.next()
            try:
                return await relay(self._answer, self._attempts.request, sink, self._attempts.record)
            except StreamBroken as broken:
                if not (self._anew and sink.started and self._attempts.left):
                    raise
                self._answer.close()
                await sink.write(_said_anew(broken))

    def close(self) -> None:
        """It ended badly."""
        if self._answer is not None:
            self._answer.close()

    async def finish(self) -> None:
        """It is over."""
        if self._answer is not None:
            await self._answer.finish()


def _said_anew(broken: StreamBroken) -> bytes:
    """Only who asked for it sees this event; what came before it is not part of the answer."""
    data = {"type": "freehold.restart", "choices": [], "reason": broken.message}
    return b"event: freehold.restart\ndata: " + msgspec.json.encode(data) + b"\n\n"
