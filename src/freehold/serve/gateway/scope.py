"""What a key reaches of a policy: which of its targets, and data of which class. Workloads are judged where they are found."""

from collections.abc import Mapping

import msgspec

from freehold.core.errors import Forbidden
from freehold.core.request import Ask
from freehold.core.target import Target, Workload
from freehold.serve.access.keys import Key
from freehold.serve.gateway.classify import names_of


def scoped(ask: Ask, workload: Workload, key: Key, targets: Mapping[str, Target]) -> Ask:
    """The same question, with the targets that the key may use. Raises Forbidden where the key does not reach what is asked."""
    if key.up_to is not None and ask.handling.data_class > key.up_to:
        raise Forbidden(f"this key may send data up to {key.up_to.name}, and this is {ask.handling.data_class.name}")
    if key.targets is None and key.models is None:
        return ask
    within = frozenset(name for name, target in targets.items() if reaches(key, target))
    usable = within.intersection(workload.targets)
    if ask.named is not None and usable.isdisjoint(ask.named):
        raise Forbidden("this key may not use the target or model that the request names", param="model")
    if not usable:
        raise Forbidden(f"this key may not use any target of workload {workload.name!r}", param="model")
    return msgspec.structs.replace(ask, within=within)


def reaches(key: Key, target: Target) -> bool:
    """Whether the key may use that target."""
    in_targets = key.targets is None or target.name in key.targets
    return in_targets and (key.models is None or not key.models.isdisjoint(names_of(target)))
