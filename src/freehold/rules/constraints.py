"""Hard constraints: which targets may never see a request. No cost, failover, hint or header overrides them."""

from freehold.core.data import DataClass
from freehold.core.decision import Removed
from freehold.core.request import Ask
from freehold.core.target import Target


def removed_by(ask: Ask, target: Target) -> Removed | None:
    """The first constraint that removes this target for this request, or None if it may serve. Unknown facts remove."""
    handling = ask.handling
    if handling.data_class > target.clearance:
        return Removed(target.name, "data_class", f"{handling.data_class.name} data, cleared for {target.clearance.name}")
    if handling.regions is not None and not (target.regions and target.regions <= handling.regions):
        where = ", ".join(sorted(target.regions)) or "an undeclared region"
        allowed = ", ".join(sorted(handling.regions)) or "no region at all"
        return Removed(target.name, "region", f"runs in {where}, allowed is {allowed}")
    for kind in sorted(ask.egress):
        if kind == "unknown_field" and not (target.rented and handling.data_class >= DataClass.confidential):
            continue
        cleared = target.egress.get(kind)
        if cleared is None or handling.data_class > cleared:
            return Removed(target.name, "egress", f"the request asks for {kind}, not allowed there for this data")
    if ask.hints.data_collection == "deny" and target.rented and target.terms.trains_on_data is not False:
        return Removed(target.name, "terms", "data_collection deny was asked, and it may train on data")
    if ask.hints.zdr and target.rented and target.terms.retention_days != 0:
        return Removed(target.name, "terms", "zdr was asked, and it keeps data or does not say")
    return None


def unwanted(ask: Ask, target: Target) -> Removed | None:
    """A target the caller itself ruled out: by naming others, or by the hints `only` and `ignore`."""
    names = {target.name, target.codec, f"{target.codec}/{target.model}"}
    if ask.named is not None and target.name not in ask.named:
        return Removed(target.name, "named", "the request names another target")
    if ask.hints.only and names.isdisjoint(ask.hints.only):
        return Removed(target.name, "hint", "not in provider.only")
    if not names.isdisjoint(ask.hints.ignore):
        return Removed(target.name, "hint", "in provider.ignore")
    return None
