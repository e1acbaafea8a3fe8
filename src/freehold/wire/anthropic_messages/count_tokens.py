"""How many tokens a Messages request would be: asked of a target that counts, or estimated here. Nothing is billed for it."""

from typing import Annotated

import msgspec

from freehold.core.conversation import Conversation, Untranslatable
from freehold.core.ports import Delta, HttpCall, Reply
from freehold.core.request import Dialect, Request
from freehold.core.said import Whole
from freehold.core.target import Target
from freehold.core.usage import Usage, estimate_tokens
from freehold.wire.anthropic_messages.calls import KeyHeader, Spoken, call, model_name
from freehold.wire.anthropic_messages.native import without_foreign_thinking
from freehold.wire.anthropic_messages.surface import MessagesSurface
from freehold.wire.anthropic_messages.verdict import error_names
from freehold.wire.content import Piece, texts
from freehold.wire.stateless import Stateless

_SAID = frozenset({"system", "messages", "tools"})


class _Counted(msgspec.Struct):
    input_tokens: Annotated[int, msgspec.Meta(ge=0)]


_counted = msgspec.json.Decoder(_Counted)


class CountTokensSurface(MessagesSurface):
    """POST /v1/messages/count_tokens: `{"input_tokens": N}`. There is no stream of it."""

    dialect: Dialect = "anthropic_count_tokens"
    ending = b""

    def parse(self, request: Request) -> Conversation:
        """No other dialect asks for a count. Raises Untranslatable."""
        raise Untranslatable("count_tokens", "this target has nothing that counts without answering")

    def whole(self, whole: Whole, request: Request) -> bytes:
        """The input that an answer was counted to have."""
        return msgspec.json.encode({"input_tokens": 0 if whole.usage is None else whole.usage.input_tokens})


class CountTokens(Stateless):
    """Any target that counts: Anthropic, vLLM, llama.cpp. `signed` and `key_header` as of Messages."""

    def __init__(self, key_header: KeyHeader = "authorization", *, signed: bool = False) -> None:
        self._key_header: KeyHeader = key_header
        self._signed = signed

    def encode(self, request: Request, target: Target) -> HttpCall:
        """The same request with the target's model name."""
        fields = {name: raw for name, raw in request.fields.items() if name != "provider"}
        fields["model"] = msgspec.Raw(msgspec.json.encode(model_name(target)))
        if self._signed:
            fields["messages"] = without_foreign_thinking(fields["messages"])
        spoken = Spoken(key_header=self._key_header, headers=request.headers)
        return call(target, "messages/count_tokens", fields, spoken)

    def decode(self, body: bytes) -> Reply:
        """The count as it came, and a use of nothing. Raises ValueError on anything that is no count."""
        try:
            _counted.decode(body)
        except msgspec.DecodeError:
            raise ValueError(f"200 with no count in it ({' '.join(error_names(body)) or 'no error code'})") from None
        return Reply(Usage(input_tokens=0, output_tokens=0, source="provider"), body[:4096].decode(errors="replace"), 0)

    def delta(self, event: bytes) -> Delta:
        """Raises ValueError: nothing was to come as a stream."""
        raise ValueError("a count came as a stream")


def counted(request: Request) -> bytes:
    """The body of an answer by estimate, where no target counts: its text at four characters a token; media counts nothing."""
    said = {name: raw for name, raw in request.fields.items() if name in _SAID}
    characters = sum(len(piece.text) for piece in texts(said) if isinstance(piece, Piece))
    return msgspec.json.encode({"input_tokens": estimate_tokens(characters)})
