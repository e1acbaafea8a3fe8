"""Judge a ledger after the fact, independently of the code that routed: was any data sent where it may not go?"""

from collections.abc import Iterable, Mapping

from freehold.core.data import DataClass
from freehold.core.target import Target
from freehold.serve.stores.sqlite_reader import Seen


def violations(seen: Iterable[Seen], targets: Mapping[str, Target]) -> list[str]:
    """One line for each kind of violation. A target that is no longer configured cannot be shown to have been cleared."""
    found: list[str] = []
    for row in seen:
        target = targets.get(row.target)
        if target is None:
            if row.data_class != DataClass.public.name:
                found.append(f"{row.attempts} attempts with {row.data_class} data at {row.target}, which is not configured now")
            continue
        if DataClass[row.data_class] > target.clearance:
            found.append(
                f"{row.attempts} attempts with {row.data_class} data at {row.target}, cleared for {target.clearance.name}"
            )
        if row.regions is not None and not (target.regions and target.regions <= set(row.regions.split(","))):
            found.append(f"{row.attempts} attempts allowed in {row.regions or 'no region'} only at {row.target}")
    return found
