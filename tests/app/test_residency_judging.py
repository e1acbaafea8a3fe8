"""The judge of the report, alone and against the router it is to find wrong: the two were written apart."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from residency_ledger import API, BOX, JULY

from freehold.app.residency.judging import RULES, judge
from freehold.core.data import DataClass, Demands, Handling
from freehold.core.policy_facts import Demanded, PolicyFacts, TargetFacts
from freehold.core.request import Ask, Hints
from freehold.core.target import Target, Terms
from freehold.rules.constraints import removed_by
from freehold.serve.gateway.policy_record import facts_of
from freehold.serve.gateway.record import _demanded
from freehold.serve.stores.residency import Handled, Place


def handled(**fields: Any) -> Handled:
    usual: dict[str, Any] = {
        "policy": "p1", "workload": "w", "data_class": "internal", "regions": None, "labels": (), "demanded": Demanded()
    }  # fmt: skip
    return Handled(**usual | fields)


def verdict(asked: Handled, facts: TargetFacts, place: Place | None = None) -> tuple[str, list[str]]:
    policies = {"p1": PolicyFacts(version="p1", loaded_at=JULY, targets={facts.target: facts})}
    found, broken = judge(asked, place or Place(facts.target, facts.kind, facts.model, False), policies)
    return found, [f"{rule}: {told}" for rule, told in broken]


def but(facts: TargetFacts, **fields: Any) -> TargetFacts:
    return msgspec.structs.replace(facts, **fields)


@pytest.mark.parametrize(
    ("asked", "facts", "told"),
    [
        (handled(data_class="confidential"), API, "data_class: confidential data at api, cleared for internal"),
        (handled(regions=("eu",)), but(API, regions=("eu", "us")), "region: data allowed in eu only at api, which ran in eu, us"),
        (handled(regions=("eu",)), but(BOX, regions=()), "region: data allowed in eu only at box, which named no region"),
        (handled(regions=()), API, "region: data allowed in no region only at api, which ran in eu"),
        (handled(labels=("phi",)), API, "baa: phi data at api, rented without a business associate agreement"),
        (handled(labels=("pci", "pii")), but(BOX, labels=("pii",)), "label: pci data at box, which might hold pii"),
        (handled(labels=("pii",)), but(BOX, labels=()), "label: pii data at box, which might hold nothing labelled"),
        (
            handled(demanded=Demanded(retention_days=29)),
            API,
            "retention: data to be kept 29 days at most at api, which kept data 30 days",
        ),
        (
            handled(demanded=Demanded(retention_days=0)),
            but(API, retention_days=None),
            "retention: data to be kept 0 days at most at api, which did not say how long it keeps data",
        ),
        (
            handled(demanded=Demanded(no_training=True)),
            but(API, trains_on_data=None),
            "training: data not to be trained on at api, which said nothing",
        ),
        (
            handled(demanded=Demanded(no_training=True)),
            but(API, trains_on_data=True),
            "training: data not to be trained on at api, which trained on it",
        ),
        (handled(demanded=Demanded(providers=("mistral",))), API, "provider: data of limited providers at api, run by openai"),
        (handled(demanded=Demanded(not_providers=("openai",))), API, "provider: data of limited providers at api, run by openai"),
        (
            handled(demanded=Demanded(not_providers=("mistral",))),
            but(API, provider=None),
            "provider: data of limited providers at api, run by a company that is not on record",
        ),
        (handled(demanded=Demanded(pinned=True)), API, "pinned: a fixed model version was demanded at api, whose gpt might"),
        (handled(demanded=Demanded(egress=("store",))), API, "egress: a request with store and internal data at api, where"),
        (handled(demanded=Demanded(egress=("files",))), API, "egress: a request with files and internal data at api, where"),
        (
            handled(data_class="confidential", demanded=Demanded(egress=("unknown_field",))),
            but(API, clearance="restricted"),
            "egress: a request with unknown_field and confidential data at api, where unknown_field was not allowed",
        ),
    ],
)
def test_each_rule_is_found_broken_alone(asked: Handled, facts: TargetFacts, told: str) -> None:
    found, broken = verdict(asked, facts)
    assert found == "violation"
    assert len(broken) == 1
    assert broken[0].startswith(told)
    assert told.partition(":")[0] in RULES


@pytest.mark.parametrize(
    ("asked", "facts"),
    [
        (handled(data_class="restricted", labels=("phi", "pci")), BOX),
        (handled(labels=("phi",)), but(API, baa=True)),
        (handled(regions=("eu", "us")), API),
        (handled(demanded=Demanded(retention_days=30, no_training=True, providers=("openai",), not_providers=("x",))), API),
        (handled(demanded=Demanded(retention_days=0, no_training=True, providers=(), pinned=True)), BOX),
        (handled(data_class="public", demanded=Demanded(egress=("files", "unknown_field"))), API),
        (handled(labels=None, demanded=None), API),
    ],
)
def test_what_the_terms_allow_is_allowed(asked: Handled, facts: TargetFacts) -> None:
    assert verdict(asked, facts) == ("allowed", [])


def test_a_place_that_is_not_what_its_policy_says() -> None:
    for place in (Place("api", "owned", "gpt", False), Place("api", "rented", "other", False)):
        found, broken = verdict(handled(), API, place)
        assert found == "violation"
        assert broken == [f"target: api was rented gpt in the policy, {place.kind} {place.model} in the entry"]
    assert verdict(handled(), API, Place("gone", "rented", "gpt", False)) == (
        "violation",
        ["target: gone did not stand in the policy"],
    )


def test_what_is_not_on_record_is_neither_fine_nor_wrong() -> None:
    assert verdict(handled(policy="p0", data_class="restricted"), API) == ("not_provable", [])
    assert verdict(handled(data_class="secret"), API) == ("not_provable", [])


names = st.frozensets(st.sampled_from(["a", "b"]), max_size=2)
classes = st.sampled_from(DataClass)
kinds = st.sampled_from(["store", "files", "unknown_field"])
days = st.none() | st.integers(0, 3)
targets = st.builds(
    Target, name=st.just("t"), kind=st.sampled_from(["rented", "owned"]), codec=st.just("openai"), url=st.just("https://x/v1"),
    model=st.just("m"), clearance=classes, regions=names, terms=st.builds(Terms, days, st.none() | st.booleans(), st.booleans()),
    provider=st.sampled_from([None, "a", "b"]), labels=st.none() | st.frozensets(st.sampled_from(["pii", "phi"])),
    pinned=st.booleans(), egress=st.dictionaries(kinds, classes, max_size=2),
)  # fmt: skip
asks = st.builds(
    Ask, workload=st.just("w"), egress=st.frozensets(kinds, max_size=2),
    handling=st.builds(
        Handling, classes, st.none() | names, st.frozensets(st.sampled_from(["pii", "phi"])),
        st.builds(
            Demands, retention_days=days, no_training=st.booleans(), providers=st.none() | names, not_providers=names,
            pinned=st.booleans(),
        ),
    ),
    hints=st.builds(Hints, data_collection=st.sampled_from(["allow", "deny"]), zdr=st.booleans()),
)  # fmt: skip


@given(ask=asks, target=targets)
def test_the_judge_and_the_router_say_the_same(ask: Ask, target: Target) -> None:
    """Over all that both know; what a label needs besides is the configuration's, and only phi's is judged."""
    handling = ask.handling
    asked = handled(
        data_class=handling.data_class.name, labels=tuple(sorted(handling.labels)), demanded=_demanded(ask),
        regions=None if handling.regions is None else tuple(sorted(handling.regions)),
    )  # fmt: skip
    found, broken = verdict(asked, facts_of(target))
    assert (found == "violation") == (removed_by(ask, target) is not None), broken
