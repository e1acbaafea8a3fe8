"""No header, model name, hint or failure brings data to a target that is not cleared for it: searched over random worlds."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Set
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from in_memory import MemoryLedger, MemorySink, Outbound

from freehold.core.capability import CAPABILITIES
from freehold.core.data import LABELS, DataClass, Demands, Handling, LabelRule, Need
from freehold.core.decision import Load
from freehold.core.target import Target, Terms, Workload
from freehold.rules.constraints import RULES
from freehold.serve.access.keys import Key, Keyring, digest
from freehold.serve.gateway.handle import handle
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.policy import Bounds, Policy
from freehold.serve.providers import PROVIDERS
from freehold.wire.openai_chat.surface import ChatSurface

CLASSES = st.sampled_from(DataClass)
REGIONS = st.sampled_from(["eu", "us", "home"])
EGRESS = st.sampled_from(["store", "remote_media", "server_tools", "remote_url", "unknown_field"])
LABEL = st.sampled_from(["pii", "phi", "pci", "own"])
PROVIDER = st.sampled_from(["openai", "mistral"])
NAMES = ["t0", "t1", "t2", "t3"]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
FUNCTION = {"type": "function", "function": {"name": "f"}}
# What the header may say, and what each of these demands, by hand.
DECLARED: dict[str, dict[str, Any]] = {
    "public": {},
    "Internal": {"class": "internal"},
    "confidential": {"class": "confidential"},
    "restricted": {"class": "restricted"},
    "restricted; region=eu": {"class": "restricted", "regions": {"eu"}},
    "public; label=phi": {"labels": {"phi"}},
    "public; pinned": {"pinned": True},
    "public; label=own, pii; pinned": {"labels": {"own", "pii"}, "pinned": True},
    "internal; retention-days=7; no-training": {"class": "internal", "days": 7, "no_training": True},
    "public; provider=openai": {"providers": {"openai"}},
    "public; not-provider=openai; retention_days=0": {"not_providers": {"openai"}, "days": 0},
}


@st.composite
def targets(draw: st.DrawFn, name: str) -> Target:
    return Target(
        name=name,
        kind=draw(st.sampled_from(["rented", "owned"])),
        codec=draw(st.sampled_from(["openai", "vllm"])),
        url=f"http://{name}",
        model=draw(st.sampled_from(["m", "n"])),
        clearance=draw(CLASSES),
        regions=draw(st.frozensets(REGIONS, max_size=2)),
        terms=Terms(
            trains_on_data=draw(st.sampled_from([None, True, False])),
            retention_days=draw(st.sampled_from([None, 0, 7, 30])),
            baa=draw(st.booleans()),
        ),
        provider=draw(st.none() | PROVIDER),
        labels=draw(st.none() | st.frozensets(LABEL)),
        pinned=draw(st.sampled_from([False, False, True])),
        capabilities=draw(st.dictionaries(st.sampled_from(CAPABILITIES), st.booleans())),
        context_tokens=draw(st.sampled_from([None, 100, 1000])),
        egress=draw(st.dictionaries(EGRESS, CLASSES, max_size=2)),
        concurrency=draw(st.sampled_from([None, 1])),
    )


some_providers = st.frozensets(PROVIDER, min_size=1)
demands = st.builds(
    Demands, retention_days=st.sampled_from([None, 0, 7]), no_training=st.booleans(), providers=st.none() | some_providers,
    not_providers=st.frozensets(PROVIDER), pinned=st.booleans(),
)  # fmt: skip
handlings = st.builds(
    Handling, CLASSES, st.none() | st.frozensets(REGIONS, min_size=1, max_size=2), st.frozensets(LABEL, max_size=2), demands
)
alternatives: list[Need] = ["owned", "baa", "listed"]
needs = st.frozensets(st.sampled_from(alternatives))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    world = {name: draw(targets(name)) for name in NAMES}
    workloads = {
        name: Workload(
            name=name,
            targets=tuple(draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))),
            handling=draw(handlings),
            spill=draw(st.booleans()),
        )
        for name in ("w0", "w1")
    }
    key = Key(
        "k", digest("secret"), draw(st.none() | st.frozensets(st.sampled_from(["w0", "w1"]))), draw(handlings), replays=True
    )
    return Policy(
        version="v", targets=world, workloads=workloads, codecs={n: PROVIDERS["lab"].codec() for n in world}, engines={},
        keys=Keyring([key]), bounds=Bounds(), price=lambda target, day: None,
        labels={**LABELS, "own": LabelRule(draw(needs), draw(CLASSES))}, providers=frozenset({"openai", "mistral"}),
    )  # fmt: skip


sent_by = {"authorization": st.just("Bearer secret")}
plain_headers = st.fixed_dictionaries(sent_by, optional={"x-freehold-data": st.sampled_from([*DECLARED])})
odd_headers = st.fixed_dictionaries(
    sent_by,
    optional={
        "x-freehold-data": st.sampled_from([*DECLARED, "no", "public; label=other", "public; provider=other"])
        | st.text(max_size=12),
        "x-freehold-workload": st.sampled_from(["w0", "w1", "w9"]),
        "x-freehold-target": st.sampled_from(NAMES),
        "x-freehold-stands-for": st.sampled_from(["0", "1700000000.5", "soon", "-1", "nan"]),
    },
)
headers = st.one_of(plain_headers, plain_headers, plain_headers, odd_headers)
hints = st.fixed_dictionaries(
    {},
    optional={
        "order": st.lists(st.sampled_from([*NAMES, "openai"]), max_size=3),
        "only": st.lists(st.sampled_from([*NAMES, "vllm"]), max_size=3),
        "ignore": st.lists(st.sampled_from(NAMES), max_size=2),
        "allow_fallbacks": st.booleans(),
        "data_collection": st.sampled_from(["allow", "deny"]),
        "zdr": st.booleans(),
    },
)
bodies = st.fixed_dictionaries(
    {
        "model": st.sampled_from([*["w0", "w1"] * 5, *NAMES, "m", "openai/m", "vllm:n", "nothing"]),
        "max_tokens": st.sampled_from([None, 10, 500, 5000]),
        "response_format": st.sampled_from([None, {"type": "json_schema"}, {"type": "json_object"}, {"type": "text"}]),
        "messages": st.sampled_from([[{"role": "user"}], [{"role": "user"}], [{"role": "user", "content": [IMAGE]}]]),
    },
    optional={
        "stream": st.booleans(),
        "provider": hints,
        "store": st.booleans(),
        "x_fetch": st.just("https://evil.test"),
        "tools": st.sampled_from([[{"type": "web_search"}], [FUNCTION]]),
        "logprobs": st.booleans(),
        "n": st.sampled_from([1, 2]),
    },
)
MOODS = st.lists(st.sampled_from(["fine", "down", "limit", "garbage"]), min_size=1, max_size=5)


DIMENSIONS = frozenset({"data_class", "label", "region", "provider", "terms", "pinned", "egress", "capability", "context"})
OF_DECLARED = {
    "class": "data_class", "labels": "label", "regions": "region", "providers": "provider", "not_providers": "provider",
    "days": "terms", "no_training": "terms", "pinned": "pinned",
}  # fmt: skip
OF_BODY = {
    "store": "egress", "x_fetch": "egress", "response_format": "capability", "logprobs": "capability", "n": "capability",
    "max_tokens": "context",
}  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn, most_calls: int) -> tuple[Policy, list[tuple[dict[str, str], dict[str, Any], list[str]]]]:
    """A policy and calls. Mostly only one or two dimensions say anything: with all of them at once nothing is left to reach."""
    one, other = draw(st.sampled_from(sorted(DIMENSIONS))), draw(st.sampled_from([*sorted(DIMENSIONS), *["none"] * 9]))
    focus = draw(st.sampled_from([DIMENSIONS, *[frozenset({one, other})] * 5]))
    focus |= {"data_class"} if "egress" in focus else frozenset()
    policy = draw(policies())
    key = policy.keys.find(digest("secret"))
    assert key is not None
    policy = msgspec.structs.replace(
        policy,
        targets={name: _target(target, focus) for name, target in policy.targets.items()},
        workloads={n: msgspec.structs.replace(w, handling=_handling(w.handling, focus)) for n, w in policy.workloads.items()},
        keys=Keyring([msgspec.structs.replace(key, handling=_handling(key.handling, focus))]),
    )
    calls = draw(st.lists(st.tuples(headers, bodies, MOODS), min_size=1, max_size=most_calls))
    return policy, [(_headers(head, focus), _body(body, focus), moods) for head, body, moods in calls]


def _target(target: Target, focus: Set[str]) -> Target:
    """Whatever the focus leaves out is allowed there."""
    free: dict[str, Any] = {
        "data_class": {"clearance": DataClass.restricted},
        "label": {"labels": frozenset({"pii", "phi", "pci", "own"})},
        "region": {"regions": frozenset({"eu"})},
        "provider": {"provider": "openai"},
        "pinned": {"pinned": True},
        "egress": {"egress": dict.fromkeys(("store", "server_tools", "remote_url", "unknown_field"), DataClass.restricted)},
        "capability": {"capabilities": dict.fromkeys(CAPABILITIES, True)},
        "context": {"context_tokens": None},
    }  # fmt: skip
    changes = {field: value for name in DIMENSIONS - focus - {"terms"} for field, value in free[name].items()}
    if "terms" not in focus:
        changes["terms"] = msgspec.structs.replace(target.terms, trains_on_data=False, retention_days=0)
    return msgspec.structs.replace(target, **changes)


def _handling(handling: Handling, focus: Set[str]) -> Handling:
    demands = handling.demands
    return Handling(
        handling.data_class if "data_class" in focus else DataClass.public,
        handling.regions if "region" in focus else None,
        handling.labels if "label" in focus else frozenset(),
        Demands(
            retention_days=demands.retention_days if "terms" in focus else None,
            no_training=demands.no_training and "terms" in focus,
            providers=demands.providers if "provider" in focus else None,
            not_providers=demands.not_providers if "provider" in focus else frozenset(),
            pinned=demands.pinned and "pinned" in focus,
        ),
    )


def _headers(head: dict[str, str], focus: Set[str]) -> dict[str, str]:
    beyond = {OF_DECLARED[name] for name in DECLARED.get(head.get("x-freehold-data", ""), {})} - focus
    return {name: value for name, value in head.items() if not (beyond and name == "x-freehold-data")}


def _body(body: dict[str, Any], focus: Set[str]) -> dict[str, Any]:
    kept = {name: value for name, value in body.items() if OF_BODY.get(name, next(iter(focus))) in focus}
    if "capability" not in focus:
        kept["messages"] = [{"role": "user"}]
    if kept.get("tools") == [FUNCTION] and "capability" not in focus:
        del kept["tools"]
    return kept


def sending(body: dict[str, Any]) -> Callable[[], Awaitable[bytes]]:
    async def read() -> bytes:
        return msgspec.json.encode(body)

    return read


def may_see(policy: Policy, target: Target, head: Mapping[str, str], body: dict[str, Any], workload: str) -> bool:
    """The rule again, written apart from the code under test."""
    key = policy.keys.find(digest("secret"))
    assert key is not None
    said = [policy.workloads[workload].handling, key.handling]
    declared = DECLARED.get(head.get("x-freehold-data", ""), {})
    labels = set().union(declared.get("labels", ()), *(one.labels for one in said))
    floors = [one.data_class for one in said] + [policy.labels[label].data_class for label in labels]
    need = max([*floors, DataClass[declared.get("class", "public")]])
    regions = [set(one.regions) for one in said if one.regions is not None] + [declared[r] for r in ("regions",) if r in declared]
    asked = {"store"} if body.get("store") else set()
    asked |= {"remote_url"} if "x_fetch" in body else set()
    if "x_fetch" in body and target.rented and need >= DataClass.confidential:
        asked |= {"unknown_field"}
    asked |= {"server_tools"} if body.get("tools") == [{"type": "web_search"}] else set()
    return (
        target.clearance >= need
        and all(may_hold(label, target, policy.labels[label].needs) for label in labels)
        and all(target.regions and target.regions <= allowed for allowed in regions)
        and all(kind in target.egress and target.egress[kind] >= need for kind in asked)
        and (target.kind == "owned" or promises(target, [one.demands for one in said], declared, body))
        and (target.pinned or not (declared.get("pinned") or any(one.demands.pinned for one in said)))
        and can_do(target, body)
        and (target.context_tokens is None or (body.get("max_tokens") or 0) <= target.context_tokens)
        and target.name in policy.workloads[workload].targets
    )


def may_hold(label: str, target: Target, alternatives: frozenset[str]) -> bool:
    listed = target.labels is not None and label in target.labels
    met = {"owned": target.kind == "owned", "baa": target.terms.baa, "listed": listed}
    return (target.labels is None or listed) and (not alternatives or any(met[one] for one in alternatives))


def promises(target: Target, demanded: list[Demands], declared: dict[str, Any], body: dict[str, Any]) -> bool:
    """What the company that runs a rented target must be and promise."""
    hint, terms = body.get("provider", {}), target.terms
    days = [d.retention_days for d in demanded if d.retention_days is not None] + [
        declared[d] for d in ("days",) if d in declared
    ]
    days += [0] if hint.get("zdr") else []
    denied = set(declared.get("not_providers", ())).union(*(d.not_providers for d in demanded))
    allowed = [set(d.providers) for d in demanded if d.providers is not None]
    allowed += [declared["providers"]] if "providers" in declared else []
    silent = any(d.no_training for d in demanded) or declared.get("no_training") or hint.get("data_collection") == "deny"
    if (denied or allowed) and target.provider is None:
        return False
    return (
        target.provider not in denied
        and all(target.provider in some for some in allowed)
        and (not silent or terms.trains_on_data is False)
        and all(terms.retention_days is not None and terms.retention_days <= most for most in days)
    )


def can_do(target: Target, body: dict[str, Any]) -> bool:
    form = (body.get("response_format") or {}).get("type")
    if form == "json_schema" and target.capabilities.get("json_schema") is not True:
        return False
    wanted = {"json_object"} if form == "json_object" else set()
    wanted |= {"tools"} if "tools" in body else set()
    wanted |= {"vision"} if "content" in body["messages"][0] else set()
    wanted |= {"logprobs"} if body.get("logprobs") else set()
    wanted |= {"choices"} if body.get("n") == 2 else set()
    return not any(name in wanted and not honoured for name, honoured in target.capabilities.items())


@settings(max_examples=6 * settings().max_examples)
@given(worlds(most_calls=4), st.booleans())
def test_no_attempt_ever_breaks_a_constraint(
    world: tuple[Policy, list[tuple[dict[str, str], dict[str, Any], list[str]]]], busy: bool
) -> None:
    policy, calls = world

    async def run() -> None:
        ledger = MemoryLedger()
        for head, body, moods in calls:
            outbound = Outbound(moods)
            gateway = Gateway(policy, outbound, ledger)
            for name in NAMES if busy else ():
                gateway.board.read_load(name, Load(running=1, waiting=3))
            sink = MemorySink()
            before = len(ledger.entries)
            await handle(ChatSurface(), head, sending(body), sink, gateway)
            assert sink.status != 500, sink.body
            assert gateway.in_flight == 0
            assert all(state.in_flight == 0 for state in gateway.board.states(tuple(NAMES)).values())
            if outbound.reached:
                (entry,) = ledger.entries[before:]
                assert [attempt.target for attempt in entry.attempts] == outbound.reached
                for name in outbound.reached:
                    assert may_see(policy, policy.targets[name], head, body, entry.workload), (name, entry)

    asyncio.run(run())


class Enough(Exception):
    """All that was looked for has been seen."""


@pytest.mark.long
def test_the_search_does_reach_targets() -> None:
    """Else the property above would hold of a gateway that never sends anything, or of worlds in which nothing is forbidden."""
    reached: Counter[str] = Counter()
    wanted = ("reached", "with labels", "with demands", *(name for name, _ in RULES if name != "key"), "named", "hint")

    @settings(max_examples=4000, database=None, derandomize=True, phases=[Phase.generate])
    @given(worlds(most_calls=1))
    def count(world: tuple[Policy, list[tuple[dict[str, str], dict[str, Any], list[str]]]]) -> None:
        policy, [(head, body, _)] = world
        outbound, ledger = Outbound(["fine"]), MemoryLedger()
        asyncio.run(handle(ChatSurface(), head, sending(body), MemorySink(), Gateway(policy, outbound, ledger)))
        for entry in ledger.entries:
            reached.update(removed.constraint for removed in entry.removed)
            if outbound.reached:
                handling = policy.workloads[entry.workload].handling
                reached["reached"] += 1
                reached["with labels"] += bool(handling.labels)
                reached["with demands"] += handling.demands != Demands()
        if all(reached[what] for what in wanted):
            raise Enough

    with pytest.raises(Enough):
        count()
