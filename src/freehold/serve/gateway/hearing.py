"""What a caller was told, read back from the bytes that it was sent: in the dialects whose answers can be compared."""

from collections.abc import Mapping

from freehold.core.ports import Composer
from freehold.core.request import Dialect, Request
from freehold.core.said import Step, Whole, fold
from freehold.wire.anthropic_messages import MessagesComposer
from freehold.wire.openai_chat import ChatComposer
from freehold.wire.sse import EventSplitter, data_of

HEARD: Mapping[Dialect, Composer] = {"openai_chat": ChatComposer(), "anthropic_messages": MessagesComposer()}


def hear(request: Request, body: bytes) -> Whole | None:
    """The answer to that request, whole or as the events of a stream; None where it cannot be read."""
    composer = HEARD.get(request.dialect)
    if composer is None:
        return None
    try:
        if not request.stream:
            return composer.whole(body)
        reader, steps = composer.reader(), list[Step]()
        for event in EventSplitter().feed(body):
            if data_of(event) is not None:  # else a comment of ours
                steps += reader.read(event)
        steps += reader.close()
        return fold(steps)
    except (ValueError, KeyError, RecursionError):
        return None
