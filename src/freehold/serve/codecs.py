"""How servers that speak OpenAI's dialects are spoken to: a codec from the names of those that one takes; and codecs adapted."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from freehold.core.conversation import Conversation
from freehold.core.ports import Codec, Composer, HttpCall, Native, Reply, Signer, StepReader, StreamCount
from freehold.core.request import Dialect, Request
from freehold.core.said import Whole
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


def adapted(codec: Codec, *, at: Callable[[Target], Target] | None = None, signer: Signer | None = None) -> Codec:
    """The same codec, asking in place of each target the one that `at` makes of it, every call signed by `signer`."""
    natives = {dialect: Adapted(native, at, signer=signer) for dialect, native in codec.natives.items()}
    composer = None if codec.composer is None else AdaptedComposer(codec.composer, at, signer)
    return msgspec.structs.replace(codec, natives=natives, composer=composer)


class Adapted:
    """The Native port, asking in place of each target the one that `at` makes of it, with further `headers`, signed."""

    def __init__(
        self,
        native: Native,
        at: Callable[[Target], Target] | None = None,
        headers: Mapping[str, str] | None = None,
        signer: Signer | None = None,
    ) -> None:
        self._native = native
        self._at = at
        self._headers = dict(headers or {})
        self._signer = signer

    def takes(self, request: Request) -> bool:
        """As the native does."""
        return self._native.takes(request)

    def encode(self, request: Request, target: Target) -> HttpCall:
        """As the native does, there and with those."""
        call = self._native.encode(request, target if self._at is None else self._at(target))
        if not self._headers and self._signer is None:
            return call
        return msgspec.structs.replace(call, headers={**call.headers, **self._headers}, signer=self._signer)

    def decode(self, body: bytes) -> Reply:
        """As the native does."""
        return self._native.decode(body)

    def deltas(self) -> StreamCount:
        """As the native does."""
        return self._native.deltas()


class AdaptedComposer:
    """The Composer port, asking in place of each target the one that `at` makes of it, signed."""

    def __init__(self, composer: Composer, at: Callable[[Target], Target] | None, signer: Signer | None) -> None:
        self._composer = composer
        self._at = at
        self._signer = signer
        self.dialect, self.carries = composer.dialect, composer.carries

    def compose(self, conversation: Conversation, target: Target, *, stream: bool) -> HttpCall:
        """As the composer does, there and with that."""
        call = self._composer.compose(conversation, target if self._at is None else self._at(target), stream=stream)
        return call if self._signer is None else msgspec.structs.replace(call, signer=self._signer)

    def whole(self, body: bytes) -> Whole:
        """As the composer does."""
        return self._composer.whole(body)

    def reader(self) -> StepReader:
        """As the composer does."""
        return self._composer.reader()
