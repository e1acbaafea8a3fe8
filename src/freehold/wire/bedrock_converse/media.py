"""Images, sounds and documents as Converse has them: always the data itself, since Bedrock fetches no URL of the web.

The formats are those of the API reference, as of 2026-11-21. Which of them a model reads is for the model to say.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from freehold.core.conversation import Media, Untranslatable

_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_SOUNDS = {
    "audio/wav": "wav", "audio/x-wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3", "audio/flac": "flac", "audio/ogg": "ogg",
    "audio/opus": "opus", "audio/aac": "aac", "audio/mp4": "mp4", "audio/webm": "webm",
}  # fmt: skip
_DOCUMENTS = {
    "application/pdf": "pdf", "text/csv": "csv", "text/html": "html", "text/plain": "txt", "text/markdown": "md",
    "application/msword": "doc", "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}  # fmt: skip
_PLAIN_DETAILS = (None, "auto", "high")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9()\[\]-]+")
_LONGEST_NAME = 180  # of 200, so that a number fits behind it


def image(part: Media) -> dict[str, Any]:
    """Raises Untranslatable on another kind of image, and on a URL."""
    if part.detail not in _PLAIN_DETAILS:
        raise Untranslatable("detail", f"how closely to look cannot be said here, least of all {part.detail!r}")
    return _said(part, "image_url", _IMAGES)


def audio(part: Media) -> dict[str, Any]:
    """Raises Untranslatable on another kind of sound."""
    return _said(part, "input_audio", _SOUNDS)


def document(part: Media, names: Counter[str]) -> dict[str, Any]:
    """Every document has a name of its own: `names` counts those of the conversation so far. Raises Untranslatable."""
    said = _said(part, "file", _DOCUMENTS)
    name = _NOT_IN_A_NAME.sub(" ", part.name or "").strip()[:_LONGEST_NAME].strip() or "document"
    names[name] += 1
    return said | {"name": name if names[name] == 1 else f"{name} {names[name]}"}


def _said(part: Media, field: str, formats: Mapping[str, str]) -> dict[str, Any]:
    if part.file_id is not None:
        raise Untranslatable("file_id", "a file kept at one provider is not known to another")
    if not part.data:
        raise Untranslatable(field, "Bedrock fetches nothing from a URL; send the data itself")
    form = formats.get(part.media_type or "")
    if form is None:
        raise Untranslatable(field, f"it is one of {', '.join(sorted(set(formats.values())))} here, not {part.media_type}")
    return {"format": form, "source": {"bytes": part.data}}
