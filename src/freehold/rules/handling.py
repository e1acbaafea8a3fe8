"""What all parties to a request demand for its data together, once its labels have raised the class."""

from collections.abc import Iterable, Mapping

import msgspec

from freehold.core.data import UNDEFINED_LABEL, Handling, LabelRule, Party


def settle(parties: Iterable[Party], labels: Mapping[str, LabelRule]) -> Handling:
    """The demands of all parties at once, in any order; never looser than any of them."""
    handling = Handling()
    for party in parties:
        handling = handling.raised_by(party.handling)
    if not handling.labels:
        return handling
    floors = [labels.get(label, UNDEFINED_LABEL).data_class for label in handling.labels]
    return msgspec.structs.replace(handling, data_class=max(handling.data_class, *floors))
