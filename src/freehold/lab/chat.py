"""A chat request as the lab reads it. Tokens are words: whatever whitespace separates."""

from typing import TypeVar

import msgspec

from freehold.lab.asgi import Refusal

_TOKEN_LIMIT = 131_072


class Function(msgspec.Struct):
    """A function the caller offers; `parameters` is its JSON schema."""

    name: str
    parameters: dict[str, object] = {}


class Tool(msgspec.Struct):
    function: Function
    type: str = "function"


class NamedTool(msgspec.Struct):
    """The `tool_choice` that names one function."""

    function: Function
    type: str = "function"


class _Part(msgspec.Struct):
    text: str = ""


class Message(msgspec.Struct):
    """One turn: its text, or its parts that have some."""

    content: str | list[_Part] | None = None


class StreamOptions(msgspec.Struct):
    """Of a stream, in either of OpenAI's dialects."""

    include_usage: bool | None = None


class Chat(msgspec.Struct):
    """The fields the lab acts on; all others are accepted and ignored."""

    model: str
    messages: list[Message]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    n: int | None = None
    tools: list[Tool] | None = None
    tool_choice: str | NamedTool | None = None

    @property
    def text(self) -> str:
        """All message text, a line per message or part."""
        lines: list[str] = []
        for message in self.messages:
            content = message.content
            lines += [content or ""] if not isinstance(content, list) else [part.text for part in content]
        return "\n".join(lines)

    @property
    def limit(self) -> int | None:
        """The most tokens asked for, under its new or its old name."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def wants_usage(self) -> bool:
        """Whether a stream shall end with its token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)


AnyRequest = TypeVar("AnyRequest")
_chats = msgspec.json.Decoder(Chat)


def read_chat(body: bytes) -> Chat:
    """A request from its body. Raises Refusal with 400 where a real API would."""
    return sound(decoded(_chats, body))


def decoded(decoder: msgspec.json.Decoder[AnyRequest], body: bytes) -> AnyRequest:
    """A request of any dialect. Raises Refusal with 400 on what is none."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid(f"We could not parse your request: {error}") from None


def sound(chat: Chat) -> Chat:
    """The same chat. Raises Refusal with 400 where it asks for nothing, or for more than can be."""
    if not chat.messages:
        raise _invalid("messages is empty; give at least one")
    choices, limit = 1 if chat.n is None else chat.n, chat.limit
    if not 1 <= choices <= 128:
        raise _invalid(f"n is {choices}; use 1 to 128")
    if limit is not None and not 1 <= limit * choices <= _TOKEN_LIMIT:
        raise _invalid(f"{choices} x {limit} tokens asked for; use 1 to {_TOKEN_LIMIT} in all")
    return chat


def _invalid(message: str) -> Refusal:
    return Refusal(400, "invalid_request_error", None, message)
