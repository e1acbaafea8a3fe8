"""How sensitive the data of a request is, and what must be true of a place that sees it. Demands only ever tighten.

`Handling` is what one party demands; two together are `raised_by`: commutative, associative, idempotent, never looser.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import msgspec

Need: TypeAlias = Literal["owned", "baa", "listed"]


class DataClass(enum.IntEnum):
    """Ordered: a target of clearance c may see a request of class d only if d <= c."""

    public = 0
    internal = 1
    confidential = 2
    restricted = 3

    @classmethod
    def parse(cls, text: str) -> "DataClass":
        """The class of that name, case-insensitive. Raises ValueError naming the four that exist."""
        try:
            return cls[text.strip().lower()]
        except KeyError:
            raise ValueError(f"unknown data class {text!r}; use one of {', '.join(c.name for c in cls)}") from None


class LabelRule(msgspec.Struct, frozen=True):
    """What a label asks: any one of `needs` of the target (empty: nothing), and the class its data has at least."""

    needs: frozenset[Need] = frozenset()
    data_class: DataClass = DataClass.public


LABELS: Mapping[str, LabelRule] = MappingProxyType(
    {
        "pii": LabelRule(),
        "phi": LabelRule(frozenset({"owned", "baa"})),
        "pci": LabelRule(frozenset({"owned", "listed"})),
        "secret": LabelRule(frozenset({"owned", "listed"})),
    }
)
UNDEFINED_LABEL = LabelRule(frozenset({"listed"}))  # nobody said what it asks: only who names it may have it


class Demands(msgspec.Struct, frozen=True, kw_only=True):
    """What must be known of a target besides its clearance. `providers` None: any; days are the longest it may keep data."""

    retention_days: int | None = None
    no_training: bool = False
    providers: frozenset[str] | None = None
    not_providers: frozenset[str] = frozenset()
    pinned: bool = False

    def raised_by(self, other: "Demands") -> "Demands":
        """Both at once: the fewer days, the providers allowed by both, everything that either denies or asks."""
        days = [d for d in (self.retention_days, other.retention_days) if d is not None]
        return Demands(
            retention_days=min(days, default=None),
            no_training=self.no_training or other.no_training,
            providers=_allowed_by_both(self.providers, other.providers),
            not_providers=self.not_providers | other.not_providers,
            pinned=self.pinned or other.pinned,
        )


NO_DEMANDS = Demands()
_FLAGS = {"no-training": Demands(no_training=True), "pinned": Demands(pinned=True)}
_FORM = "class; region=eu,us; label=phi; retention-days=0; no-training; provider=a,b; not-provider=c; pinned"
_MOST_DIGITS = 6


class Handling(msgspec.Struct, frozen=True):
    """What one party (workload, key, header, a scan of the content) demands for the data. `regions` None: no demand."""

    data_class: DataClass = DataClass.public
    regions: frozenset[str] | None = None
    labels: frozenset[str] = frozenset()
    demands: Demands = NO_DEMANDS

    def raised_by(self, other: "Handling") -> "Handling":
        """Both demands at once: the higher class, the regions allowed by both, all labels, the stricter demands."""
        if other.demands is NO_DEMANDS or other.demands == self.demands:
            demands = self.demands
        else:
            demands = self.demands.raised_by(other.demands)
        regions = _allowed_by_both(self.regions, other.regions)
        return Handling(max(self.data_class, other.data_class), regions, self.labels | other.labels, demands)

    @classmethod
    def parse(cls, text: str) -> "Handling":
        """Read the header form (`_FORM`), the class first. Raises ValueError naming what it could not read."""
        name, *parts = text.split(";")
        handling = cls(DataClass.parse(name))
        for part in parts:
            handling = handling.raised_by(_read_part(part))
        return handling


class Party(msgspec.Struct, frozen=True):
    """Who demands what for one request: `workload`, `key`, `header`, or what a scan of its content found."""

    name: str
    handling: Handling


def _allowed_by_both(a: frozenset[str] | None, b: frozenset[str] | None) -> frozenset[str] | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b


def _read_part(text: str) -> Handling:
    key, equals, value = (piece.strip().lower() for piece in text.partition("="))
    key = key.replace("_", "-")
    names = frozenset(name.strip() for name in value.split(",") if name.strip())
    if not equals and key in _FLAGS:
        return Handling(demands=_FLAGS[key])
    if key == "retention-days" and value.isascii() and value.isdecimal() and len(value) <= _MOST_DIGITS:
        return Handling(demands=Demands(retention_days=int(value)))
    if names:
        match key:
            case "region":
                return Handling(regions=names)
            case "label":
                return Handling(labels=names)
            case "provider":
                return Handling(demands=Demands(providers=names))
            case "not-provider":
                return Handling(demands=Demands(not_providers=names))
    raise ValueError(f"cannot read {text.strip()!r}; use '{_FORM}'")
