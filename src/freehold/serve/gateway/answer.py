"""An answer that has begun: its whole reply, or the events that led to the first content token and those still to come."""

from contextlib import suppress

from freehold.core.entry import Attempt
from freehold.core.ports import Reply, UpstreamFailure, UpstreamReply
from freehold.rules.breaker import Ending
from freehold.serve.deadline import within
from freehold.serve.gateway.board import Board, Visit
from freehold.serve.gateway.exchange import Events, Exchange

_DRAIN_S = 0.25
_EVENT_BYTES = 200  # about what one costs to hold, whatever it says


class Answer:
    """One target's reply while it is being passed on. `close` stops the upstream's work; `finish` lets it end by itself."""

    def __init__(self, attempt: Attempt, upstream: UpstreamReply, exchange: Exchange, board: Board, visit: Visit) -> None:
        self.attempt = attempt
        self.begun: Events = []
        self.whole: tuple[bytes, Reply] | None = None
        self._upstream = upstream
        self._exchange = exchange
        self._board = board
        self._visit = visit
        self._present = True
        self._closed = False
        self._ended = False
        self._malformed: UpstreamFailure | None = None

    async def read_whole(self, limit: int) -> None:
        """The whole reply of a call without streaming, as its caller may have it. Raises UpstreamFailure."""
        body = await self._upstream.read(limit)
        try:
            self.whole = self._exchange.whole(body)
        except (ValueError, RecursionError) as error:
            raise UpstreamFailure("malformed", f"the reply cannot be read: {error}") from None

    async def read_to_first_token(self, limit: int) -> None:
        """Hold lifecycle events back until content, or a stream that ends rightly without any. Raises UpstreamFailure."""
        size = 0
        while (events := await self.next_events()) is not None:
            self.begun += [(event, delta) for event, delta in events if event or delta.raw_usage or delta.finished or delta.done]
            size += sum(len(event) + _EVENT_BYTES for event, _ in events)
            broken = next((delta.error for _, delta in events if delta.error is not None), None)
            if broken is not None:
                raise UpstreamFailure("broken", f"error event: {broken}")
            if self._malformed is not None and not any(delta.done for _, delta in events):
                raise self._malformed  # nobody has seen a word yet: another target may still begin
            if any(delta.content or delta.finished or delta.done for _, delta in events):
                return
            if size > limit:
                raise UpstreamFailure("malformed", f"no content in the first {limit} bytes")
        raise UpstreamFailure("broken", "the stream ended before its first token")

    async def next_events(self) -> Events | None:
        """The events that the next chunk completes (perhaps none), then those that its end does; None. Raises UpstreamFailure;
        where good events came before a malformed one, at the next call."""
        if self._malformed is not None:
            raise self._malformed
        if self._ended:
            return None
        chunk = await self._upstream.chunk()
        self._ended = not chunk
        events: Events = []
        try:
            for event in self._exchange.feed(chunk) if chunk else self._exchange.end():
                events.append(event)
        except (ValueError, RecursionError) as error:
            self._malformed = UpstreamFailure("malformed", f"a stream event cannot be read: {error}")
            if not events:
                raise self._malformed from None
        return events

    def ended(self, ending: Ending) -> None:
        """How the stream ended, for the target's health."""
        if self.whole is None:
            self._board.ended(self._visit, ending)

    def leave(self) -> None:
        """The target has done its work: its place is free again."""
        if self._present:
            self._present = False
            usage = self.attempt.usage
            self._board.leave(self._visit, None if usage is None else usage.input_tokens + usage.output_tokens)

    def close(self) -> None:
        """Stop the upstream's work, if it is not done."""
        self._closed = True
        self.leave()
        self._upstream.close()

    async def finish(self) -> None:
        """Read what is left of a reply that ended well, so that its connection can serve again; then close."""
        if self._closed:
            return
        with suppress(TimeoutError, UpstreamFailure):  # then the connection is not reused, and nothing else depends on it
            await within(_DRAIN_S, self._drain())
        self.close()

    async def _drain(self) -> None:
        while await self._upstream.chunk():
            pass
