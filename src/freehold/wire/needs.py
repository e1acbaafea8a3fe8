"""What a request asks of a model server beyond plain text.

How long it is, is known only from below: a token may be long, so nothing is concluded from a typical one.
"""

from collections.abc import Set
from typing import Any

import msgspec

from freehold.core.capability import Capability
from freehold.core.errors import BadRequest
from freehold.wire.egress import Fields

# Far more than a token of prose, code or escaped script has; only long runs of blanks pack as many bytes into one.
_MOST_TOKEN_BYTES = 32
_IMAGES = frozenset({"image_url", "image", "input_image", "image_file", "images"})
_SEEN = frozenset({"image", "base64", "url", "file"})  # an image block, and the sources of a document that is no text
_SOUNDS = frozenset({"input_audio", "audio", "audio_url"})


class _Format(msgspec.Struct):
    type: str | None = None


class _Output(msgspec.Struct):
    format: _Format | None = None


class _Choice(msgspec.Struct):
    disable_parallel_tool_use: bool | None = None


_output, _choice = msgspec.json.Decoder(_Output | None), msgspec.json.Decoder(_Choice | None)
_flag = msgspec.json.Decoder(bool | None)
_format, _words = msgspec.json.Decoder(_Format | None), msgspec.json.Decoder(list[str] | None)
_any = msgspec.json.Decoder()


def needs_of(fields: Fields, parts: Set[str]) -> frozenset[Capability]:
    """What a server must honour for the answer to be one; `parts` as `judge` found them. Raises BadRequest naming a
    field (here and below) of another type than every dialect gives it."""
    needs: set[Capability] = set()
    if _given(fields, "tools") or _given(fields, "functions"):
        needs.add("tools")
        if _read(_flag, fields, "parallel_tool_calls") is False:  # true is what the API does without a word: it asks for nothing
            needs.add("single_tool_call")
    if "response_format" in fields:
        form = _read(_format, fields, "response_format")
        if form is not None and form.type == "json_schema":
            needs.add("json_schema")
        elif form is not None and form.type == "json_object":
            needs.add("json_object")
    if _given(fields, "logprobs") or _given(fields, "top_logprobs"):
        needs.add("logprobs")
    if "n" in fields and _any.decode(fields["n"]) not in (None, 1):
        needs.add("choices")
    if parts & _IMAGES:
        needs.add("vision")
    if parts & _SOUNDS or "audio" in (_read(_words, fields, "modalities") or ()):
        needs.add("audio")
    return frozenset(needs)


def messages_needs_of(fields: Fields, parts: Set[str]) -> frozenset[Capability]:
    """The same of an Anthropic Messages request. A PDF is seen page by page, so it needs vision as an image does."""
    needs: set[Capability] = set()
    if _given(fields, "tools"):
        needs.add("tools")
        choice = _read(_choice, fields, "tool_choice")
        if choice is not None and choice.disable_parallel_tool_use:
            needs.add("single_tool_call")
    config = _read(_output, fields, "output_config")
    for form in (config and config.format, _read(_format, fields, "output_format")):
        if form is not None:
            needs.add("json_schema")
    if parts & _SEEN:
        needs.add("vision")
    return frozenset(needs)


def responses_needs_of(fields: Fields, parts: Set[str]) -> frozenset[Capability]:
    """The same of an OpenAI Responses request."""
    needs: set[Capability] = set()
    if _given(fields, "tools"):
        needs.add("tools")
        if _read(_flag, fields, "parallel_tool_calls") is False:  # true is what the API does without a word: it asks for nothing
            needs.add("single_tool_call")
    output = _read(_output, fields, "text")
    if output is not None and output.format is not None:
        if output.format.type == "json_schema":
            needs.add("json_schema")
        elif output.format.type == "json_object":
            needs.add("json_object")
    included = _read(_words, fields, "include") or ()
    if _given(fields, "top_logprobs") or "message.output_text.logprobs" in included:
        needs.add("logprobs")
    if parts & _IMAGES:
        needs.add("vision")
    if parts & _SOUNDS:
        needs.add("audio")
    return frozenset(needs)


def least_tokens(needs: frozenset[Capability], input_bytes: int, max_output_tokens: int | None) -> int:
    """The fewest tokens that the prompt and the longest answer asked for can be. Media counts for nothing."""
    prompt = 0 if needs & {"vision", "audio"} else input_bytes // _MOST_TOKEN_BYTES
    return prompt + (max_output_tokens or 0)


def _given(fields: Fields, name: str) -> Any:
    """The field's value where it asks for something: neither absent nor null, false, 0 or empty."""
    return _any.decode(fields[name]) if name in fields else None


def _read(decoder: msgspec.json.Decoder[Any], fields: Fields, name: str) -> Any:
    try:
        return decoder.decode(fields.get(name, b"null"))
    except msgspec.DecodeError as error:
        raise BadRequest(f"{name}: {error}", param=name) from None
