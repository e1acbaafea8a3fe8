"""One rule for each dimension: what removes a target, with which words, and what does not."""

from typing import Any

import msgspec
import pytest

from freehold.core.data import DataClass, Demands, Handling, LabelRule
from freehold.core.decision import Constraint
from freehold.core.request import Ask, Hints
from freehold.core.target import Target, Terms
from freehold.rules.constraints import RULES, removed_by

API = Target(
    name="api", kind="rented", codec="openai", url="http://r", model="m-2026-01-01", clearance=DataClass.confidential,
    regions=frozenset({"us"}), provider="openai", pinned=True, terms=Terms(30, trains_on_data=False),
    egress={"store": DataClass.internal}, capabilities={"tools": True, "json_schema": True, "vision": False},
    context_tokens=1000,
)  # fmt: skip
BOX = Target(name="box", kind="owned", codec="vllm", url="http://o", model="m", clearance=DataClass.restricted)


def ask(handling: Handling | None = None, **fields: Any) -> Ask:
    return Ask(workload="w", handling=handling or Handling(), **fields)


def with_demands(**demands: Any) -> Ask:
    return ask(Handling(demands=Demands(**demands)))


def with_labels(*labels: str, **fields: Any) -> Ask:
    return ask(Handling(labels=frozenset(labels)), **fields)


def changed(target: Target, **fields: Any) -> Target:
    return msgspec.structs.replace(target, **fields)


def test_rules_stand_in_the_order_that_the_documents_tell() -> None:
    assert [name for name, _ in RULES] == [
        "data_class", "label", "region", "provider", "terms", "pinned", "egress", "capability", "context", "key",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "target", "constraint", "words"),
    [
        (ask(Handling(DataClass.restricted)), API, "data_class", "restricted data, cleared for confidential"),
        (with_labels("phi"), API, "label", "phi data needs a business associate agreement or an owned target"),
        (with_labels("pci"), API, "label", "pci data needs a target that names it in labels or an owned target"),
        (with_labels("secret"), API, "label", "secret data needs"),
        (with_labels("pii"), changed(BOX, labels=frozenset({"phi"})), "label", "pii data, may hold phi"),
        (with_labels("phi"), changed(BOX, labels=frozenset()), "label", "phi data, may hold nothing labelled"),
        (with_labels("who-knows"), BOX, "label", "who-knows data needs a target that names it in labels"),
        (with_labels("x", labels={"x": LabelRule(frozenset({"baa"}))}), BOX, "label", "x data needs a business"),
        (ask(Handling(regions=frozenset({"eu"}))), API, "region", "runs in us, allowed is eu"),
        (ask(Handling(regions=frozenset({"eu"}))), BOX, "region", "runs in an undeclared region, allowed is eu"),
        (ask(Handling(regions=frozenset())), API, "region", "runs in us, allowed is no region at all"),
        (with_demands(providers=frozenset({"mistral"})), API, "provider", "run by openai, allowed is mistral"),
        (with_demands(providers=frozenset()), API, "provider", "allowed is no provider at all"),
        (with_demands(not_providers=frozenset({"openai"})), API, "provider", "openai is denied"),
        (with_demands(not_providers=frozenset({"xai"})), changed(API, provider=None), "provider", "it is not known who runs it"),
        (with_demands(no_training=True), changed(API, terms=Terms(0)), "terms", "no training is asked, and it does not promise"),
        (with_demands(no_training=True), changed(API, terms=Terms(0, True)), "terms", "no training is asked, and it trains"),
        (ask(hints=Hints(data_collection="deny")), changed(API, terms=Terms(0)), "terms", "no training is asked"),
        (with_demands(retention_days=29), API, "terms", "data may be kept 29 days, and it keeps data 30 days"),
        (with_demands(retention_days=99), changed(API, terms=Terms()), "terms", "and it does not say how long"),
        (ask(hints=Hints(zdr=True)), API, "terms", "data may be kept 0 days, and it keeps data 30 days"),
        (with_demands(pinned=True), BOX, "pinned", "a pinned version is asked, and m is not known to stay what it is"),
        (ask(egress=frozenset({"chain"})), API, "egress", "the request asks for chain"),
        (ask(Handling(DataClass.confidential), egress=frozenset({"store"})), API, "egress", "the request asks for store"),
        (ask(needs=frozenset({"vision"})), API, "capability", "the request needs vision, which it does not honour"),
        (ask(needs=frozenset({"json_schema"})), BOX, "capability", "needs json_schema, and it is not known to honour that"),
        (ask(least_tokens=1001), API, "context", "at least 1001 tokens with its answer, and its context has 1000"),
    ],
)
def test_what_removes(question: Ask, target: Target, constraint: Constraint, words: str) -> None:
    removed = removed_by(question, target)
    assert removed is not None
    assert (removed.target, removed.constraint) == (target.name, constraint)
    assert words in removed.detail


@pytest.mark.parametrize(
    ("question", "target"),
    [
        (ask(Handling(DataClass.confidential)), API),
        (with_labels("pii"), API),
        (with_labels("phi", "pci", "secret"), BOX),
        (with_labels("phi"), changed(API, terms=Terms(baa=True))),
        (with_labels("pci"), changed(API, labels=frozenset({"pci"}))),
        (with_labels("who-knows"), changed(API, labels=frozenset({"who-knows"}))),
        (ask(Handling(regions=frozenset({"us", "eu"}))), API),
        (with_demands(providers=frozenset({"openai"}), not_providers=frozenset({"xai"})), API),
        (with_demands(providers=frozenset({"openai"}), no_training=True, retention_days=0), BOX),
        (with_demands(no_training=True, retention_days=30, pinned=True), API),
        (ask(Handling(DataClass.internal), egress=frozenset({"store"})), API),
        (ask(egress=frozenset({"unknown_field"})), API),
        (ask(Handling(DataClass.restricted), egress=frozenset({"unknown_field"})), BOX),
        (ask(needs=frozenset({"json_schema", "tools", "logprobs"})), API),
        (ask(least_tokens=1000), API),
        (ask(least_tokens=10**9), BOX),
    ],
)
def test_what_does_not(question: Ask, target: Target) -> None:
    assert removed_by(question, target) is None


def test_the_first_rule_in_order_speaks() -> None:
    everything = ask(Handling(DataClass.restricted, frozenset(), frozenset({"phi"})), least_tokens=10**6)
    removed = removed_by(everything, API)
    assert removed is not None
    assert removed.constraint == "data_class"
