"""How servers that speak OpenAI's dialects are spoken to: a codec from the names of those that one takes."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from freehold.core.ports import Codec, HttpCall, Native, Reply, StreamCount
from freehold.core.request import Dialect, Request
from freehold.core.target import Target
from freehold.core.usage import UsageSource
from freehold.wire.openai_chat import OTHERS, ChatComposer, OpenAiChat, Quirks
from freehold.wire.openai_completions import OpenAiCompletions
from freehold.wire.openai_embeddings import OpenAiEmbeddings

_NATIVES: Mapping[Dialect, Callable[[UsageSource, Mapping[str, str] | None, Quirks], Native]] = {
    "openai_completions": OpenAiCompletions,
    "openai_embeddings": OpenAiEmbeddings,
}


def openai_codec(
    source: UsageSource,
    also: Iterable[Dialect] = (),
    *,
    quirks: Quirks = OTHERS,
    headers: Mapping[str, str] | None = None,
    others: Mapping[Dialect, Native] | None = None,
) -> Codec:
    """It takes chat completions, the dialects of OpenAI's named in `also`, and `others` as they are given; all else is said to it
    in chat completions. `source`: whose count its usage is; `headers`: sent with every call of OpenAI's dialects."""
    chat = OpenAiChat(source, headers, quirks)
    natives: dict[Dialect, Native] = {"openai_chat": chat}
    natives |= {dialect: _NATIVES[dialect](source, headers, quirks) for dialect in also}
    return Codec(natives=natives | dict(others or {}), composer=ChatComposer(source, headers, quirks), verdict=chat.verdict)


class Adapted:
    """The Native port, asking in place of each target the one that `at` makes of it, with further `headers`."""

    def __init__(
        self, native: Native, at: Callable[[Target], Target] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self._native = native
        self._at = at
        self._headers = dict(headers or {})

    def takes(self, request: Request) -> bool:
        """As the native does."""
        return self._native.takes(request)

    def encode(self, request: Request, target: Target) -> HttpCall:
        """As the native does, there and with those."""
        call = self._native.encode(request, target if self._at is None else self._at(target))
        return msgspec.structs.replace(call, headers={**call.headers, **self._headers}) if self._headers else call

    def decode(self, body: bytes) -> Reply:
        """As the native does."""
        return self._native.decode(body)

    def deltas(self) -> StreamCount:
        """As the native does."""
        return self._native.deltas()
