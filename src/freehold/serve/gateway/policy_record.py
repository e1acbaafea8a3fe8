"""Keep on record what each policy says of its targets, and when gateways served under it: a report judges by that record.

What a policy says is written before the first request under it is served; where it cannot be, nothing is served under it.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
import structlog

from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.core.policy_facts import TargetFacts
from freehold.core.releases import Release
from freehold.core.target import Target, Workload
from freehold.serve.gateway.heartbeat import beating
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.policy import Policy

_EVERY_S = 15.0  # what the record of a process that is killed loses at most
_DIGITS = 8
_log = structlog.get_logger("freehold.policies")


class PolicyStore(Protocol):
    """Where it is written down. Both raise LedgerUnavailable."""

    def loaded(self, version: str, targets: Sequence[TargetFacts], now: float, releases: Sequence[Release] = ()) -> None:
        """From now on (Unix seconds) this gateway serves under that version. Raises BadSettings where the record has other
        facts or releases under the same version."""
        ...

    def seen(self, version: str, now: float) -> None:
        """It still does."""
        ...


def put_on_record(policy: Policy, store: PolicyStore, now: float) -> None:
    """To be called before a policy serves, at the start and at each reload. Raises BadSettings: then it must not serve."""
    try:
        store.loaded(policy.version, [facts_of(target) for target in policy.targets.values()], now, releases_of(policy))
    except LedgerUnavailable as error:
        raise BadSettings(f"{error.message}; without that record nothing is served") from None


@asynccontextmanager
async def policies_on_record(gateway: Gateway, store: PolicyStore) -> AsyncIterator[None]:
    """While inside, the record moves on: whichever policy the gateway has then was in force until then."""

    async def see() -> None:
        try:
            await asyncio.to_thread(store.seen, gateway.policy.version, gateway.clock.now())
        except LedgerUnavailable as error:  # the facts are written already, and the next time that works covers this one
            _log.warning("policy record not written", problem=error.message)

    async with beating(see, _EVERY_S):
        yield


def facts_digest(targets: Iterable[Target], workloads: Iterable[Workload] = ()) -> str:
    """Hex digits for all that is taken to be true of the targets, credentials left out, and for the prompts of the workloads,
    whatever file or table it is from: a version that ends in them never stands for two different things, so that each is kept
    and judged on its own."""
    known: list[object] = []
    for target in sorted(targets, key=lambda one: one.name):
        built = {name: value for name, value in msgspec.structs.asdict(target).items() if name != "secret"}
        known.append([built, msgspec.structs.asdict(facts_of(target))])
    known += [
        [workload.name, {name: variant.release for name, variant in workload.prompts.items()}]
        for workload in sorted(workloads, key=lambda one: one.name)
        if workload.prompts
    ]
    return hashlib.sha256(msgspec.json.encode(known, order="deterministic")).hexdigest()[:_DIGITS]


def releases_of(policy: Policy) -> list[Release]:
    """What each workload's requests are asked of at each of its targets."""
    found: list[Release] = []
    for workload in policy.workloads.values():
        for name in workload.targets:
            variant, target = workload.prompts.get(name), policy.targets[name]
            prompt = None if variant is None else variant.release
            found.append(Release(workload=workload.name, target=name, model=target.model, prompt=prompt, weights=target.weights))
    return found


def facts_of(target: Target) -> TargetFacts:
    """What is kept of a target: no credential, and of its URL only host and port."""
    where, terms = urlsplit(target.url), target.terms
    return TargetFacts(
        target=target.name, kind=target.kind, codec=target.codec, provider=target.provider, model=target.model,
        pinned=target.pinned, host=where.netloc.rpartition("@")[2], regions=tuple(sorted(target.regions)),
        clearance=target.clearance.name, retention_days=terms.retention_days, trains_on_data=terms.trains_on_data,
        baa=terms.baa, labels=None if target.labels is None else tuple(sorted(target.labels)),
        egress={kind: cleared.name for kind, cleared in sorted(target.egress.items())}, lab=target.lab,
    )  # fmt: skip
