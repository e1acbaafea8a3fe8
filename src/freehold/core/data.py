"""How sensitive the data of a request is, and where it may be processed. A floor only rises; regions only narrow."""

import enum

import msgspec


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


class Handling(msgspec.Struct, frozen=True):
    """What one party (workload, key, header) demands for the data. `regions` None means: no demand."""

    data_class: DataClass = DataClass.public
    regions: frozenset[str] | None = None

    def raised_by(self, other: "Handling") -> "Handling":
        """Both demands at once: the higher class, the regions allowed by both."""
        if self.regions is None or other.regions is None:
            regions = other.regions if self.regions is None else self.regions
        else:
            regions = self.regions & other.regions
        return Handling(max(self.data_class, other.data_class), regions)

    @classmethod
    def parse(cls, text: str) -> "Handling":
        """Read the header form `class[; region=a,b]`. Raises ValueError naming what it could not read."""
        name, *rest = text.split(";")
        regions: frozenset[str] | None = None
        for part in rest:
            key, _, value = part.partition("=")
            if key.strip().lower() != "region" or not value.strip():
                raise ValueError(f"cannot read {part.strip()!r}; use 'class; region=eu,us'")
            named = frozenset(r.strip().lower() for r in value.split(",") if r.strip())
            regions = named if regions is None else regions & named
        return cls(DataClass.parse(name), regions)
