"""Hard constraints: which targets may never see a request. No cost, failover, hint or header overrides them.

One rule for each dimension, in a fixed order. About data, what is not known removes; about what a server can do, only what is
known to be absent does, except where an answer is worthless without it (`MUST_BE_KNOWN`).
"""

from collections.abc import Callable
from typing import TypeAlias

from freehold.core.capability import MUST_BE_KNOWN
from freehold.core.data import UNDEFINED_LABEL, DataClass, Need
from freehold.core.decision import Constraint, Removed
from freehold.core.request import Ask
from freehold.core.target import Target

Rule: TypeAlias = Callable[[Ask, Target], str | None]


def removed_by(ask: Ask, target: Target) -> Removed | None:
    """The first constraint that removes this target for this request, or None if it may serve."""
    for constraint, rule in RULES:
        if (detail := rule(ask, target)) is not None:
            return Removed(target.name, constraint, detail)
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


def _data_class(ask: Ask, target: Target) -> str | None:
    data_class = ask.handling.data_class
    return None if data_class <= target.clearance else f"{data_class.name} data, cleared for {target.clearance.name}"


def _label(ask: Ask, target: Target) -> str | None:
    for label in sorted(ask.handling.labels):
        if target.labels is not None and label not in target.labels:
            return f"{label} data, may hold {', '.join(sorted(target.labels)) or 'nothing labelled'}"
        needs = ask.labels.get(label, UNDEFINED_LABEL).needs
        if needs and not any(_meets(need, label, target) for need in needs):
            return f"{label} data needs {' or '.join(_NEEDS[need] for need in sorted(needs))}"
    return None


_NEEDS: dict[Need, str] = {
    "baa": "a business associate agreement",
    "listed": "a target that names it in labels",
    "owned": "an owned target",
}


def _meets(need: Need, label: str, target: Target) -> bool:
    match need:
        case "owned":
            return not target.rented
        case "baa":
            return target.terms.baa
        case "listed":
            return target.labels is not None and label in target.labels


def _region(ask: Ask, target: Target) -> str | None:
    regions = ask.handling.regions
    if regions is None or (target.regions and target.regions <= regions):
        return None
    where = ", ".join(sorted(target.regions)) or "an undeclared region"
    return f"runs in {where}, allowed is {', '.join(sorted(regions)) or 'no region at all'}"


def _provider(ask: Ask, target: Target) -> str | None:
    """Which companies may see the data; a target of one's own has none."""
    demands = ask.handling.demands
    if not target.rented or (demands.providers is None and not demands.not_providers):
        return None
    if target.provider is None:
        return "it is not known who runs it, and only some providers may"
    if target.provider in demands.not_providers:
        return f"{target.provider} is denied"
    if demands.providers is not None and target.provider not in demands.providers:
        return f"run by {target.provider}, allowed is {', '.join(sorted(demands.providers)) or 'no provider at all'}"
    return None


def _terms(ask: Ask, target: Target) -> str | None:
    """What the operator promises: a demand of the policy or a hint of the caller, whichever asks more."""
    if not target.rented:
        return None
    demands, terms = ask.handling.demands, target.terms
    if (demands.no_training or ask.hints.data_collection == "deny") and terms.trains_on_data is not False:
        return f"no training is asked, and it {'trains on data' if terms.trains_on_data else 'does not promise that'}"
    days = 0 if ask.hints.zdr else demands.retention_days
    if days is None or (terms.retention_days is not None and terms.retention_days <= days):
        return None
    kept = "does not say how long" if terms.retention_days is None else f"keeps data {terms.retention_days} days"
    return f"data may be kept {days} days, and it {kept}"


def _pinned(ask: Ask, target: Target) -> str | None:
    if target.pinned or not ask.handling.demands.pinned:
        return None
    return f"a pinned version is asked, and {target.model} is not known to stay what it is"


def _egress(ask: Ask, target: Target) -> str | None:
    data_class = ask.handling.data_class
    for kind in sorted(ask.egress):
        if kind == "unknown_field" and not (target.rented and data_class >= DataClass.confidential):
            continue
        cleared = target.egress.get(kind)
        if cleared is None or data_class > cleared:
            return f"the request asks for {kind}, not allowed there for this data"
    return None


def _capability(ask: Ask, target: Target) -> str | None:
    for need in sorted(ask.needs):
        known = target.capabilities.get(need)
        if known is False:
            return f"the request needs {need}, which it does not honour"
        if known is None and need in MUST_BE_KNOWN:
            return f"the request needs {need}, and it is not known to honour that"
    return None


def _context(ask: Ask, target: Target) -> str | None:
    least = ask.least_tokens + ask.prompt_tokens.get(target.name, 0)
    if target.context_tokens is None or least <= target.context_tokens:
        return None
    return f"at least {least} tokens with its answer, and its context has {target.context_tokens}"


def _key(ask: Ask, target: Target) -> str | None:
    return None if ask.within is None or target.name in ask.within else "this key may not use it"


RULES: tuple[tuple[Constraint, Rule], ...] = (
    ("data_class", _data_class),
    ("label", _label),
    ("region", _region),
    ("provider", _provider),
    ("terms", _terms),
    ("pinned", _pinned),
    ("egress", _egress),
    ("capability", _capability),
    ("context", _context),
    ("key", _key),
)
