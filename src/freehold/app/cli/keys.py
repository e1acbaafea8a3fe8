"""`freehold keys`: keys in the ledger, which running gateways follow; and keys for the configuration, which holds their hash."""

import time
from contextlib import closing
from datetime import UTC, datetime

from cyclopts import App
from rich.table import Table

from freehold.app.cli.key_flags import Kept, Wished, expiry, grants_of, seconds
from freehold.app.cli.output import emit_json, notes, out
from freehold.core.errors import BadSettings
from freehold.serve.access.keys import digest, new_key
from freehold.serve.stores.key_records import Grants, KeyRecord, KeyRecords, new_key_id
from freehold.serve.stores.opening import existing, open_store

app = App(name="keys", help="Make, list, revoke and rotate API keys; only their SHA-256 is kept.")
_EVERYTHING = Wished()
_CONFIGURED = Kept()


@app.command
def new(*, json: bool = False) -> int:
    """Make a key for freehold.yaml: 256 random bits, shown once.

    Parameters
    ----------
    json
        Print one JSON object.
    """
    key = new_key()
    if json:
        emit_json({"key": key, "sha256": digest(key)})
        return 0
    notes.print("The key, shown once; give it to the caller:")
    out.print(key, soft_wrap=True)
    notes.print("Its hash, for sha256: under keys (or admin.key_sha256) in freehold.yaml:")
    out.print(digest(key), soft_wrap=True)
    return 0


@app.command
def create(*, name: str, wished: Wished = _EVERYTHING, kept: Kept = _CONFIGURED, json: bool = False) -> int:
    """Make a key in the ledger, shown once. Running gateways take it within two seconds.

    Parameters
    ----------
    name
        Stands in every entry.
    json
        Print one JSON object.
    """
    if not name.strip():
        raise BadSettings("--name is empty; it stands in every entry")
    now, file = time.time(), kept.file()
    if file is not None and any(key.name == name for key in file.settings.keys):
        raise BadSettings(f"--name is {name!r}, and a key of {file.path} has that name; name another")
    key = new_key()
    record = KeyRecord(
        id=new_key_id(), name=name, sha256=digest(key), role=wished.role, grants=grants_of(wished, file), made_at=now,
        expires_at=expiry(wished.expires, now),
    )  # fmt: skip
    place = kept.place(file)
    with closing(open_store(place)):  # made, or brought up to date, where it has to be
        KeyRecords(place).make(record)
    return _shown(key, record, json=json)


@app.command(name="list")
def list_(*, kept: Kept = _CONFIGURED, json: bool = False) -> int:
    """Every key in the ledger: whose it is, what it reaches, until when. Never the key.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    now = time.time()
    records = KeyRecords(existing(kept.place(kept.file()))).all()
    if json:
        emit_json([_told(record, now) for record in records])
        return 0
    table = Table("id", "name", "state", "team", "user", "reaches", "made", "ends")
    for record in records:
        grants, ends = record.grants, record.revoked_at or record.expires_at
        table.add_row(
            record.id, record.name, record.state(now), grants.team, grants.user, _reach(record.role, grants),
            _moment(record.made_at), "" if ends is None else _moment(ends),
        )  # fmt: skip
    out.print(table)
    return 0


@app.command
def revoke(key: str, /, *, kept: Kept = _CONFIGURED, json: bool = False) -> int:
    """End a key now. Running gateways refuse it within two seconds.

    Parameters
    ----------
    key
        Its name (then all keys of that name) or its id.
    json
        Print one JSON document.
    """
    now = time.time()
    ended = KeyRecords(existing(kept.place(kept.file()))).revoke(key, now)
    if json:
        emit_json([{"id": record.id, "name": record.name} for record in ended])
        return 0
    for record in ended:
        out.print(f"revoked {record.name} ({record.id})")
    return 0


@app.command
def rotate(key: str, /, *, grace: str = "1d", kept: Kept = _CONFIGURED, json: bool = False) -> int:
    """Make a new key with the same name and reach, shown once; the old one opens until the grace is over.

    Parameters
    ----------
    key
        Its name or its id.
    grace
        How long: 0s, 90m, 12h, 7d.
    json
        Print one JSON object.
    """
    grace_s = seconds("--grace", grace)
    fresh = new_key()
    records = KeyRecords(existing(kept.place(kept.file())))
    record, old = records.rotate(key, digest(fresh), time.time(), grace_s)
    notes.print(f"What had that name before ({', '.join(one.id for one in old)}) opens for {grace} more.")
    return _shown(fresh, record, json=json)


def _shown(key: str, record: KeyRecord, *, json: bool) -> int:
    if json:
        emit_json({"key": key} | _told(record, record.made_at))
        return 0
    notes.print(f"The key {record.name} ({record.id}), shown once; give it to the caller:")
    out.print(key, soft_wrap=True)
    return 0


def _told(record: KeyRecord, now: float) -> dict[str, object]:
    return {
        "id": record.id, "name": record.name, "state": record.state(now), "role": record.role, "grants": record.grants,
        "made_at": record.made_at, "expires_at": record.expires_at, "revoked_at": record.revoked_at,
    }  # fmt: skip


def _reach(role: str | None, grants: Grants) -> str:
    if role is not None:
        return f"the admin API as {role}"
    scopes = {"workloads": grants.workloads, "targets": grants.targets, "models": grants.models}
    parts = [f"{what} {', '.join(names) or 'none'}" for what, names in scopes.items() if names is not None]
    parts += [f"up to {grants.classes}"] if grants.classes else []
    return ("; ".join(parts) or "everything") + (", and replays traces" if grants.replays else "")


def _moment(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M")
