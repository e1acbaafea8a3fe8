"""The parts of `freehold.yaml` that guard content: through what it may leave, from where it may be fetched, where it is kept."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from freehold.app.section import Class, Reference, Section, Sha256, is_host
from freehold.core.data import DataClass

_HOST = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")


def _host(text: str) -> str:
    host = text.strip().lower()
    if not _HOST.fullmatch(host):
        raise ValueError(f"{text!r} is no host; write its exact name, such as cdn.example.org, without scheme, port or *")
    return host


def _proxy(text: str) -> str:
    try:
        parts = urlsplit(text)
        named = parts.scheme in {"http", "https"} and is_host(parts.hostname or "") and bool(parts.port)
    except ValueError:
        named = False
    if not named or "@" in text or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("use a URL with a port and no credentials, such as http://proxy.example.org:3128")
    return text


MediaHost = Annotated[str, AfterValidator(_host)]
ProxyUrl = Annotated[str, AfterValidator(_proxy)]


class KeepContentSettings(Section):
    """Keeps prompts and answers of finished requests in the content store, encrypted; needs `content:`."""

    ttl_days: float = Field(gt=0, le=36_500)
    """Days until it is deleted."""
    sample: float = Field(1.0, gt=0, le=1)
    """Share of requests that are kept."""
    up_to: Class = DataClass.confidential
    """The highest data class that is kept; of restricted data nothing is, unless it is stated here."""


class ReaderSettings(Section):
    """Who may read what is kept, with a key of their own; every look is on record."""

    name: str = Field(min_length=1)
    """Stands in the record."""
    sha256: Sha256
    """Of the key; `freehold keys new` prints both."""
    up_to: Class
    """The highest data class that may be read."""


class ContentSettings(Section):
    """The one place that may hold prompts and answers. Without this section nothing does."""

    path: str = Field("content.db", min_length=1)
    """Its file, relative to this one; its keys are beside it, in `content.keys.db`, to be left out of its backups."""
    key: Reference
    """The master key, as `env:NAME` or `file:PATH`: 32 random bytes in base64."""
    record_bytes: int = Field(1024 * 1024, ge=1024, le=32 * 1024 * 1024)
    """Largest request and answer together that is kept."""
    readers: list[ReaderSettings] = Field([])
    """Who may read what is kept."""
