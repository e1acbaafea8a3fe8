"""Chat completions as our callers speak them."""

from collections.abc import Mapping

from freehold.core.conversation import Conversation, Untranslatable
from freehold.core.errors import FreeholdError
from freehold.core.ports import StepWriter
from freehold.core.request import Dialect, Request
from freehold.core.said import Whole
from freehold.wire import errors
from freehold.wire.openai_chat.request import read


class ChatSurface:
    """The Surface port."""

    dialect: Dialect = "openai_chat"
    ending = b"data: [DONE]\n\n"

    def read(self, body: bytes, headers: Mapping[str, str]) -> Request:
        """A request from its body. Raises BadRequest."""
        return read(body)

    def parse(self, request: Request) -> Conversation:
        raise Untranslatable("messages", "not yet")

    def whole(self, whole: Whole, request: Request) -> bytes:
        raise NotImplementedError

    def writer(self, request: Request) -> StepWriter:
        raise NotImplementedError

    def error(self, error: FreeholdError, request_id: str) -> bytes:
        """`{"error": ...}`."""
        return errors.openai_body(error)

    def error_event(self, error: FreeholdError, request_id: str) -> bytes:
        """The same as the last event."""
        return errors.openai_event(error)
