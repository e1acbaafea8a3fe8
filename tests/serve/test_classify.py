"""Which workload a request belongs to, by key, model name and header; and how far its data's floor is raised."""

from collections.abc import Collection, Mapping

import msgspec
import pytest

from freehold.core.data import LABELS, DataClass, Demands, Handling, LabelRule
from freehold.core.errors import BadRequest, Forbidden, FreeholdError, NotFound
from freehold.core.request import Request
from freehold.core.target import Target, Workload
from freehold.serve.access.keys import Key, Keyring
from freehold.serve.gateway.classify import classify
from freehold.serve.gateway.policy import Bounds, Policy


def target(name: str, codec: str, model: str) -> Target:
    return Target(name=name, kind="rented", codec=codec, url="http://x", model=model, clearance=DataClass.restricted)


TARGETS = {
    t.name: t
    for t in (target("api", "openai", "gpt-4o"), target("api-2", "openai", "gpt-4o"), target("box", "vllm", "org/m"),
              target("spare", "vllm", "org/spare"))
}  # fmt: skip
WORKLOADS = {
    "triage": Workload(name="triage", targets=("box", "api"), handling=Handling(DataClass.internal, frozenset({"eu", "us"}))),
    "reports": Workload(name="reports", targets=("api-2", "api")),
    "images": Workload(name="images", targets=("api-2",)),
}
POLICY = Policy(
    version="v", targets=TARGETS, workloads=WORKLOADS, codecs={}, engines={}, keys=Keyring([]), bounds=Bounds(),
    price=lambda target, day: None,
)  # fmt: skip
ANYONE = Key("anyone", "0" * 64)
TRIAGE_ONLY = Key("triage", "1" * 64, frozenset({"triage"}), Handling(DataClass.confidential, frozenset({"eu"})))


def resolved(model: str, key: Key = ANYONE, headers: Mapping[str, str] | None = None) -> tuple[str, Collection[str] | None]:
    """The workload, and the targets that were named."""
    workload, ask = classify(Request(dialect="openai_chat", model=model, fields={}), key, headers or {}, POLICY)
    assert ask.workload == workload.name
    return workload.name, None if ask.named is None else set(ask.named)


@pytest.mark.parametrize(
    ("model", "header", "expected"),
    [
        ("triage", None, ("triage", None)),
        ("box", None, ("triage", {"box"})),
        ("org/m", None, ("triage", {"box"})),
        ("vllm/org/m", None, ("triage", {"box"})),
        ("vllm:org/m", None, ("triage", {"box"})),
        ("triage", "triage", ("triage", None)),
        ("api", "triage", ("triage", {"api"})),
        ("gpt-4o", "reports", ("reports", {"api", "api-2"})),
        ("openai/gpt-4o", "images", ("images", {"api", "api-2"})),
    ],
)
def test_names(model: str, header: str | None, expected: tuple[str, set[str] | None]) -> None:
    assert resolved(model, headers={} if header is None else {"x-freehold-workload": header}) == expected


@pytest.mark.parametrize(
    ("model", "header", "key", "error", "words"),
    [
        ("gpt-17", None, ANYONE, NotFound, "no workload, target or model 'gpt-17'; there are images, reports, triage"),
        ("gpt-17", None, TRIAGE_ONLY, NotFound, "there are triage$"),
        ("spare", None, ANYONE, NotFound, "no workload, target or model 'spare'"),
        ("api", None, ANYONE, BadRequest, r"serves several workloads \(triage, reports\); say which in x-freehold-workload"),
        ("triage", "nope", ANYONE, NotFound, "no workload 'nope'"),
        ("box", "reports", ANYONE, NotFound, "workload 'reports' has no target or model 'box'"),
        ("reports", "triage", ANYONE, NotFound, "workload 'triage' has no target or model 'reports'"),
        ("reports", None, TRIAGE_ONLY, Forbidden, "may not use workload 'reports'"),
        ("gpt-4o", "reports", TRIAGE_ONLY, Forbidden, "may not use workload 'reports'"),
        ("api-2", None, TRIAGE_ONLY, Forbidden, "may not use the workloads that 'api-2' serves"),
    ],
)
def test_names_that_lead_nowhere(model: str, header: str | None, key: Key, error: type[FreeholdError], words: str) -> None:
    with pytest.raises(error, match=words) as refused:
        resolved(model, key, {} if header is None else {"x-freehold-workload": header})
    assert refused.value.param in {"model", "x-freehold-workload"}


def test_a_key_of_one_workload_settles_what_a_model_name_leaves_open() -> None:
    assert resolved("api", TRIAGE_ONLY) == ("triage", {"api"})


