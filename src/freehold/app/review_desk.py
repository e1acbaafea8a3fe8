"""Pairs of answers in the content store: put there to be reviewed, shown to readers who may see them, each look on record."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import msgspec

from freehold.app.config_file import ConfigFile
from freehold.app.credentials import secret_at
from freehold.app.guard_settings import ReaderSettings
from freehold.app.guards import existing_content, open_content
from freehold.core.data import DataClass, Handling
from freehold.core.errors import BadSettings
from freehold.move.evaluate.pair_file import AnsweredPair, content_id
from freehold.serve.access.keys import digest
from freehold.serve.stores.content import Access, ContentStore
from freehold.serve.stores.content_record import Kept
from freehold.serve.stores.place import StoreError

_DAY_S = 86_400.0


class Desk:
    """One reader at the store."""

    def __init__(self, store: ContentStore, reader: ReaderSettings, reason: str) -> None:
        self.reader = reader
        self._store = store
        self._reason = reason

    def pair(self, ident: str) -> AnsweredPair | str:
        """The pair kept under that id, or why it cannot be shown. On record before it is. Raises StoreError."""
        now = time.time()
        row = self._store.find(ident, now)
        allowed = row is None or DataClass[row.data_class] <= self.reader.up_to
        self._store.note(Access(now, self.reader.name, "show", ident, self._reason, allowed))
        if row is None:
            return "it is not in the content store, or has expired"
        if not allowed:
            return f"it is {row.data_class} data; {self.reader.name} may read up to {self.reader.up_to.name}"
        return msgspec.json.decode(self._store.content(row), type=AnsweredPair)


@contextmanager
def opened_desk(file: ConfigFile, key: str, reason: str) -> Iterator[Desk]:
    """Raises BadSettings where there is no content store, or the key is no reader's."""
    try:
        sha256 = digest(secret_at(key).reveal())
    except ValueError as error:
        raise BadSettings(f"--key: {error}") from None
    stated = file.settings.content
    if stated is None:
        raise BadSettings(f"{file.path}: there is no content: section; pairs are reviewed only from the content store")
    reader = next((reader for reader in stated.readers if reader.sha256 == sha256), None)
    try:
        with closing(existing_content(file)) as store:
            if reader is None:
                store.note(Access(time.time(), "unknown", "show", "pairs for review", reason, False))
                raise BadSettings("this key is no reader's; content.readers in the configuration lists who may read")
            yield Desk(store, reader, reason)
    except StoreError as error:
        raise BadSettings(str(error)) from None


def keep_pairs(file: ConfigFile, pairs: Sequence[AnsweredPair], workload: str, handling: Handling, days: float) -> int:
    """Keep them for so long; how many were not there yet. Raises BadSettings where there is no store, or one that fails.

    A pair that names no subject is its own: it can be erased by the id it is kept under.
    """
    store = open_content(file)
    if store is None:
        raise BadSettings(f"{file.path}: there is no content: section, so nothing can be kept; leave --keep-days out")
    now = time.time()
    with closing(store):
        try:
            store.reap(now)
            fresh = {content_id(pair): pair for pair in pairs if store.find(content_id(pair), now) is None}
            store.keep([
                Kept(
                    id=ident, tenant=f"workload:{workload}", subject=pair.subject or ident, data_class=handling.data_class,
                    labels=tuple(sorted(handling.labels)), created=now, expires=now + days * _DAY_S,
                    content=msgspec.json.encode(pair),
                )
                for ident, pair in fresh.items()
            ])  # fmt: skip
        except StoreError as error:
            raise BadSettings(str(error)) from None
    return len(fresh)
