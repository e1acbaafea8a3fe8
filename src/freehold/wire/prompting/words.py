"""What putting a variant's words into a body is in every dialect: text before text, text around text, defaults.

Whatever is not changed keeps its bytes. A shape that the dialect does not have is left for the target to refuse.
"""

from collections.abc import Mapping, Sequence, Set
from typing import TypeAlias

import msgspec

from freehold.core.conversation import Untranslatable
from freehold.core.prompt import Parameter, Variant

Fields: TypeAlias = dict[str, msgspec.Raw]
Frame: TypeAlias = tuple[str, str]  # what stands ahead of a text, and what behind it

NULL = msgspec.Raw(b"null")
RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_BETWEEN = "\n\n"
_text, _object = msgspec.json.Decoder(str), msgspec.json.Decoder(Fields)


def raw(value: object) -> msgspec.Raw:
    """The value as raw JSON."""
    return msgspec.Raw(msgspec.json.encode(value))


def word(given: msgspec.Raw) -> str | None:
    """The text that it is; None where it is none."""
    return _text.decode(given) if memoryview(given)[0] == ord('"') else None


def object_of(given: msgspec.Raw) -> Fields | None:
    """The fields of an object; None where it is none."""
    return _object.decode(given) if memoryview(given)[0] == ord("{") else None


def before(system: str, own: msgspec.Raw, kind: str) -> msgspec.Raw:
    """A system text with the operator's before it; `own`: a text, a list of parts, or null. `kind`: of a part that is text."""
    if (text := word(own)) is not None:
        return raw(system + _BETWEEN + text if text else system)
    if memoryview(own)[0] == ord("["):
        return raw([{"type": kind, "text": system}, *RAWS.decode(own)])
    return raw(system) if own == NULL else own


def around(frame: Frame, content: msgspec.Raw, kinds: Set[str] = frozenset()) -> msgspec.Raw | None:
    """The content with the frame around its text: ahead of its first part of these kinds and behind its last. None where there
    is no text in it."""
    ahead, behind = frame
    if (text := word(content)) is not None:
        return raw(ahead + text + behind)
    if memoryview(content)[0] != ord("["):
        return None
    parts = RAWS.decode(content)
    texts = {at: part for at, one in enumerate(parts) if (part := _text_part(one, kinds)) is not None}
    if not texts:
        return None
    first, last = min(texts), max(texts)
    texts[first]["text"] = raw(ahead + _text.decode(texts[first]["text"]))
    texts[last]["text"] = raw(_text.decode(texts[last]["text"]) + behind)
    return raw([raw(texts[at]) if at in {first, last} else part for at, part in enumerate(parts)])


def around_last(frame: Frame, messages: Sequence[msgspec.Raw], kinds: Set[str]) -> list[msgspec.Raw]:
    """The messages with the frame around the text of the last one of the user's that has any; results of tools are none."""
    changed = list(messages)
    for at in range(len(changed) - 1, -1, -1):
        message = object_of(changed[at])
        if message is None or word(message.get("role", NULL)) != "user":
            continue
        content = around(frame, message.get("content", NULL), kinds)
        if content is not None:
            changed[at] = raw({**message, "content": content})
            break
    return changed


def put_defaults(fields: Fields, variant: Variant, names: Mapping[Parameter, str], dialect: str) -> None:
    """Set each parameter where the caller said nothing. Raises Untranslatable for one that the dialect has no field for."""
    for parameter, value in variant.parameters.items():
        if parameter not in names:
            raise Untranslatable("prompt", f"variant {variant.name} sets {parameter}, and {dialect} has no such field")
        if fields.get(names[parameter], NULL) == NULL:
            fields[names[parameter]] = raw(value)


def _text_part(part: msgspec.Raw, kinds: Set[str]) -> Fields | None:
    """The fields of a part that holds text."""
    said = object_of(part)
    if said is None or word(said.get("type", NULL)) not in kinds or word(said.get("text", NULL)) is None:
        return None
    return said
