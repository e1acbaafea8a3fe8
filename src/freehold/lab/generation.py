"""What the lab answers: deterministic in the seed and the request, so that every answer provably belongs to its question.

An answer starts with the prompt's own `[ref:...]` word where it has one. Tokens are words; those of a tool call are pieces
of its arguments of up to eight characters. A model called `lab-triage` answers the lab's own tickets with their label.
"""

import hashlib
import random
import re
from typing import Any

import msgspec

from freehold.lab.chat import Chat, Tool
from freehold.lab.triage import triage

_DEFAULT_TOKENS = 32
_PIECE = 8
_REF = re.compile(r"\[ref:[^\]\s]+\]")
_WIDE = str.maketrans({"e": "é", "t": "あ", "o": "🚲"})
_USE_TOOL = re.compile(r"\buse_tool\b")
WORDS = (
    "the of a to in is on for with as by at from this that it an are was be or we can has more new other time data use when"
    " first also two may like only over such between part each long work high some water light house line field group year"
    " order small early large place point right while under never order value plain clear found north table river green"
).split()


class Generation(msgspec.Struct, frozen=True):
    """The answer to one request, as the tokens of each choice. `tool`: they are the arguments of a call of that function."""

    prompt_tokens: int
    choices: tuple[tuple[str, ...], ...]
    finish_reason: str
    tool: str | None = None

    @property
    def longest(self) -> int:
        """Tokens of the longest choice, which sets how long the answer takes."""
        return max(len(choice) for choice in self.choices)

    def completion_tokens(self, out: int | None = None) -> int:
        """Tokens of all choices together, once each has sent `out` of its own; None means all."""
        return sum(len(choice) if out is None else min(out, len(choice)) for choice in self.choices)


def generate(chat: Chat, seed: int) -> Generation:
    """As many words as the request allows (finish reason `length`), 32 where it sets no limit (`stop`), or one tool call."""
    text = chat.text
    ref = _REF.search(text)
    digest = hashlib.blake2b(f"{seed}\0{text}".encode(errors="surrogatepass"), digest_size=8).digest()
    source = random.Random(digest)
    prompt_tokens = len(text.split())
    choices = chat.n or 1
    if tool := _called(chat, text):
        arguments = _arguments(tool, ref.group() if ref else source.choice(WORDS))
        pieces = tuple(arguments[at : at + _PIECE] for at in range(0, len(arguments), _PIECE))
        return Generation(prompt_tokens, (pieces,) * choices, "tool_calls", tool.function.name)
    if (label := triage(chat.model, text)) is not None:
        return Generation(prompt_tokens, (('{"label":', f' "{label}"}}'),) * choices, "stop")
    length = chat.limit or _DEFAULT_TOKENS
    answers = tuple(_words(source, length, ref.group() if ref else None) for _ in range(choices))
    return Generation(prompt_tokens, answers, "length" if chat.limit else "stop")


def widened(generation: Generation) -> Generation:
    """The same answer with letters of two, three and four bytes in it; a `[ref:...]` word stays as it is."""
    choices = tuple(
        tuple(word if _REF.match(word) else word.translate(_WIDE) for word in choice) for choice in generation.choices
    )
    return msgspec.structs.replace(generation, choices=choices)


def _words(source: random.Random, length: int, first: str | None) -> tuple[str, ...]:
    words = source.choices(WORDS, k=length)
    words[0] = first or words[0].capitalize()
    return (words[0], *(f" {word}" for word in words[1:]))


def _called(chat: Chat, text: str) -> Tool | None:
    """The tool that the request forces by its choice, or its prompt asks for with the word `use_tool`."""
    tools = [tool for tool in chat.tools or [] if tool.type == "function"]
    choice = chat.tool_choice
    if not tools or choice == "none":
        return None
    if choice is not None and not isinstance(choice, str):
        return next((tool for tool in tools if tool.function.name == choice.function.name), None)
    return tools[0] if choice == "required" or _USE_TOOL.search(text) else None


def _arguments(tool: Tool, word: str) -> str:
    """A JSON object with a value of the right type for every property of the tool's schema."""
    properties = tool.function.parameters.get("properties")
    named: dict[str, Any] = properties if isinstance(properties, dict) else {}
    return msgspec.json.encode({name: _value(schema, word) for name, schema in named.items()}).decode()


def _value(schema: Any, word: str) -> object:
    if not isinstance(schema, dict):
        return word
    if options := schema.get("enum"):
        return options[0] if isinstance(options, list) else word
    plain: dict[object, object] = {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}, "null": None}
    kind = schema.get("type")
    return plain.get(kind, word) if isinstance(kind, str) else word
