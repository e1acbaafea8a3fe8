"""How a ledger's requests were handled, for people: what was found, what it was kept from, and what was refused."""

from collections.abc import Mapping

import msgspec

from freehold.rules.sensitivity.kinds import shipped_kinds
from freehold.serve.stores.handling import Finding, HandlingReader, Refusal, Removal
from freehold.serve.stores.place import LedgerPlace


class Found(Finding, frozen=True, kw_only=True):
    """A finding with the label of its kind; None where the kind is an operator's own, or a part that cannot be read."""

    label: str | None = None


class Handled(msgspec.Struct, frozen=True):
    """All that the rules did about data, over the whole ledger."""

    findings: list[Found]
    removals: list[Removal]
    refusals: list[Refusal]


def kind_labels() -> Mapping[str, str]:
    """The label of every shipped kind, by the kind's name."""
    return {kind.name: kind.label for kind in shipped_kinds()}


def handled(ledger: LedgerPlace, labels: Mapping[str, str]) -> Handled:
    """As the ledger is now; `labels` by kind. Raises BadSettings when it cannot be read."""
    reader = HandlingReader(ledger)
    return Handled(found(reader, labels), reader.removals(), reader.refusals())


def found(reader: HandlingReader, labels: Mapping[str, str]) -> list[Found]:
    """The findings with their labels."""
    return [Found(**msgspec.structs.asdict(finding), label=labels.get(finding.kind)) for finding in reader.findings()]
