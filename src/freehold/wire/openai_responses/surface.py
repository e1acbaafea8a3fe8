"""Responses as our callers speak them."""

from collections.abc import Mapping

import msgspec

from freehold.core.conversation import Conversation
from freehold.core.errors import FreeholdError
from freehold.core.ports import StepWriter
from freehold.core.request import Dialect, Request
from freehold.core.said import Whole
from freehold.wire import errors
from freehold.wire.openai_responses.answer import whole_body
from freehold.wire.openai_responses.parse import parse
from freehold.wire.openai_responses.request import read
from freehold.wire.openai_responses.writer import ResponsesWriter


class ResponsesSurface:
    """POST /v1/responses. A stream ends with an event that holds the whole answer, so none can be put in its place."""

    dialect: Dialect = "openai_responses"
    ending = b""

    def read(self, body: bytes, headers: Mapping[str, str]) -> Request:
        """A request from its body. Raises BadRequest."""
        return read(body)

    def parse(self, request: Request) -> Conversation:
        """What it asks. Raises BadRequest, Untranslatable."""
        return parse(request)

    def whole(self, whole: Whole, request: Request) -> bytes:
        """A `response`. Raises ValueError for a part that it cannot hold."""
        return whole_body(whole, request)

    def writer(self, request: Request) -> StepWriter:
        """Typed events."""
        return ResponsesWriter(request)

    def error(self, error: FreeholdError, request_id: str) -> bytes:
        """`{"error": ...}`."""
        return errors.openai_body(error)

    def error_event(self, error: FreeholdError, request_id: str) -> bytes:
        """An `error` event. The published one is flat, and the SDK raises on the object alone: it says both.

        Its number is 0, because what came before it is not known here.
        """
        shape = {"message": error.message, "type": error.kind, "param": error.param, "code": error.code}
        event = {"type": "error", "sequence_number": 0, "code": error.code, "message": error.message, "param": error.param}
        return b"event: error\ndata: " + msgspec.json.encode(event | {"error": shape}) + b"\n\n"
