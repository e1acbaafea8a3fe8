"""Chat completions as our callers speak them."""

from collections.abc import Mapping

from freehold.core.conversation import Conversation
from freehold.core.errors import FreeholdError
from freehold.core.ports import StepWriter
from freehold.core.request import Dialect, Request
from freehold.core.said import Whole
from freehold.wire import errors
from freehold.wire.openai_chat.answer import whole_body
from freehold.wire.openai_chat.parse import parse
from freehold.wire.openai_chat.request import read
from freehold.wire.openai_chat.writer import ENDING, ChatWriter


class ChatSurface:
    """The Surface port."""

    dialect: Dialect = "openai_chat"
    ending = ENDING

    def read(self, body: bytes, headers: Mapping[str, str]) -> Request:
        """A request from its body. Raises BadRequest."""
        return read(body)

    def parse(self, request: Request) -> Conversation:
        """What it asks. Raises BadRequest, Untranslatable."""
        return parse(request)

    def whole(self, whole: Whole, request: Request) -> bytes:
        """A `chat.completion`. Raises ValueError for a part that it cannot hold."""
        return whole_body(whole)

    def writer(self, request: Request) -> StepWriter:
        """Chunks."""
        return ChatWriter(request)

    def error(self, error: FreeholdError, request_id: str) -> bytes:
        """`{"error": ...}`."""
        return errors.openai_body(error)

    def error_event(self, error: FreeholdError, request_id: str) -> bytes:
        """The same as the last event."""
        return errors.openai_event(error)
