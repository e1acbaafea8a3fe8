"""Whose data a request is, said in a header: kept under the team, found by an erasure, and written down nowhere else."""

import asyncio
import base64
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from e2e.client import ask, caller, chat
from e2e.house import KEY, House, Lab, fetch, rented, until
from freehold.serve.access.keys import digest
from freehold.serve.stores.content import ContentStore
from freehold.serve.stores.place import StoreError

SUBJECT = "user-4711-wisteria"


async def test_a_subject_in_the_header_is_kept_erased_and_never_logged(house: House, provider: Lab) -> None:
    (house.folder / "master").write_text(base64.b64encode(b"m" * 32).decode(), encoding="ascii")
    config = {
        "keys": [{"name": "tests", "sha256": digest(KEY), "team": "red"}],
        "targets": {"api": rented(provider)},
        "workloads": {"w": {"targets": ["api"], "keep_content": {"ttl_days": 1}}},
        "content": {"path": "subject-content.db", "key": f"file:{house.folder / 'master'}"},
    }
    gateway = house.gateway("subject", config)
    async with caller(gateway.url) as session:
        answer = await ask(session, chat("w", "hello", max_tokens=3, user="ada"), x_freehold_subject=SUBJECT)
        refused = await ask(session, chat("w", "hello", max_tokens=3), x_freehold_subject=f"{SUBJECT} and more")
    assert (answer.status, refused.status) == (200, 400)
    assert SUBJECT.encode() not in refused.body
    path = house.folder / "subject-content.db"
    await asyncio.to_thread(until, lambda: _rows(path) == [(answer.id, "team:red")], "it is kept")
    for file in house.folder.glob("subject*"):
        if file.suffix != ".yaml":
            assert SUBJECT.encode() not in file.read_bytes(), file
    assert SUBJECT.encode() not in fetch(gateway.url, "/metrics")[1]
    with closing(ContentStore(path, b"m" * 32)) as store:
        row = store.find(answer.id, 0.0)
        assert row is not None
        assert b"hello" in store.content(row)
        assert [ident for ident, _ in store.erase(SUBJECT, row.created + 1).records] == [answer.id]
        with pytest.raises(StoreError):
            store.content(row)


def _rows(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return db.execute("SELECT id, tenant FROM records").fetchall()
