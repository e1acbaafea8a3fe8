"""The kinds of sensitive data as data: entries of kinds.yaml, and of an operator's own file in the same form, checked."""

from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import yaml

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.rules.sensitivity.checks import CHECKS
from freehold.rules.sensitivity.expression import Expression

Label: TypeAlias = Literal["pii", "phi", "pci", "secret"]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]


class Kind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of data; kinds.yaml says what each field means."""

    name: _Name
    title: _Text
    label: Label
    data_class: Literal["public", "internal", "confidential", "restricted"]
    source: _Text
    check: str | None = None
    patterns: tuple[_Text, ...] = ()
    near: tuple[_Text, ...] = ()
    context: tuple[_Text, ...] = ()
    unless: tuple[_Text, ...] = ()
    window: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 80
    edge: Literal["word", "number"] = "word"
    enabled: bool = True

    def raises_to(self) -> DataClass:
        """The class that one finding of this kind demands."""
        return DataClass[self.data_class]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kinds: list[dict[str, Any]]


def shipped_kinds() -> tuple[Kind, ...]:
    """The kinds that come with the package."""
    text = (resources.files("freehold.rules.sensitivity") / "kinds.yaml").read_text(encoding="utf-8")
    return read_kinds(text, "kinds.yaml")


def read_kinds(text: str, origin: str) -> tuple[Kind, ...]:
    """The kinds of one file's text; `origin` is its name. Raises BadSettings naming the file, the entry and what is wrong."""
    try:
        entries = msgspec.convert(yaml.safe_load(text), _File).kinds
    except yaml.YAMLError as error:
        raise BadSettings(f"{origin} is not YAML: {' '.join(str(error).split())}") from None
    except msgspec.ValidationError as error:
        raise BadSettings(f"{origin}: {error}; write a list of entries under kinds:") from None
    kinds: dict[str, Kind] = {}
    for at, entry in enumerate(entries, 1):
        kind = _read(entry, f"{origin}: {entry.get('name', f'entry {at}')}")
        if kind.name in kinds:
            raise BadSettings(f"{origin}: {kind.name} is there twice; give each kind its own name")
        kinds[kind.name] = kind
    return tuple(kinds.values())


def with_own(shipped: Iterable[Kind], own: Iterable[Kind]) -> tuple[Kind, ...]:
    """The shipped kinds and an operator's; one of the same name replaces the shipped one, new ones come first."""
    named = {kind.name: kind for kind in own}
    kept = tuple(named.pop(kind.name, kind) for kind in shipped)
    return (*named.values(), *kept)


def _read(entry: Mapping[str, Any], where: str) -> Kind:
    try:
        kind = msgspec.convert(entry, Kind)
    except msgspec.ValidationError as error:
        raise BadSettings(f"{where}: {error}") from None
    if kind.check is not None and kind.check not in CHECKS:
        raise BadSettings(f"{where}: check {kind.check!r} is not a validator; use one of {', '.join(sorted(CHECKS))}")
    if not kind.patterns and not kind.near:
        raise BadSettings(f"{where}: no patterns and none near a context word; give at least one")
    if bool(kind.near) != bool(kind.context):
        raise BadSettings(f"{where}: near and context need each other: patterns that count near the context's words")
    for pattern in (*kind.patterns, *kind.near):
        expression = Expression(pattern, where)
        if expression.groups > 1:
            raise BadSettings(
                f"{where}: {pattern!r} has {expression.groups} groups; one marks the value, write (?:...) for the others"
            )
        if expression.occurs(b"", 0, 0):
            raise BadSettings(f"{where}: {pattern!r} matches nothing at all; make it ask for at least one character")
    return kind
