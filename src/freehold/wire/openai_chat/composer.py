"""Chat completions as the dialect of a target, for requests that came in another."""

from collections.abc import Mapping

from freehold.core.conversation import Conversation
from freehold.core.ports import HttpCall, StepReader
from freehold.core.said import Whole
from freehold.core.target import Target
from freehold.core.usage import UsageSource
from freehold.wire.openai_chat.answer import read_whole
from freehold.wire.openai_chat.calls import model_of, post
from freehold.wire.openai_chat.compose import DIALECT, body_of
from freehold.wire.openai_chat.quirks import OTHERS, Quirks
from freehold.wire.openai_chat.reader import ChatReader


class ChatComposer:
    """The Composer port of any OpenAI-compatible server. `usage_source` says whose count its usage is."""

    dialect = DIALECT

    def __init__(
        self, usage_source: UsageSource = "provider", headers: Mapping[str, str] | None = None, quirks: Quirks = OTHERS
    ) -> None:
        self._source: UsageSource = usage_source
        self._headers = dict(headers or {})
        self._quirks = quirks
        self.carries = frozenset({"user"} - quirks.lacks) | ({"cache_control"} if quirks.cache_control else frozenset())

    def compose(self, conversation: Conversation, target: Target, *, stream: bool) -> HttpCall:
        """The call that asks for it. Raises Untranslatable by the field's name."""
        body = {"model": model_of(target), **body_of(conversation, self._quirks, stream=stream)}
        return post(target, "chat/completions", body, self._headers, self._quirks)

    def whole(self, body: bytes) -> Whole:
        """A whole answer. Raises ValueError on a body that is none."""
        return read_whole(body, self._source, self._quirks)

    def reader(self) -> StepReader:
        """Reads one stream."""
        return ChatReader(self._source, self._quirks)
