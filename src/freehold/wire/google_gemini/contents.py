"""A conversation's turns as `contents` and `systemInstruction`.

All results of one model turn stand in one user turn, in the order of its calls, by which calls of one name are told apart; system
turns are hoisted, wherever they stood. A signature goes back on the part it came with; the signature of words came with no words
of its own, and goes back so. Thinking that another maker signed, or nobody, is left out: earlier thinking may be.
"""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from freehold.core.conversation import Call, Media, Part, Refusal, Result, Text, Thinking, Turn, Untranslatable
from freehold.wire.arguments import arguments_of
from freehold.wire.google_gemini.models import DIALECT, Generation

Json: TypeAlias = dict[str, Any]

# By Google's pages on images, sound and documents, as of 2026-11-21.
_TYPES: Mapping[str, frozenset[str]] = {
    "image": frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"}),
    "audio": frozenset({"audio/wav", "audio/mp3", "audio/aiff", "audio/aac", "audio/ogg", "audio/flac"}),
    "file": frozenset({"application/pdf", "text/plain", "text/html", "text/css", "text/csv", "text/xml", "text/markdown"}),
}
_SPELLINGS = {"audio/mpeg": "audio/mp3", "audio/x-wav": "audio/wav", "audio/x-flac": "audio/flac", "image/jpg": "image/jpeg"}
_ENDINGS = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "heic": "image/heic",
    "heif": "image/heif", "wav": "audio/wav", "mp3": "audio/mp3", "aiff": "audio/aiff", "aac": "audio/aac", "ogg": "audio/ogg",
    "flac": "audio/flac", "pdf": "application/pdf", "txt": "text/plain", "html": "text/html", "csv": "text/csv",
}  # fmt: skip
_PLAIN_DETAILS = (None, "auto", "high")
# What Google's page on thought signatures gives for calls that another model made, where a signature is demanded.
_NOT_ITS_OWN = "skip_thought_signature_validator"


def system_parts(turns: Iterable[Turn]) -> list[Json]:
    """The text of every system turn."""
    said = [part for turn in turns if turn.role == "system" for part in turn.parts]
    if not all(isinstance(part, Text) for part in said):
        raise Untranslatable("messages", "a system prompt holds nothing but text")
    return [{"text": part.text} for part in said if isinstance(part, Text) and part.text]


def contents(turns: Iterable[Turn], takes: Generation) -> list[Json]:
    """Alternating turns of `user` and `model`. Raises Untranslatable for what they cannot hold."""
    spoken = [turn for turn in turns if turn.role != "system"]
    calls: dict[str, Call] = {}
    found: list[Json] = []
    for role, group in itertools.groupby(spoken, key=lambda turn: turn.role):
        together = list(group)
        if any(turn.name is not None for turn in together):
            raise Untranslatable("name", "a turn has no name in this dialect")
        said = [part for turn in together for part in turn.parts]
        parts = _model_parts(said, takes) if role == "assistant" else _user_parts(said, calls, takes)
        calls = {part.id: part for part in said if isinstance(part, Call)} if role == "assistant" else calls
        if parts:
            found.append({"role": "model" if role == "assistant" else "user", "parts": parts})
    if not found or found[-1]["role"] != "user":
        raise Untranslatable("messages", "an answer is only given to a user's turn")
    return found


def _model_parts(said: Iterable[Part], takes: Generation) -> list[Json]:
    parts: list[Json] = []
    signed = not takes.wants_signatures
    for part in said:
        match part:
            case Text() | Refusal():
                parts += [{"text": part.text}] if part.text else []
            case Thinking():
                parts += _thinking(part)
            case Call():
                call: Json = {"functionCall": {"name": part.name, "args": arguments_of(part)}}
                signature = part.signature or (None if signed else _NOT_ITS_OWN)
                signed = True  # of parallel calls only the first needs one
                parts.append(call if signature is None else call | {"thoughtSignature": signature})
            case _:
                raise Untranslatable("messages", "an assistant's turn holds no media and no results here")
    return parts


def _thinking(part: Thinking) -> list[Json]:
    if part.maker != DIALECT or part.signature is None:
        return []
    if part.redacted:
        return [{"text": "", "thoughtSignature": part.signature}]
    return [{"text": part.text, "thought": True, "thoughtSignature": part.signature}]


def _user_parts(said: Iterable[Part], calls: Mapping[str, Call], takes: Generation) -> list[Json]:
    """Results first, in the order of the calls that they answer; all else in its own."""
    order = {identity: at for at, identity in enumerate(calls)}
    results: list[tuple[int, Json]] = []
    parts: list[Json] = []
    for part in said:
        match part:
            case Result():
                results.append((order.get(part.id, len(order)), _result(part, calls, takes)))
            case Text():
                parts += [{"text": part.text}] if part.text else []
            case Media():
                parts.append(media(part))
            case _:
                raise Untranslatable("messages", "a user's turn holds text, media and results only")
    results.sort(key=lambda result: result[0])
    return [result for _, result in results] + parts


def _result(result: Result, calls: Mapping[str, Call], takes: Generation) -> Json:
    name = result.name or (calls[result.id].name if result.id in calls else None)
    if name is None:
        raise Untranslatable("tool_call_id", "a result is known by its tool's name here, and no earlier call has its id")
    text = "".join(part.text for part in result.parts if isinstance(part, Text))
    answer: Json = {"name": name, "response": {"error" if result.failed else "output": text}}
    shown = [media(part) for part in result.parts if isinstance(part, Media)]
    if shown and not takes.media_in_results:
        raise Untranslatable("messages", "this model takes no media in what a tool gave back")
    return {"functionResponse": answer | ({"parts": shown} if shown else {})}


def media(part: Media) -> Json:
    """Data as it is, or a URL that the target fetches. Raises Untranslatable on a kind that Gemini does not read."""
    if part.detail not in _PLAIN_DETAILS:
        raise Untranslatable("detail", f"how closely to look cannot be said here, least of all {part.detail!r}")
    if part.file_id is not None:
        raise Untranslatable("file_id", "a file kept at one provider is not known to another")
    kind = _SPELLINGS.get(part.media_type or "", part.media_type)
    if part.data is not None:
        if kind not in _TYPES[part.kind]:
            raise Untranslatable(part.kind, f"it is one of {', '.join(sorted(_TYPES[part.kind]))} here, not {part.media_type}")
        return {"inlineData": {"mimeType": kind, "data": part.data}}
    if part.url is None:
        raise Untranslatable("messages", f"a part of kind {part.kind} has neither data nor a URL")
    kind = kind or _ENDINGS.get(part.url.partition("?")[0].rpartition(".")[2].lower())
    return {"fileData": ({} if kind is None else {"mimeType": kind}) | {"fileUri": part.url}}
