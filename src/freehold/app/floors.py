"""What a workload's floor alone decides: a target that it removes is removed from every request, whatever that says."""

from collections.abc import Mapping

from freehold.core.data import LabelRule, Party
from freehold.core.decision import Removed
from freehold.core.request import Ask
from freehold.core.target import Target, Workload
from freehold.rules.constraints import removed_by
from freehold.rules.handling import settle


def floor_of(workload: Workload, labels: Mapping[str, LabelRule], *more: Party) -> Ask:
    """The least that any request of this workload (and party) demands."""
    handling = settle([Party("workload", workload.handling), *more], labels)
    return Ask(workload=workload.name, handling=handling, labels=labels)


def removed_at_floor(workload: Workload, target: Target, labels: Mapping[str, LabelRule], *more: Party) -> Removed | None:
    """What removes the target from every request of this workload (and party); None: some may reach it."""
    return removed_by(floor_of(workload, labels, *more), target)
