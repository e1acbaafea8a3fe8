"""Nothing but the content store keeps content: a phrase goes down every path, and is looked for in everything that is written.

A target that works against us is part of it: it puts the phrase into errors, redirects, events and headers.
"""

import asyncio
import contextlib
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from e2e.client import Answer, ask, caller, chat
from e2e.house import ADMIN_KEY, KEY, Gateway, House, fetch, owned, until
from freehold.serve.access.keys import digest

PHRASE = "the orchid blooms at night over Rotterdam"
FORMS = [form.encode() for form in (PHRASE, PHRASE.replace(" ", "%20"), PHRASE.replace(" ", "+"), PHRASE.replace(" ", "-"))]
WHOLE = {
    "choices": [{"message": {"role": "assistant", "content": PHRASE}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 9},
}
DELTA = msgspec.json.encode({"choices": [{"delta": {"content": PHRASE}}]})
ERROR = msgspec.json.encode(
    {"error": {"message": f"bad prompt: {PHRASE}", "type": "invalid_request_error", "code": "bad_prompt"}}
)


def http(status: str, body: bytes, kind: str = "application/json", *more: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body) if length is None else length}", *more]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body


def events(*datas: bytes) -> bytes:
    return b"".join(b"data: " + data + b"\n\n" for data in datas)


STREAM = "text/event-stream"
DONE = msgspec.json.encode({"choices": [{"delta": {}, "finish_reason": "stop"}]})
# what the prompt asks for -> what the target sends
MOODS: Mapping[str, bytes] = {
    "whole": http("200 OK", msgspec.json.encode(WHOLE)),
    "stream": http("200 OK", events(DELTA, DELTA, DONE, b"[DONE]"), STREAM),
    "refused": http("400 Bad Request", ERROR),
    "moderated": http("403 Forbidden", ERROR.replace(b"bad_prompt", b"content_filter")),
    "broken": http("500 Oops", ERROR),
    "broken-html": http("502 Bad Gateway", f"<p>{PHRASE}</p>".encode(), "text/html"),
    "limited": http("429 Slow Down", ERROR, "application/json", f"retry-after: {PHRASE}"),
    "redirect": http("307 Temporary Redirect", b"", "text/plain", f"location: http://127.0.0.1:9/{PHRASE.replace(' ', '%20')}"),
    "reason": http(f"418 {PHRASE}", b""),
    "not-json": http("200 OK", PHRASE.encode()),
    "wrong-shape": http("200 OK", msgspec.json.encode({"choices": PHRASE, PHRASE: PHRASE})),
    "wrong-key": http("200 OK", msgspec.json.encode({"choices": [{"message": {PHRASE: 1}, "finish_reason": 7}]})),
    "error-in-200": http("200 OK", ERROR),
    "error-event": http("200 OK", events(DELTA, ERROR), STREAM),
    "error-first": http("200 OK", events(ERROR), STREAM),
    "bad-event": http("200 OK", events(DELTA, b'{"choices": "' + PHRASE.encode() + b'"}'), STREAM),
    "bad-bytes": http("200 OK", events(DELTA, b"\xff" + PHRASE.encode()), STREAM),
    "cut": http("200 OK", events(DELTA), STREAM, length=9999),
    "cut-whole": http("200 OK", msgspec.json.encode(WHOLE), length=9999),
    "no-finish": http("200 OK", events(DELTA), STREAM),
    "header": http("200 OK", msgspec.json.encode(WHOLE), "application/json", f"x-echo: {PHRASE}", f"set-cookie: a={PHRASE}"),
    "not-http": PHRASE.encode() + b"\r\n\r\n",
}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
        body = await reader.readexactly(length)
        mood = next((name for name in sorted(MOODS, key=len, reverse=True) if f"mood={name};".encode() in body), None)
        writer.write(http("404 Not Found", b"") if mood is None else MOODS[mood])
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


@asynccontextmanager
async def hostile() -> AsyncIterator[str]:
    listening = await asyncio.start_server(_serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    with House(tmp_path) as house:
        yield house


def config(url: str, **more: Any) -> dict[str, Any]:
    target = owned(url, clearance="restricted", health={"failures": 1000})  # it fails all the time, and is to be asked again
    return {"targets": {"box": target}, "workloads": {"w": {"targets": ["box"], **more}}, "bounds": {"idle_s": 2}}


async def down_every_path(gateway: Gateway) -> dict[str, Answer]:
    """Every mood; bodies that are wrong in every way; callers who leave."""
    answers: dict[str, Answer] = {}
    prompt = f"say: {PHRASE}"
    async with caller(gateway.url) as session:
        for mood in MOODS:
            streamed = b"text/event-stream" in MOODS[mood]
            answers[mood] = await ask(session, chat("w", f"{prompt} mood={mood};", stream=streamed, user=PHRASE))
        wrong: dict[str, Any] = {
            "model": chat(PHRASE, prompt), "field": chat("w", prompt, **{PHRASE: PHRASE}), "n": chat("w", prompt, n=PHRASE),
            "hint": chat("w", prompt, provider={"data_collection": PHRASE}), "store": chat("w", prompt, store=True),
            "hint-name": chat("w", prompt, provider={PHRASE: 1}), "messages": {"model": "w", "messages": PHRASE},
            "media": chat("w", "x", messages=[{"role": "user", "content": [{"image_url": {"url": f"https://{PHRASE}.example"}}]}]),
            "type": chat("w", "x", messages=[{"role": "user", "content": [{"type": PHRASE, PHRASE: [PHRASE]}]}]),
            "tools": chat("w", prompt, tools=[{"type": PHRASE}]), "stream": chat("w", prompt, stream=PHRASE),
        }  # fmt: skip
        for name, body in wrong.items():
            answers[f"wrong {name}"] = await ask(session, body)
        for header in ("x_freehold_data", "x_freehold_workload", "x_freehold_stands_for", "x_freehold_oops"):
            answers[header] = await ask(session, chat("w", f"{prompt} mood=whole;"), **{header: PHRASE})
        for raw in (
            PHRASE.encode(),
            b'{"model":"w","messages":[{"role":"user","content":"' + PHRASE.encode(),
            b"\xff" + PHRASE.encode(),
        ):
            async with session.post("/v1/chat/completions", data=raw) as reply:
                assert reply.status == 400
        async with session.get(f"/v1/models/{PHRASE}") as reply:
            assert reply.status == 404
        with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError):
            async with asyncio.timeout(0.2):
                await ask(session, chat("w", f"{prompt} mood=stream;", stream=True))
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(
        f"POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer {KEY}\r\ncontent-length: 9999\r\n\r\n{PHRASE}".encode()
    )
    await writer.drain()
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(f"{PHRASE}\r\n\r\n".encode())
    await reader.read()
    writer.close()
    return answers


