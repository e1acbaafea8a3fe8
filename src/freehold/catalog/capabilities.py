"""What known servers honour, as far as it was measured or their documents promise it: data with source and date."""

import csv
from collections.abc import Mapping
from importlib import resources

import msgspec

from freehold.core.capability import Capabilities, Capability


class Honoured(msgspec.Struct, frozen=True, kw_only=True):
    """One fact: whether a provider or engine honours a capability, and who says so. `date` is ISO."""

    server: str
    capability: Capability
    honoured: bool
    source: str
    date: str


def load_capabilities() -> Mapping[str, Capabilities]:
    """The table shipped with the package, by provider or engine. What a server is not said to honour or not is left out."""
    text = (resources.files("freehold.catalog") / "data" / "capabilities.csv").read_text(encoding="utf-8")
    rows = msgspec.convert(list(csv.DictReader(text.splitlines())), list[Honoured], strict=False)
    table: dict[str, dict[Capability, bool]] = {}
    for row in rows:
        table.setdefault(row.server, {})[row.capability] = row.honoured
    return table
