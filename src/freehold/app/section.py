"""What every section of `freehold.yaml` is made of: frozen, no unknown fields, no infinite numbers; and the kinds of field."""

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from freehold.core.data import DataClass

_LONGEST_HOST = 253
_PART = re.compile("[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


class Section(BaseModel):
    """Base of every section: frozen, no unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


def known(kind: str, names: frozenset[str]) -> AfterValidator:
    """Refuses a name that is none of `names`, and lists them."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"unknown {kind} {name!r}; known: {', '.join(sorted(names))}")
        return name

    return AfterValidator(check)


def matching(pattern: str, mend: str) -> AfterValidator:
    """Refuses text that is not of that form, with what to write instead. The text is not repeated: it may be a secret."""
    form = re.compile(pattern)

    def check(text: str) -> str:
        if not form.fullmatch(text):
            raise ValueError(mend)
        return text

    return AfterValidator(check)


def is_host(text: str) -> bool:
    """Whether that can be the name or address of a machine: a name of ASCII parts with dots between them (others have such a
    spelling too, which begins with xn--), or an IP address."""
    try:
        ip_address(text)
    except ValueError:
        parts = text.removesuffix(".").split(".")
        return len(text) <= _LONGEST_HOST and all(_PART.fullmatch(part) for part in parts) and not parts[-1].isdigit()
    return True


def _lower(text: str) -> str:
    return text.strip().lower()


def _class(value: object) -> object:
    return DataClass.parse(value) if isinstance(value, str) else value


Lower = Annotated[str, Field(min_length=1), AfterValidator(_lower)]
Class = Annotated[DataClass, BeforeValidator(_class)]
Regions = list[Lower]
_LABEL_FORM = matching("[A-Za-z][A-Za-z0-9_-]*", "a label is a letter, and after it letters, digits, - and _, such as phi")
Label = Annotated[str, _LABEL_FORM, AfterValidator(_lower)]
Reference = Annotated[
    str, matching("(env|file):.+", "say where it is kept, as env:NAME or file:PATH; no secret belongs into this file")
]
Sha256 = Annotated[
    str, matching("[0-9a-f]{64}", "use the SHA-256 of the key, 64 signs of 0-9 and a-f; 'freehold keys new' prints both")
]
