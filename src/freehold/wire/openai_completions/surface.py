"""Legacy completions as our callers speak them."""

from collections.abc import Mapping

from freehold.core.conversation import Conversation
from freehold.core.errors import FreeholdError
from freehold.core.ports import StepWriter
from freehold.core.request import Dialect, Request
from freehold.core.said import Whole
from freehold.wire import errors
from freehold.wire.openai_chat.writer import ENDING
from freehold.wire.openai_completions.answer import CompletionsWriter, whole_body
from freehold.wire.openai_completions.request import parse, read


class CompletionsSurface:
    """The Surface port."""

    dialect: Dialect = "openai_completions"
    ending = ENDING

    def read(self, body: bytes, headers: Mapping[str, str]) -> Request:
        """A request from its body. Raises BadRequest."""
        return read(body)

    def parse(self, request: Request) -> Conversation:
        """What it asks. Raises BadRequest, Untranslatable."""
        return parse(request)

    def whole(self, whole: Whole, request: Request) -> bytes:
        """A `text_completion`."""
        return whole_body(whole)

    def writer(self, request: Request) -> StepWriter:
        """Chunks, which are `text_completion` objects too."""
        return CompletionsWriter(request)

    def error(self, error: FreeholdError, request_id: str) -> bytes:
        """`{"error": ...}`."""
        return errors.openai_body(error)

    def error_event(self, error: FreeholdError, request_id: str) -> bytes:
        """The same as the last event."""
        return errors.openai_event(error)
