"""The content of an item as parts in no dialect: prose, images, sound, files, refusals."""

from typing import Literal

import msgspec

from freehold.core.conversation import CacheMark, Media, Refusal, Text, Untranslatable
from freehold.core.errors import BadRequest
from freehold.wire.openai_chat.fields import NULL, strictly
from freehold.wire.openai_chat.parts import SOUNDS, data_url, said_in


class _Breakpoint(msgspec.Struct):
    mode: Literal["explicit"]
    ttl: str | None = None


class _Marked(msgspec.Struct):
    type: str
    prompt_cache_breakpoint: _Breakpoint | None = None


class _Text(_Marked, kw_only=True):
    text: str
    annotations: msgspec.Raw = NULL  # citations and odds of an answer sent back; they say nothing to a model
    logprobs: msgspec.Raw = NULL


class _Refusal(_Marked, kw_only=True):
    refusal: str


class _Image(_Marked):
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class _File(_Marked):
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None
    detail: str | None = None


class _Sound(msgspec.Struct):
    data: str
    format: str


class _Audio(_Marked, kw_only=True):
    input_audio: _Sound


_text, _list = msgspec.json.Decoder(str), msgspec.json.Decoder(list[msgspec.Raw])


def parts_of(raw: msgspec.Raw, place: str) -> tuple[Text | Media | Refusal, ...]:
    """Content that is text or a list of parts. Raises BadRequest, Untranslatable."""
    first = memoryview(raw)[0]
    if first == ord('"'):
        return (Text(_text.decode(raw)),)
    if first != ord("["):
        raise BadRequest(f"{place} is neither text nor a list of parts", param=place)
    return tuple(_part(part, f"{place}[{at}]") for at, part in enumerate(_list.decode(raw)))


def _part(raw: msgspec.Raw, place: str) -> Text | Media | Refusal:
    match said_in(raw, "type", place):
        case "input_text" | "output_text":
            text = strictly(raw, _Text, place)
            return Text(text.text, _mark(text))
        case "refusal":
            return Refusal(strictly(raw, _Refusal, place).refusal)
        case "input_image":
            return _image(strictly(raw, _Image, place), place)
        case "input_file":
            return _file(strictly(raw, _File, place), place)
        case "input_audio":
            sound = strictly(raw, _Audio, place)
            media_type = SOUNDS.get(sound.input_audio.format, f"audio/{sound.input_audio.format}")
            return Media(kind="audio", media_type=media_type, data=sound.input_audio.data, cache=_mark(sound))
        case kind:
            raise Untranslatable(f"{place}.type", f"{kind or 'a part without a type'} has no counterpart in another dialect")


def _image(image: _Image, place: str) -> Media:
    if (image.image_url is None) == (image.file_id is None):
        raise BadRequest(f"{place} needs one of image_url and file_id", param=place)
    kind, data = _opened(image.image_url, f"{place}.image_url")
    url = image.image_url if data is None else None
    return Media(
        kind="image", media_type=kind, data=data, url=url, file_id=image.file_id, detail=image.detail, cache=_mark(image)
    )  # fmt: skip


def _file(file: _File, place: str) -> Media:
    if sum(given is not None for given in (file.file_data, file.file_id, file.file_url)) != 1:
        raise BadRequest(f"{place} needs one of file_data, file_id and file_url", param=place)
    if file.detail not in (None, "auto"):
        raise Untranslatable(f"{place}.detail", "no other dialect is known to have it for files")
    kind, data = _opened(file.file_data, f"{place}.file_data")
    return Media(
        kind="file", media_type=kind, data=data or file.file_data, url=file.file_url, file_id=file.file_id, name=file.filename,
        cache=_mark(file),
    )  # fmt: skip


def _opened(url: str | None, place: str) -> tuple[str | None, str | None]:
    try:
        return (data_url(url) if url is not None else None) or (None, None)
    except ValueError as error:
        raise BadRequest(f"{place}: {error}", param=place) from None


def _mark(part: _Marked) -> CacheMark | None:
    return None if part.prompt_cache_breakpoint is None else CacheMark()  # its lifetimes (30m, 12h) are none of another's