@pytest.mark.parametrize(
    ("key", "declared", "data_class", "regions"),
    [
        (ANYONE, None, "internal", {"eu", "us"}),
        (ANYONE, "public", "internal", {"eu", "us"}),
        (ANYONE, "RESTRICTED", "restricted", {"eu", "us"}),
        (ANYONE, "public; region=us", "internal", {"us"}),
        (ANYONE, "public; region=home", "internal", set()),
        (TRIAGE_ONLY, None, "confidential", {"eu"}),
        (TRIAGE_ONLY, "public; region=us,eu", "confidential", {"eu"}),
    ],
)
def test_a_floor_only_rises(key: Key, declared: str | None, data_class: str, regions: Collection[str]) -> None:
    headers = {} if declared is None else {"x-freehold-data": declared}
    _, ask = classify(Request(dialect="openai_chat", model="triage", fields={}), key, headers, POLICY)
    assert (ask.handling.data_class.name, ask.handling.regions) == (data_class, regions)


def test_labels_and_demands_of_all_parties_meet() -> None:
    key = Key("k", "2" * 64, None, Handling(labels=frozenset({"pii"}), demands=Demands(retention_days=30)))
    headers = {"x-freehold-data": "public; label=phi; retention-days=7; not-provider=openai"}
    policy = msgspec.structs.replace(
        POLICY, labels={**LABELS, "phi": LabelRule(data_class=DataClass.confidential)}, providers=frozenset({"openai"})
    )
    _, ask = classify(Request(dialect="openai_chat", model="triage", fields={}), key, headers, policy)
    assert ask.handling.data_class is DataClass.confidential
    assert ask.handling.labels == {"pii", "phi"}
    assert ask.handling.demands == Demands(retention_days=7, not_providers=frozenset({"openai"}))
    assert [party.name for party in ask.parties] == ["workload", "key", "header"]
    assert ask.parties[2].handling.data_class is DataClass.public


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("public; label=phy", "unknown label 'phy'; known are pci, phi, pii, secret"),
        ("public; not-provider=opnai", "unknown provider 'opnai'"),
        ("public; provider=opnai", "unknown provider 'opnai'"),
    ],
)
def test_a_name_that_would_demand_nothing_is_refused(declared: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        resolved("triage", headers={"x-freehold-data": declared})


@pytest.mark.parametrize(
    "headers",
    [{"x-freehold-data": "secret"}, {"x-freehold-data": ""}, {"x-freehold-dat": "restricted"}, {"x-freehold_data": "x"}],
)
def test_a_declaration_that_cannot_be_read_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(BadRequest, match="x-freehold") as refused:
        resolved("triage", headers=headers)
    assert refused.value.param == next(iter(headers))


STANDS_FOR, SUBJECT = "x-freehold-stands-for", "x-freehold-subject"
REPLAYER = Key("trace", "3" * 64, replays=True)


def test_only_a_key_that_replays_may_say_which_time_a_request_stands_for() -> None:
    with pytest.raises(Forbidden, match=r"the key 'anyone' may not say which time .*; give the key replays: true") as refused:
        resolved("triage", headers={STANDS_FOR: "1700000000"})
    assert refused.value.param == STANDS_FOR
    assert resolved("triage", REPLAYER, {STANDS_FOR: "1700000000.5"}) == ("triage", None)
    assert resolved("triage", REPLAYER) == ("triage", None)


@pytest.mark.parametrize("stated", ["", "soon", "-1", "nan", "inf", "1e11"])
def test_a_time_that_is_none_is_refused(stated: str) -> None:
    with pytest.raises(BadRequest, match=r"use Unix seconds, such as 1700000000\.5"):
        resolved("triage", REPLAYER, {STANDS_FOR: stated})


@pytest.mark.parametrize("stated", ["user-4711", "ada@example.org", "auth0|1", "~", "x" * 256])
def test_a_subject_may_be_named(stated: str) -> None:
    assert resolved("triage", headers={SUBJECT: stated}) == ("triage", None)


@pytest.mark.parametrize("stated", ["", "x" * 257, "Ada Lovelace", "zo\u00eb", "a\tb", "a\x7f"])
def test_a_subject_of_odd_signs_is_refused_and_not_repeated(stated: str) -> None:
    with pytest.raises(BadRequest, match="1 to 256 visible ASCII characters without a space") as refused:
        resolved("triage", headers={SUBJECT: stated})
    assert refused.value.param == SUBJECT
    assert not stated or stated not in refused.value.message
