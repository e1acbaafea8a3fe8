"""Anthropic's Messages as our callers speak it."""

from collections.abc import Mapping

from freehold.core.conversation import Conversation
from freehold.core.errors import FreeholdError
from freehold.core.request import Dialect, Request
from freehold.core.said import Whole
from freehold.wire.anthropic_messages import errors
from freehold.wire.anthropic_messages.answer import message_body
from freehold.wire.anthropic_messages.parse import parse
from freehold.wire.anthropic_messages.request import read
from freehold.wire.anthropic_messages.steps import MESSAGE_STOP, MessagesWriter


class MessagesSurface:
    """POST /v1/messages."""

    dialect: Dialect = "anthropic_messages"
    ending = MESSAGE_STOP

    def read(self, body: bytes, headers: Mapping[str, str]) -> Request:
        """A request from its body and the headers of the dialect. Raises BadRequest naming the field and the mend."""
        return read(body, headers, self.dialect)

    def parse(self, request: Request) -> Conversation:
        """What it asks, to be said in another dialect. Raises Untranslatable, BadRequest."""
        return parse(request)

    def whole(self, whole: Whole, request: Request) -> bytes:
        """An answer that came in another dialect, as a message."""
        return message_body(whole)

    def writer(self, request: Request) -> MessagesWriter:
        """The same for one stream."""
        return MessagesWriter()

    def error(self, error: FreeholdError, request_id: str) -> bytes:
        """An error as a whole body."""
        return errors.body(error, request_id)

    def error_event(self, error: FreeholdError, request_id: str) -> bytes:
        """An error as the last event of a stream that has begun."""
        return errors.event(error, request_id)
