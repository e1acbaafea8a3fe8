"""All text of a chat request, wherever it stands: every message, tool, argument, name and metadata value, keys included.

Values are read with both of two equal keys, so that nothing hides behind a duplicate. Media and file ids hold no text that can
be read here: they are reported as what they are. Base64 is not decoded.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import msgspec

Fields: TypeAlias = dict[str, msgspec.Raw]


class Piece(NamedTuple):
    """Decoded text and where it stands, e.g. `messages[2].content[0].text`."""

    place: str
    text: str
    is_key: bool = False


class Unscannable(NamedTuple):
    """A part whose content cannot be read as text: `image`, `audio`, `video`, `file`, `data` (a long data: URL) or `tokens`
    (a prompt that the caller has already cut into token ids)."""

    place: str
    kind: str


class _Pairs(list[tuple[str, Any]]):
    """An object with all its keys, duplicates too."""


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    """What most messages are."""

    role: str
    content: str


_pairwise = json.JSONDecoder(object_pairs_hook=_Pairs)
_messages = msgspec.json.Decoder(list[_Message])
_NOT_CONTENT = frozenset({"model", "provider"})  # the model is replaced on the way out and the routing hints never leave
_DEFINITIONS = frozenset({"tools", "functions", "response_format", "json_schema", "guided_json", "audio", "text"})
_STRUCTURE = frozenset(
    "role content type text name id index function arguments tool_calls tool_call_id function_call parameters properties required"
    " description strict refusal reasoning reasoning_content image_url url detail input_audio data format file file_id file_data"
    " filename source media_type cache_control input thinking signature items enum instructions input_text output_text summary"
    " summary_text encrypted_content call_id output status annotations".split()
)
_TOKENS = frozenset({"prompt", "input"})  # fields that take token ids in place of text
_MEDIA_TYPES = {
    "image": "image", "image_url": "image", "input_image": "image",
    "audio": "audio", "audio_url": "audio", "input_audio": "audio",
    "video": "video", "video_url": "video", "input_video": "video",
    "file": "file", "input_file": "file", "document": "file",
}  # fmt: skip
_MEDIA_KEYS = {
    "image_url": "image", "images": "image", "audio_url": "audio", "input_audio": "audio", "video_url": "video",
    "videos": "video", "file_id": "file", "file_ids": "file", "file_data": "file", "file_url": "file",
}  # fmt: skip
_SHORTEST_RAW = 8  # no kind is found in fewer bytes of JSON
_SHORTEST_NUMBER = 10**6
_OPAQUE_CHARACTERS = 256
_LONGEST_WORD = 16  # of a role or a type


def texts(fields: Fields) -> Iterator[Piece | Unscannable]:
    """Every piece of text in the raw top-level fields, keys that are not the dialect's own included.

    Whole numbers of seven digits and more inside a structure are read as text. Raises ValueError on what is not JSON or nests
    deeper than the decoder goes.
    """
    for name, raw in fields.items():
        view = memoryview(raw)
        if name not in _NOT_CONTENT and len(view) >= _SHORTEST_RAW and view[0] in b'"[{':
            if name not in _STRUCTURE and name not in {"messages", "tools"}:
                yield Piece(name, name, is_key=True)
            plain = _plain(raw) if name == "messages" else None
            if plain is not None:
                for at, message in enumerate(plain):
                    yield from _of_text(f"messages[{at}].content", message.content, "")
                continue
            try:
                value = _pairwise.decode(bytes(view).decode("utf-8", "surrogatepass"))
            except RecursionError:
                raise ValueError(f"{name} nests too deeply to be read") from None
            yield from _walk(name, value)


def _plain(raw: msgspec.Raw) -> list[_Message] | None:
    """The messages, where each is a short role and a text and nothing else: written anew they are the same bytes, so that no
    second key hides among them. None where one of them is more, or may be."""
    try:
        messages = _messages.decode(raw)
    except ValueError:
        return None
    same = msgspec.json.encode(messages) == bytes(raw)
    return messages if same and all(len(message.role) <= _LONGEST_WORD for message in messages) else None


def replaced(fields: Fields, replace: Callable[[str], str]) -> Fields:
    """The fields with every string, key and long whole number that `texts` reads put through `replace`.

    A field that does not change keeps its bytes; one that does, or that has a key twice, is written anew with the last of equal
    keys, so that nothing unreplaced leaves behind a duplicate. Raises ValueError on what is not JSON.
    """
    outgoing = dict(fields)
    repeated: set[str] = set()
    for name, raw in fields.items():
        if name in _NOT_CONTENT or memoryview(raw)[0] not in b'"[{':
            continue
        try:
            before = json.loads(bytes(raw), object_pairs_hook=partial(_object, name, repeated))
            after = _rebuilt(before, replace)
            if after != before or name in repeated:
                outgoing[name] = msgspec.Raw(json.dumps(after, separators=(",", ":")).encode())
        except RecursionError:
            raise ValueError(f"{name} nests too deeply to be read") from None
    return outgoing


def _walk(name: str, root: Any) -> Iterator[Piece | Unscannable]:
    """In reading order, with a list of places instead of recursion. `inside` is the kind of media the place belongs to."""
    media = name not in _DEFINITIONS
    places: list[tuple[str, str, Any, str]] = [(name, "", root, "")]
    while places:
        place, key, value, inside = places.pop()
        if key and key not in _STRUCTURE:
            yield Piece(place, key, is_key=True)
        if isinstance(value, str):
            if not (key in {"role", "type"} and len(value) <= _LONGEST_WORD):
                yield from _of_text(place, value, inside)
        elif isinstance(value, _Pairs):
            match value:
                case [("role", str(role)), ("content", str(text))] if len(role) <= _LONGEST_WORD:  # most messages are no more
                    yield from _of_text(f"{place}.content", text, inside)
                    continue
            kind = inside or (_media_of(value) if media else "")
            if kind and not inside:
                yield Unscannable(place, kind)
            places.extend([(f"{place}.{inner}", inner, item, kind) for inner, item in reversed(value)])
        elif isinstance(value, list):
            if name in _TOKENS and any(type(item) is int for item in value):
                yield Unscannable(place, "tokens")
                value = [item for item in value if type(item) is not int or abs(item) >= _SHORTEST_NUMBER]
            places.extend([(f"{place}[{at}]", "", value[at], inside) for at in range(len(value) - 1, -1, -1)])
        elif isinstance(value, int) and abs(value) >= _SHORTEST_NUMBER:
            yield Piece(place, str(value))


def _of_text(place: str, text: str, inside: str) -> Iterator[Piece | Unscannable]:
    if not ((inside or text.startswith("data:")) and _opaque(text)):
        yield Piece(place, text)
    elif not inside:
        yield Unscannable(place, "data")


def _media_of(pairs: _Pairs) -> str:
    """What kind of media an object is, by its type or by a key that only media has; empty for none."""
    for key, value in pairs:
        if key == "type" and isinstance(value, str) and value in _MEDIA_TYPES:
            return "" if value == "document" and _is_text_document(pairs) else _MEDIA_TYPES[value]
        if key in _MEDIA_KEYS and value:
            return _MEDIA_KEYS[key]
        if key == "audio" and isinstance(value, _Pairs) and any(inner == "id" for inner, _ in value):
            return "audio"
    return ""


def _is_text_document(pairs: _Pairs) -> bool:
    sources = [value for key, value in pairs if key == "source" and isinstance(value, _Pairs)]
    return bool(sources) and all(("type", "text") in source or ("type", "content") in source for source in sources)


def _opaque(text: str) -> bool:
    """Long and without a space: encoded bytes, not prose."""
    return len(text) > _OPAQUE_CHARACTERS and text.isascii() and " " not in text


def _object(name: str, repeated: set[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        repeated.add(name)
    return value


def _rebuilt(value: Any, replace: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, dict):
        return {replace(key): _rebuilt(item, replace) for key, item in value.items()}
    if isinstance(value, list):
        return [_rebuilt(item, replace) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _SHORTEST_NUMBER:
        text = str(value)
        after = replace(text)
        return value if after == text else after
    return value
