"""Recorded requests of a workload, out of the content store, as the exchanges they were: what a migration asks first.

Each is bound again by all that bound it when it was answered, and by what its key and the policy demand today. A request whose
key is unknown, revoked or expired by now is asked of nobody. Every look into the store is on record there.
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
from freehold.serve.stores.key_records import KeyRecord, KeyRecords
from freehold.serve.stores.place import LedgerPlace, StoreError
from freehold.serve.stores.recorded import RecordedRequest, Span, recorded_ids, recorded_requests
from freehold.wire.dialects import SURFACES

# Why nothing is to be had of a recorded request: erased or expired meanwhile, or not what was written.
Missing: TypeAlias = Literal["gone", "unreadable"]


class _Content(msgspec.Struct):
    request: dict[str, msgspec.Raw]
    answer: str


class Found(msgspec.Struct, frozen=True):
    """One recorded request with what is kept of it. `key`: what its caller's reaches now, None where that is good no more."""

    recorded: RecordedRequest
    key: Key | None
    row: Sealed
    fields: dict[str, msgspec.Raw]
    answer: bytes


class Archive:
    """The recorded requests of one migration. Its methods block, and are called by one thread at a time."""

    def __init__(self, ledger: LedgerPlace, migration: Migration, stated: Recorded) -> None:
        """Raises BadSettings where the configuration, its content store or the ledger cannot be read."""
        self._ledger = ledger
        self._config = Path(stated.config)
        self._who = f"migration {migration.id}"
        self._configured: Mapping[str, Key] = {}
        self._open: ContentStore | None = None
        span = Span(migration.workload, migration.target, stated.since, migration.made_at)
        recorded, now = recorded_ids(ledger, span), time.time()
        try:
            self.ids = [ident for ident in recorded if self._store().find(ident, now) is not None]
        except StoreError as error:
            self.close()
            raise BadSettings(str(error)) from None

    def open(self, ident: str, held: Found | None = None) -> Found | Missing:
        """On record before it is read; what is `held` of it already is not read again, where it is still there.

        Raises BadSettings where ledger or store cannot be asked now; the store is opened anew with the next.
        """
        now = time.time()
        try:
            row = self._store().find(ident, now)
            if row is None:
                return "gone"
            if held is not None and held.row == row:
                return msgspec.structs.replace(held, key=self._key(held.recorded.key, now))
            recorded = recorded_requests(self._ledger, [ident])
            if not recorded:
                return "gone"
            if recorded[0] is None:
                return "unreadable"
            self._store().note(Access(now, self._who, "show", ident, "asked once more, of the candidate", True))
            content = self._content(row)
        except StoreError as error:
            self.close()
            raise BadSettings(str(error)) from None
        if content is None:
            return "unreadable"
        return Found(recorded[0], self._key(recorded[0].key, now), row, content.request, content.answer.encode())

    def close(self) -> None:
        """Let go of the store."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _store(self) -> ContentStore:
        """Opened by the configuration as it is now, where it is not open. Raises BadSettings."""
        if self._open is None:
            file = config_file.load(self._config)
            handlings = Declared(file).keys
            self._configured = {spec.name: configured_key(spec, handlings[n]) for n, spec in enumerate(file.settings.keys)}
            self._open = existing_content(file)
        return self._open

    def _content(self, row: Sealed) -> _Content | None:
        """None where the row's own key is gone or its bytes are wrong, for good. Raises StoreError or BadSettings where it may be
        the store: a master key that was changed, or a database in trouble, looks the same until the store is opened anew."""
        try:
            text = self._store().content(row)
        except StoreError:
            self.close()
            try:
                text = self._store().content(row)
            except StoreError:
                self._store().keys_there([row.key_id])  # raises where nothing can be asked of the store
                return None
        try:
            return msgspec.json.decode(text, type=_Content)
        except msgspec.MsgspecError:
            return None

    def _key(self, name: str, now: float) -> Key | None:
        """What the key of that name reaches, if it is good: that of the configuration, or else the newest of the ledger's."""
        key = self._configured.get(name)
        if key is not None:
            return None if key.expires_at is not None and key.expires_at <= now else key
        good = [record for record in KeyRecords(self._ledger).all() if record.name == name and record.state(now) == "good"]
        return _reach(good[-1]) if good else None


async def exchanged(found: Found, assignment: Assignment, gateway: Gateway) -> Exchanged | Fate:
    """As if it had been answered now, or why it cannot be asked."""
    recorded, key, policy = found.recorded, found.key, gateway.policy
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
        assignment=assignment, id=recorded.id, speech=speech, policy=policy, ask=ask, shield=shield, answer=found.answer,
        answer_s=recorded.answer_s, taken_at=gateway.clock.monotonic(), recorded=True,
    )  # fmt: skip


def _reach(record: KeyRecord) -> Key | None:
    """Of a key in the ledger; None where it may send data up to a class that this version does not know."""
    grants = record.grants
    try:
        up_to = None if grants.classes is None else DataClass.parse(grants.classes)
    except ValueError:
        return None
    return Key(
        record.name, record.sha256, up_to=up_to, targets=None if grants.targets is None else frozenset(grants.targets),
        models=None if grants.models is None else frozenset(grants.models),
    )  # fmt: skip
