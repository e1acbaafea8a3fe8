"""Embeddings as our callers ask for them. No other dialect has them: a target speaks this one or is removed by name."""

from collections.abc import Mapping

from freehold.core.conversation import Conversation, Untranslatable
from freehold.core.errors import FreeholdError
from freehold.core.ports import StepWriter
from freehold.core.request import Dialect, Request
from freehold.core.said import Whole
from freehold.wire import errors
from freehold.wire.openai_embeddings.request import read


class EmbeddingsSurface:
    """The Surface port."""

    dialect: Dialect = "openai_embeddings"
    ending = b""

    def read(self, body: bytes, headers: Mapping[str, str]) -> Request:
        """A request from its body. Raises BadRequest."""
        return read(body)

    def parse(self, request: Request) -> Conversation:
        """No conversation holds it: Untranslatable."""
        raise Untranslatable("embeddings", "only a target that serves embeddings can answer them")

    def whole(self, whole: Whole, request: Request) -> bytes:
        """An answer in words is none to this question: ValueError."""
        raise ValueError("words where embeddings should be")

    def writer(self, request: Request) -> StepWriter:
        """As `whole`."""
        raise ValueError("words where embeddings should be")

    def error(self, error: FreeholdError, request_id: str) -> bytes:
        """`{"error": ...}`."""
        return errors.openai_body(error)

    def error_event(self, error: FreeholdError, request_id: str) -> bytes:
        """Never sent, since nothing streams; the same as an event."""
        return errors.openai_event(error)
