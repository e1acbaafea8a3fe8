"""The content of a chat message as parts in no dialect: prose, images, sound, files, refusals."""

import re
from typing import Any, Literal

import msgspec

from freehold.core.conversation import CacheMark, Media, Refusal, Text, Untranslatable
from freehold.core.errors import BadRequest
from freehold.wire.openai_chat.fields import NULL, strictly

SOUNDS = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,", re.ASCII | re.IGNORECASE)


class CacheControl(msgspec.Struct):
    """Anthropic's mark, as LiteLLM and OpenRouter take it in this dialect."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class _Breakpoint(msgspec.Struct):
    mode: Literal["explicit"]
    ttl: str | None = None


class _Marked(msgspec.Struct):
    type: str
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: _Breakpoint | None = None


class _TextPart(_Marked):
    text: str = ""


class _RefusalPart(_Marked):
    refusal: str = ""


class _Image(msgspec.Struct):
    url: str
    detail: str | None = None


class _ImagePart(_Marked, kw_only=True):
    image_url: _Image


class _Sound(msgspec.Struct):
    data: str
    format: str


class _SoundPart(_Marked, kw_only=True):
    input_audio: _Sound


class _File(msgspec.Struct):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _FilePart(_Marked, kw_only=True):
    file: _File


_text, _list = msgspec.json.Decoder(str), msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()


def parts_of(raw: msgspec.Raw, place: str) -> tuple[Text | Media | Refusal, ...]:
    """Content that is text or a list of parts; none where it is null. Raises BadRequest, Untranslatable."""
    first = memoryview(raw)[0]
    if first == ord("n"):
        return ()
    if first == ord('"'):
        return (Text(_text.decode(raw)),)
    if first != ord("["):
        raise BadRequest(f"{place} is neither text nor a list of parts", param=place)
    return tuple(_part(part, f"{place}[{at}]") for at, part in enumerate(_list.decode(raw)))


def mark_of(control: CacheControl | None) -> CacheMark | None:
    """A cache mark of a message, part or tool."""
    return None if control is None else CacheMark(control.ttl)


def said_in(raw: msgspec.Raw, name: str, place: str) -> str | None:
    """The text under that key of an object; None where there is none. Raises BadRequest on what is no object."""
    try:
        value: Any = _any.decode(_object.decode(raw).get(name, NULL))
    except msgspec.DecodeError as error:
        raise BadRequest(f"{place} is not an object: {error}", param=place) from None
    return value if isinstance(value, str) else None


def data_url(url: str) -> tuple[str | None, str] | None:
    """(media type, base64 text) of a data: URL; None for any other URL. Raises ValueError where it is not base64."""
    if url[:5].lower() != "data:":
        return None
    found = _DATA_URL.match(url)
    if found is None:
        raise ValueError("it is a data: URL, but not base64; write data:<media type>;base64,<data>")
    return found["type"], url[found.end() :]


def _part(raw: msgspec.Raw, place: str) -> Text | Media | Refusal:
    match said_in(raw, "type", place):
        case "text":
            text = strictly(raw, _TextPart, place)
            return Text(text.text, _mark(text, place))
        case "refusal":
            return Refusal(strictly(raw, _RefusalPart, place).refusal)
        case "image_url":
            image = strictly(raw, _ImagePart, place)
            kind, data = _opened(image.image_url.url, f"{place}.image_url.url")
            url = image.image_url.url if data is None else None
            return Media(
                kind="image", media_type=kind, data=data, url=url, detail=image.image_url.detail, cache=_mark(image, place)
            )
        case "input_audio":
            sound = strictly(raw, _SoundPart, place)
            form = sound.input_audio.format
            media_type = SOUNDS.get(form, f"audio/{form}")
            return Media(kind="audio", media_type=media_type, data=sound.input_audio.data, cache=_mark(sound, place))
        case "file":
            return _file(strictly(raw, _FilePart, place), place)
        case kind:
            raise Untranslatable(f"{place}.type", f"{kind or 'a part without a type'} has no counterpart in another dialect")


def _file(part: _FilePart, place: str) -> Media:
    file = part.file
    if (file.file_data is None) == (file.file_id is None):
        raise BadRequest(f"{place}.file needs one of file_data and file_id", param=f"{place}.file")
    kind, data = _opened(file.file_data or "", f"{place}.file.file_data")
    return Media(
        kind="file", media_type=kind, data=data or file.file_data, file_id=file.file_id, name=file.filename,
        cache=_mark(part, place),
    )  # fmt: skip


def _opened(url: str, place: str) -> tuple[str | None, str | None]:
    try:
        return data_url(url) or (None, None)
    except ValueError as error:
        raise BadRequest(f"{place}: {error}", param=place) from None


def _mark(part: _Marked, place: str) -> CacheMark | None:
    if part.prompt_cache_breakpoint is not None:
        return CacheMark()  # OpenAI's own lifetimes (30m, 12h) are none of another provider's
    return mark_of(part.cache_control)
