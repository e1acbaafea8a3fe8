"""Small requests that tell what a server honours, and how its answers are read.

Each asks for something the model would not do by itself, so that an answer which does it proves the server, not the model.
"""

import base64
import struct
import zlib
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from freehold.app.probes import Finding
from freehold.core.capability import Capability

Body: TypeAlias = dict[str, Any]


class _Function(msgspec.Struct, frozen=True):
    name: str = ""
    arguments: str = ""


class _Call(msgspec.Struct):
    function: _Function = _Function()


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Logprobs(msgspec.Struct):
    content: list[Any] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class Answer(msgspec.Struct):
    """A whole answer, as far as a probe looks at it. `system_fingerprint` is how some engines say their version."""

    choices: list[_Choice]
    system_fingerprint: str | None = None


class Question(msgspec.Struct, frozen=True):
    """`bodies` are asked one after the other until one is honoured or refused; `read` judges an answer of 200."""

    capability: Capability
    bodies: tuple[Body, ...]
    read: Callable[[Answer], Finding]


def _asking(text: str | list[Any], max_tokens: int = 64, **fields: Any) -> Body:
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": max_tokens, **fields}


def _read_tools(answer: Answer) -> Finding:
    calls = answer.choices[0].message.tool_calls
    if not calls:
        return Finding("ignored", "the tool was offered and required, and no call came")
    try:
        arguments = msgspec.json.decode(calls[0].function.arguments)
    except ValueError:
        return Finding("ignored", "a call came whose arguments are not JSON")
    named = calls[0].function.name == _TOOL["function"]["name"] and isinstance(arguments, dict)
    return Finding("honoured", "a call came") if named else Finding("ignored", "a call of another function came")


def _read_schema(answer: Answer) -> Finding:
    text, value = _json(answer)
    if value == {_KEY: _VALUE}:
        return Finding("honoured", "the answer follows a schema that the prompt forbade")
    if answer.choices[0].finish_reason == "length" and text.startswith("{"):
        return Finding("unclear", "the answer was cut before its JSON was whole")
    return Finding("ignored", "200, and the answer does not follow the schema")


def _read_object(answer: Answer) -> Finding:
    text, value = _json(answer)
    if isinstance(value, dict):
        return Finding("honoured", "the answer is a JSON object though the prompt forbade it")
    if answer.choices[0].finish_reason == "length" and text.startswith("{"):
        return Finding("unclear", "the answer was cut before its JSON was whole")
    return Finding("ignored", "200, and the answer is no JSON object")


def _read_logprobs(answer: Answer) -> Finding:
    logprobs = answer.choices[0].logprobs
    came = logprobs is not None and bool(logprobs.content)
    return Finding("honoured", "they came") if came else Finding("ignored", "200, and none came")


def _read_choices(answer: Answer) -> Finding:
    count = len(answer.choices)
    return Finding("honoured" if count == 2 else "ignored", f"asked for 2 choices, {count} came")


def _read_vision(answer: Answer) -> Finding:
    text = (answer.choices[0].message.content or "").lower()
    if 0 <= text.find("red") < text.find("blue"):
        return Finding("honoured", "it named the colours of two pictures")
    return Finding("ignored", "200, and it did not name the colours of two pictures")


def speaks_json(answer: Answer) -> bool:
    """Whether an answer is a JSON object, so that the model may well be one that says nothing else."""
    return isinstance(_json(answer)[1], dict)


def _json(answer: Answer) -> tuple[str, object]:
    text = (answer.choices[0].message.content or "").strip()
    try:
        return text, msgspec.json.decode(text)
    except ValueError:
        return text, None


def _picture(red: int, green: int, blue: int) -> Body:
    """A content part: a plain picture of 32 x 32 dots of one colour, as PNG (https://www.w3.org/TR/png-3/)."""
    side = 32

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes((red, green, blue)) * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(png).decode()}"}}


_KEY, _VALUE = "quibble", "zephyr-41"
_SCHEMA = {
    "type": "object",
    "properties": {_KEY: {"type": "string", "enum": [_VALUE]}},
    "required": [_KEY],
    "additionalProperties": False,
}
_TOOL: Body = {
    "type": "function",
    "function": {
        "name": "record_number",
        "description": "Records a number.",
        "parameters": {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]},
    },
}
_PLAIN = "Say hello in one plain word. No JSON, no braces."
_LOOK = "Name the colour of each of the two pictures, in their order, in one plain word each."

PLAIN: Body = _asking(_PLAIN)
STREAMED: Body = _asking(_PLAIN, 8, stream=True)
QUESTIONS: tuple[Question, ...] = (
    Question(
        "tools",
        (
            _asking("Record the number 7: call record_number.", tools=[_TOOL], tool_choice="auto"),
            _asking("Record the number 7: call record_number.", tools=[_TOOL], tool_choice="required"),
        ),
        _read_tools,
    ),
    Question(
        "json_schema",
        (
            _asking(
                _PLAIN,
                response_format={"type": "json_schema", "json_schema": {"name": "probe", "strict": True, "schema": _SCHEMA}},
            ),
        ),
        _read_schema,
    ),
    Question("json_object", (_asking(_PLAIN, response_format={"type": "json_object"}),), _read_object),
    Question("logprobs", (_asking(_PLAIN, 4, logprobs=True, top_logprobs=1),), _read_logprobs),
    Question("choices", (_asking(_PLAIN, 4, n=2),), _read_choices),
    Question("vision", (_asking([{"type": "text", "text": _LOOK}, _picture(255, 0, 0), _picture(0, 0, 255)]),), _read_vision),
)
