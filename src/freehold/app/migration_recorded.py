"""Recorded requests of a workload, out of the content store, as the exchanges they were: what a migration asks first.

Each is bound again by all that bound it when it was answered, and by what the policy demands today. A request whose key is no
longer known is bound by nobody knows what, so it is asked of nobody. Every look into the store is on record there.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from freehold.app import config_file
from freehold.app.access import configured_key
from freehold.app.declared import Declared
from freehold.app.guards import existing_content
from freehold.core.assignment import Assignment
from freehold.core.data import DataClass, Party
from freehold.core.errors import BadRequest, BadSettings, ContentBlocked, Forbidden
from freehold.core.request import Ask, Request
from freehold.move.migration.origins import Recorded
from freehold.move.migration.progress import Migration
from freehold.rules.handling import settle
from freehold.serve.access.keys import Key
from freehold.serve.gateway.exchange import Speech
from freehold.serve.gateway.hearing import HEARD
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.inspection import Inspection, inspect
from freehold.serve.gateway.scope import scoped
from freehold.serve.gateway.shadow import Exchanged, Fate
from freehold.serve.stores.content import Access, ContentStore
from freehold.serve.stores.content_record import Sealed
from freehold.serve.stores.key_records import KeyRecords
from freehold.serve.stores.place import LedgerPlace, StoreError
from freehold.serve.stores.recorded import RecordedRequest, Span, recorded_ids, recorded_requests
from freehold.wire.dialects import SURFACES

# Why nothing is to be had of a recorded request: erased or expired meanwhile, or not what was written.
Missing: TypeAlias = Literal["gone", "unreadable"]


class _Content(msgspec.Struct):
    request: dict[str, msgspec.Raw]
    answer: str


class Found(msgspec.Struct, frozen=True):
    """One recorded request with what is kept of it."""

    recorded: RecordedRequest
    row: Sealed
    fields: dict[str, msgspec.Raw]
    answer: bytes


class Archive:
    """The recorded requests of one migration. Its methods block, and are called by one thread at a time."""

    def __init__(self, ledger: LedgerPlace, migration: Migration, stated: Recorded) -> None:
        """Raises BadSettings where the configuration, its content store or the ledger cannot be read."""
        file = config_file.load(Path(stated.config))
        self._ledger = ledger
        self._who = f"migration {migration.id}"
        self.keys: Mapping[str, Key] = _keys(ledger, file)
        span = Span(migration.workload, migration.target, stated.since, migration.made_at)
        recorded, now = recorded_ids(ledger, span), time.time()
        self._store: ContentStore = existing_content(file)
        try:
            self.ids = [ident for ident in recorded if self._store.find(ident, now) is not None]
        except StoreError as error:
            self.close()
            raise BadSettings(str(error)) from None

    def open(self, ident: str) -> Found | Missing:
        """On record before it is read. Raises BadSettings where ledger or store cannot be asked now."""
        now = time.time()
        recorded = recorded_requests(self._ledger, [ident])
        try:
            row = self._store.find(ident, now)
            if row is None or not recorded:
                return "gone"
            self._store.note(Access(now, self._who, "show", ident, "asked once more, of the candidate", True))
        except StoreError as error:
            raise BadSettings(str(error)) from None
        try:
            content = msgspec.json.decode(self._store.content(row), type=_Content)
        except (StoreError, msgspec.MsgspecError):
            return "unreadable"
        return Found(recorded[0], row, content.request, content.answer.encode())

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()


async def exchanged(found: Found, key: Key | None, assignment: Assignment, gateway: Gateway) -> Exchanged | Fate:
    """As if it had been answered now, or why it cannot be asked."""
    recorded, policy = found.recorded, gateway.policy
    workload = policy.workloads.get(assignment.workload)
    if workload is None:
        return "stopped"
    if key is None:
        return "barred"
    surface = next((SURFACES[dialect] for dialect in HEARD if dialect == recorded.dialect), None)
    if surface is None or recorded.attempts > 1:  # begun anew: what its caller was sent is two answers
        return "unreadable"
    kept = msgspec.structs.replace(
        recorded.handling, data_class=max(recorded.handling.data_class, DataClass.parse(found.row.data_class)),
        labels=recorded.handling.labels | frozenset(filter(None, found.row.labels.split(","))),
    )  # fmt: skip
    then = (Party("workload", workload.handling), Party("key", key.handling), Party("record", kept))
    try:
        request: Request = surface.read(msgspec.json.encode(found.fields), {})

        def bound(content: Inspection) -> Ask:
            party = content.party(workload.name)
            parties = then if party is None else (*then, party)
            return Ask(
                workload=workload.name, handling=settle(parties, policy.labels), parties=parties, labels=policy.labels,
                egress=request.egress, needs=request.needs, least_tokens=request.least_tokens, hints=request.hints,
                prompt_tokens={name: variant.least_tokens for name, variant in workload.prompts.items()},
            )  # fmt: skip

        content = await inspect(request, policy.inspector, bound)
        content.refuse_blocked(workload.name)
        ask = scoped(bound(content), workload, key, policy.targets)
    except BadRequest:
        return "unreadable"
    except (ContentBlocked, Forbidden):
        return "barred"
    speech, shield = Speech(request, surface, workload.prompts), content.shield(workload.name)
    speech.redacted = shield is not None
    return Exchanged(
        assignment=assignment, id=recorded.id, speech=speech, ask=ask, shield=shield, answer=found.answer,
        answer_s=recorded.answer_s, taken_at=gateway.clock.monotonic(), recorded=True,
    )  # fmt: skip


def _keys(ledger: LedgerPlace, file: config_file.ConfigFile) -> dict[str, Key]:
    """By name, what each key reaches: those of the configuration, and those of the ledger, of which the newest counts."""
    found = {
        one.name: Key(
            one.name, one.sha256,
            targets=None if one.grants.targets is None else frozenset(one.grants.targets),
            models=None if one.grants.models is None else frozenset(one.grants.models),
        )
        for one in KeyRecords(ledger).all()
    }  # fmt: skip
    handlings = Declared(file).keys
    return found | {spec.name: configured_key(spec, handlings[n]) for n, spec in enumerate(file.settings.keys)}
