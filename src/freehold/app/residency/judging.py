"""Judge one attempt by the record of its policy. Written apart from the rules that routed it, which it is to find wrong."""

from collections.abc import Iterator, Mapping

from freehold.app.residency.document import Rule, Verdict
from freehold.core.data import DataClass
from freehold.core.policy_facts import Demanded, PolicyFacts, TargetFacts
from freehold.serve.stores.residency import Handled, Place

RULES: dict[Rule, str] = {
    "target": "A request may be sent only to targets that stand in the policy it is served under, of the kind and model that "
    "it has for them.",
    "data_class": "The data class of a request must not be above the clearance of the target.",
    "region": "Where regions are demanded, all regions of the target must be among them. A target that names none is in none.",
    "baa": "Data labelled phi may be sent only to your own machines, or to an operator with a business associate agreement.",
    "label": "Where a target says which labels it may hold, it must be sent no others.",
    "retention": "Where a longest time of keeping is demanded, a rented target must promise at most that. Silence is no promise.",
    "training": "Where training on the data is forbidden, a rented target must have promised not to.",
    "provider": "Where only some companies may see the data, or some may not, the company behind a rented target must be one "
    "that may.",
    "pinned": "Where a fixed model version is demanded, the target's must be known to be fixed.",
    "egress": "A request that makes its server fetch, keep or pass on data may be sent only where that is allowed for its data "
    "class.",
}


def judge(handled: Handled, place: Place, policies: Mapping[str, PolicyFacts]) -> tuple[Verdict, list[tuple[Rule, str]]]:
    """The verdict on one attempt, with each rule it broke and how. What is not on record is never allowed, nor a violation."""
    policy = policies.get(handled.policy)
    if policy is None or handled.data_class not in DataClass.__members__:
        return "not_provable", []
    facts = policy.targets.get(place.target)
    if facts is None:
        return "violation", [("target", f"{place.target} did not stand in the policy")]
    broken = list(_broken(handled, place, facts))
    return ("violation" if broken else "allowed"), broken


def _broken(handled: Handled, place: Place, facts: TargetFacts) -> Iterator[tuple[Rule, str]]:
    name, rented = place.target, facts.kind == "rented"
    if (place.kind, place.model) != (facts.kind, facts.model):
        yield "target", f"{name} was {facts.kind} {facts.model} in the policy, {place.kind} {place.model} in the entry"
    data_class = DataClass[handled.data_class]
    if data_class > DataClass[facts.clearance]:
        yield "data_class", f"{handled.data_class} data at {name}, cleared for {facts.clearance}"
    if handled.regions is not None and not (facts.regions and set(facts.regions) <= set(handled.regions)):
        where = f"ran in {', '.join(facts.regions)}" if facts.regions else "named no region"
        yield "region", f"data allowed in {', '.join(handled.regions) or 'no region'} only at {name}, which {where}"
    labels = handled.labels or ()
    if "phi" in labels and rented and not facts.baa:
        yield "baa", f"phi data at {name}, rented without a business associate agreement"
    if facts.labels is not None and (others := sorted(set(labels) - set(facts.labels))):
        yield "label", f"{', '.join(others)} data at {name}, which might hold {', '.join(facts.labels) or 'nothing labelled'}"
    if handled.demanded is not None:
        yield from _undemanded(handled.demanded, data_class, facts)


def _undemanded(demanded: Demanded, data_class: DataClass, facts: TargetFacts) -> Iterator[tuple[Rule, str]]:
    """Where the terms are less than what was demanded. Promises and companies are those of rented targets."""
    name, rented = facts.target, facts.kind == "rented"
    days, kept = demanded.retention_days, facts.retention_days
    if rented and days is not None and (kept is None or kept > days):
        said = "did not say how long it keeps data" if kept is None else f"kept data {kept} days"
        yield "retention", f"data to be kept {days} days at most at {name}, which {said}"
    if rented and demanded.no_training and facts.trains_on_data is not False:
        yield (
            "training",
            f"data not to be trained on at {name}, which {'trained on it' if facts.trains_on_data else 'said nothing'}",
        )
    denied = facts.provider in demanded.not_providers
    limited = demanded.providers is not None or demanded.not_providers
    unlisted = demanded.providers is not None and facts.provider not in demanded.providers
    if rented and (denied or unlisted or (limited and facts.provider is None)):
        yield "provider", f"data of limited providers at {name}, run by {facts.provider or 'a company that is not on record'}"
    if demanded.pinned and not facts.pinned:
        yield "pinned", f"a fixed model version was demanded at {name}, whose {facts.model} might change"
    for kind in demanded.egress:
        if kind == "unknown_field" and not (rented and data_class >= DataClass.confidential):
            continue
        cleared = facts.egress.get(kind)
        if cleared is None or data_class > DataClass[cleared]:
            yield "egress", f"a request with {kind} and {data_class.name} data at {name}, {_cleared(kind, cleared)}"


def _cleared(kind: str, cleared: str | None) -> str:
    return f"where {kind} was not allowed" if cleared is None else f"where {kind} was allowed up to {cleared}"