def hits(folder: Path) -> list[str]:
    """The files under the folder that hold the phrase, in any of its forms."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert len(files) >= 4, "there is something to look through"
    return [str(file.relative_to(folder)) for file in files if any(form in file.read_bytes() for form in FORMS)]


def told(gateway: Gateway) -> bytes:
    """Everything that the gateway tells of itself."""
    admin = {"authorization": f"Bearer {ADMIN_KEY}"}
    paths = ("/admin/summary", "/admin/entries?limit=1000", "/admin/signals", "/admin/config")
    pages = [fetch(gateway.admin_url, path, admin) for path in paths] + [
        fetch(gateway.url, path) for path in ("/metrics", "/readyz")
    ]
    assert {status for status, _ in pages} <= {200, 503}
    return b"".join(body for _, body in pages)


async def test_no_content_is_kept_anywhere(house: House) -> None:
    async with hostile() as url:
        gateway = await asyncio.to_thread(house.gateway, "canary", config(url))
        answers = await down_every_path(gateway)
        await asyncio.to_thread(until, lambda: len(gateway.entries()) >= len(MOODS), "the entries are written")
        said = await asyncio.to_thread(told, gateway)
        assert hits(house.folder) == [], "while it runs: the ledger, its WAL, the log, the temporary folder"
        gateway.kill()
        assert hits(house.folder) == [], "as a crash leaves it"
        (house.folder / "found").write_text(f"x{PHRASE}x", encoding="ascii")
        assert hits(house.folder) == ["found"], "and the search does find it where it is"
    assert not any(form in said for form in FORMS)
    assert PHRASE in answers["whole"].text
    assert FORMS[0] in answers["stream"].body
    outcomes = {mood: answers[mood].status for mood in MOODS}
    assert {mood for mood, status in outcomes.items() if status == 200} == {"whole", "stream", "header", "cut", "no-finish"}
    assert outcomes["redirect"] == 502
    entries = gateway.entries()
    assert len({entry["outcome"] for entry in entries}) >= 4
    assert {attempt["outcome"] for entry in entries for attempt in entry["attempts"]} >= {
        "finished", "rejected", "broken", "malformed", "cut", "overloaded", "unreachable"
    }  # fmt: skip


@pytest.mark.long
async def test_with_the_content_store_it_is_there_alone_and_encrypted(house: House) -> None:
    key, reader = house.folder / "content.key", "fh_reader"
    key.write_text("bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW0=\n", encoding="ascii")
    content = {"key": f"file:{key}", "readers": [{"name": "ada", "sha256": digest(reader), "up_to": "confidential"}]}
    async with hostile() as url:
        whole = config(url, keep_content={"ttl_days": 1, "up_to": "confidential"}) | {"content": content}
        gateway = await asyncio.to_thread(house.gateway, "keeping", whole)
        answers = await down_every_path(gateway)
        async with caller(gateway.url) as session:
            secret = await ask(session, chat("w", f"{PHRASE} mood=whole;"), x_freehold_data="restricted")
        kept = {mood for mood in MOODS if answers[mood].done and answers[mood].status == 200}
        await asyncio.to_thread(
            until, lambda: b'freehold_content_records_total{outcome="kept"}' in told(gateway), "content is kept"
        )
        gateway.ask_to_end()
        assert await asyncio.to_thread(gateway.wait_for_end) == 0
    assert hits(house.folder) == []
    with contextlib.closing(sqlite3.connect(house.folder / "content.db")) as db:
        rows = {row[0]: row[1:] for row in db.execute("SELECT id, tenant, data_class FROM records")}
    assert {answers[mood].id for mood in kept} <= rows.keys()
    assert secret.done
    assert secret.id not in rows, "of restricted data nothing is kept unless it is stated"
    assert {entry["id"] for entry in gateway.entries() if entry["outcome"] == "finished"} >= rows.keys()
    environment = os.environ | {"FREEHOLD_READER_KEY": reader}
    shown = await _freehold(
        house.folder, environment, "content", "show", answers["stream"].id, "--reason", "test", "-c", "keeping.yaml"
    )
    both = msgspec.json.decode(shown)
    assert both["request"]["user"] == PHRASE
    assert both["answer"].encode() == answers["stream"].body
    assert PHRASE in both["answer"]
    receipt = await _freehold(house.folder, environment, "content", "erase", "--subject", PHRASE, "-c", "keeping.yaml")
    assert {ident for ident, _ in msgspec.json.decode(receipt)["records"]} == {answers[mood].id for mood in kept}
    assert PHRASE.encode() not in receipt


async def _freehold(folder: Path, environment: Mapping[str, str], *words: str) -> bytes:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "freehold", *words, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await child.communicate()
    assert child.returncode == 0, said
    return said
