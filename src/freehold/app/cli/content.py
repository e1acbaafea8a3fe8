"""`freehold content`: show what was kept, erase it for good, prove that, and change the master key."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
from cyclopts import App, Parameter
from rich.table import Table

from freehold.app import config_file
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.config_file import ConfigFile
from freehold.app.credentials import secret_at
from freehold.app.guard_settings import ReaderSettings
from freehold.app.guards import existing_content
from freehold.app.receipts import read_receipt, verify, write_receipt
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.serve.access.keys import digest
from freehold.serve.stores.content import Access, ContentStore
from freehold.serve.stores.content_cipher import read_key
from freehold.serve.stores.place import StoreError

app = App(name="content", help="Show, erase and guard the content that workloads keep.")
ConfigFlag = Annotated[Path, Parameter(alias="-c")]


@app.command
def show(
    ident: str, /, *, reason: str, key: str = "env:FREEHOLD_READER_KEY", config: ConfigFlag = Path("freehold.yaml")
) -> int:  # fmt: skip
    """Print what was kept of one request: its body and its answer, as JSON. The look is on record before it is shown.

    Parameters
    ----------
    ident
        The request id.
    reason
        Why; stands in the record.
    key
        Your reader's key, as env:NAME or file:PATH; content.readers has its hash.
    config
        The configuration file.
    """
    file = config_file.load(config)
    reader = _reader(file, key)
    with _opened(file) as store:
        row = store.find(ident, time.time())
        allowed = reader is not None and (row is None or DataClass[row.data_class] <= reader.up_to)
        who = "unknown" if reader is None else reader.name
        store.note(Access(time.time(), who, "show", ident, reason, allowed))
        if reader is None:
            raise BadSettings("this key is no reader's; content.readers in the configuration lists who may read")
        if row is None:
            notes.print(f"nothing is kept of {ident}")
            return 1
        if not allowed:
            notes.print(f"{ident} is {row.data_class} data; {reader.name} may read up to {reader.up_to.name}")
            return 1
        content = store.content(row)
    sys.stdout.buffer.write(content + b"\n")
    return 0


@app.command
def erase(*, subject: str, reason: str = "", receipt: Path | None = None, config: ConfigFlag = Path("freehold.yaml")) -> int:
    """Destroy a subject's keys and delete all that was kept of it; the receipt says what, and is signed.

    Parameters
    ----------
    subject
        As callers declare it (safety_identifier, else user); request:ID for a request that declared none.
    reason
        Why; stands in the record.
    receipt
        A file for the receipt; else it goes to stdout.
    config
        The configuration file.
    """
    with _opened(config_file.load(config)) as store, _receipt_file(receipt) as file:
        now = time.time()
        erased = store.erase(subject, now)
        file.write(msgspec.json.format(msgspec.json.encode(write_receipt(store, erased, now)), indent=2) + b"\n")
        store.note(Access(now, "command line", "erase", erased.subject, reason, True))
    notes.print(f"erased: {len(erased.keys)} keys, {len(erased.records)} records")
    return 0


@app.command(name="verify")
def verify_(receipt: Path, /, *, config: ConfigFlag = Path("freehold.yaml"), json: bool = False) -> int:
    """Exit 0 when what the receipt says was erased is gone for good; 1 when any of it can be read, or it is not genuine.

    Parameters
    ----------
    receipt
        What `freehold content erase` wrote.
    config
        The configuration file.
    json
        Print one JSON object.
    """
    try:
        seen = read_receipt(receipt.read_bytes())
    except OSError as error:
        raise BadSettings(f"cannot read {receipt}: {error.strerror}") from None
    with _opened(config_file.load(config)) as store:
        finding = verify(store, seen)
    if json:
        emit_json({"holds": finding.holds, "finding": finding})
    elif not finding.genuine:
        out.print("This store did not sign that receipt, or it was changed.")
    else:
        out.print(f"Erased at {seen.erased_at}: {len(seen.keys)} keys, {len(seen.records)} records.")
        out.print(f"Now there: {len(finding.keys)} keys, {len(finding.there)} records, {len(finding.readable)} of them readable.")
    return 0 if finding.holds else 1


@app.command
def rotate(*, new_key: str, config: ConfigFlag = Path("freehold.yaml")) -> int:
    """Wrap the store's keys with another master key. Stop the gateway first; then let content.key point to the new one.

    Parameters
    ----------
    new_key
        The new master key, as env:NAME or file:PATH: 32 random bytes in base64.
    config
        The configuration file, whose content.key is still the old one.
    """
    try:
        master = read_key(secret_at(new_key).reveal())
    except ValueError as error:
        raise BadSettings(f"--new-key: {error}") from None
    with _opened(config_file.load(config)) as store:
        tenants = store.rotate(master)
        store.note(Access(time.time(), "command line", "rotate", "master key", "", True))
    notes.print(f"keys of {tenants} tenants wrapped anew; now set content.key to {new_key} and start the gateway")
    return 0


@app.command
def log(*, limit: int = 20, config: ConfigFlag = Path("freehold.yaml"), json: bool = False) -> int:
    """Who looked at what, or tried to, and what was erased; newest first.

    Parameters
    ----------
    limit
        How many.
    config
        The configuration file.
    json
        Print one JSON list.
    """
    if limit < 1:
        raise BadSettings(f"limit is {limit}; use 1 or more")
    with _opened(config_file.load(config)) as store:
        seen = store.accesses(limit)
    if json:
        emit_json(seen)
        return 0
    table = Table("at (Unix s)", "who", "did", "what", "why", "allowed")
    for access in seen:
        words = (access.who, access.action, access.what, access.reason)
        table.add_row(f"{access.at:.0f}", *words, "yes" if access.allowed else "no")
    out.print(table)
    return 0


@contextmanager
def _opened(file: ConfigFile) -> Iterator[ContentStore]:
    try:
        with closing(existing_content(file)) as store:
            yield store
    except StoreError as error:
        raise BadSettings(str(error)) from None


@contextmanager
def _receipt_file(path: Path | None) -> Iterator[BinaryIO]:
    """Opened before anything is erased: an erasure whose receipt could not be written would have no proof."""
    if path is None:
        yield sys.stdout.buffer
        return
    try:
        with path.open("xb") as file:
            yield file
    except StoreError:  # nothing to show for; the same command may be given again
        path.unlink()
        raise
    except OSError as error:
        raise BadSettings(f"cannot write the receipt {path}: {error.strerror}") from None


def _reader(file: ConfigFile, key: str) -> ReaderSettings | None:
    """Whose key that is; None where it is nobody's."""
    try:
        seen = digest(secret_at(key).reveal())
    except ValueError as error:
        raise BadSettings(f"--key: {error}") from None
    readers = file.settings.content.readers if file.settings.content is not None else []
    return next((reader for reader in readers if reader.sha256 == seen), None)
