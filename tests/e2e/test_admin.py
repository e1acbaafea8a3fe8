"""The admin plane of a running gateway: nothing without its key, nothing for another host name, and what it then tells."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from e2e.client import ask, caller, chat
from e2e.house import ADMIN_KEY, KEY, Gateway, fetch

PATHS = ("/admin/summary", "/admin/entries", "/admin/handled")


def admin(key: str = ADMIN_KEY) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def get(url: str, path: str, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    async with aiohttp.ClientSession() as session, session.get(url + path, headers=headers) as reply:
        return reply.status, reply.content_type, await reply.read()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [{}, admin("fh_wrong"), admin(KEY), {"cookie": "freehold_admin=guess"}])
async def test_nothing_without_the_admin_key(gateway: Gateway, path: str, headers: dict[str, str]) -> None:
    status, kind, body = await get(gateway.admin_url, path, headers)
    assert (status, kind) == (401, "application/problem+json")
    assert b"the admin key is needed" in body


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
@pytest.mark.parametrize("path", [*PATHS, "/"])
async def test_a_name_rebound_to_loopback_is_refused(gateway: Gateway, host: str, path: str) -> None:
    status, _, body = await get(gateway.admin_url, path, admin() | {"host": host})
    assert status == 400
    assert b"slices" not in body


async def test_the_admin_key_opens_no_data_plane_and_the_other_way_round(gateway: Gateway) -> None:
    async with caller(gateway.url, ADMIN_KEY) as session:
        assert (await ask(session, chat("fast"))).status == 401
    for path in PATHS:
        assert fetch(gateway.url, path, admin())[0] == 404, "the data port has no admin API"


async def test_the_summary(gateway: Gateway) -> None:
    async with caller(gateway.url) as session:
        answer = await ask(session, chat("fast", max_tokens=3))
    async with aiohttp.ClientSession(gateway.admin_url, headers=admin()) as session:
        async with session.get("/admin/summary") as reply:
            summary = await reply.json()
        async with session.get("/admin/entries", params={"limit": 1}) as reply:
            (newest,) = await reply.json()
        for limit in ("0", "1001", "many", "-1"):
            async with session.get("/admin/entries", params={"limit": limit}) as reply:
                assert (reply.status, reply.content_type) == (400, "application/problem+json")
    targets = {target["name"]: target for target in summary["targets"]}
    assert (targets["fast-api"]["kind"], targets["fast-api"]["clearance"], targets["fast-api"]["lab"]) == (
        "rented",
        "internal",
        True,
    )
    assert (targets["tickets-llamacpp"]["kind"], targets["tickets-llamacpp"]["lab"]) == ("owned", False)
    assert {target["in_flight"] for target in targets.values()} == {0}
    assert (summary["violations"], summary["unproven"]) == ([], 0)
    (mine,) = [row for row in summary["slices"] if row["workload"] == "fast"]
    counted = [entry for entry in gateway.entries() if entry["workload"] == "fast"]
    assert (mine["requests"], mine["cost_nanousd"]) == (len(counted), sum(entry["cost_nanousd"] for entry in counted))
    assert (newest["id"], newest["outcome"], newest["target"]) == (answer.id, "finished", "fast-api")


async def test_what_was_found_removed_and_refused(gateway: Gateway) -> None:
    async with aiohttp.ClientSession(gateway.admin_url, headers=admin()) as session:

        async def handled() -> dict[str, list[dict[str, Any]]]:
            async with session.get("/admin/handled") as reply:
                told: dict[str, list[dict[str, Any]]] = await reply.json()
                return told

        def emails(told: Mapping[str, list[dict[str, Any]]]) -> int:
            return sum(one["requests"] for one in told["findings"] if one["kind"] == "email")

        before = await handled()
        async with caller(gateway.url) as data:
            answer = await ask(data, chat("fast", "write to quinn@example.com", max_tokens=3))
        after = await handled()
    assert answer.status == 200
    assert emails(after) == emails(before) + 1
    (email,) = [one for one in after["findings"] if one["kind"] == "email"]
    assert email["label"] == "pii"
    assert "quinn" not in str(after)
    removed = [entry for entry in gateway.entries() if entry["removed"]]
    assert sum(one["requests"] for one in after["removals"]) >= len(removed)
    refused = [entry for entry in gateway.entries() if entry["outcome"] == "refused"]
    assert sum(one["requests"] for one in after["refusals"]) == len(refused)


async def test_logging_in_with_a_browser(gateway: Gateway) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(gateway.admin_url, cookie_jar=jar) as browser:
        async with browser.get("/") as reply:
            form = await reply.text()
        assert 'name="key"' in form
        async with browser.post("/login", data={"key": "fh_wrong"}) as reply:
            assert (reply.status, "That is not the admin key." in await reply.text()) == (401, True)
        async with browser.post("/login", data={"key": ADMIN_KEY}, allow_redirects=False) as reply:
            assert (reply.status, reply.headers["location"]) == (303, "/")
            cookie = reply.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert ADMIN_KEY not in cookie
        async with browser.get("/") as reply:
            assert await reply.text() != form
        async with browser.get("/admin/summary") as reply:
            assert reply.status == 200
        async with browser.get("/admin/summary", headers=admin("fh_wrong")) as reply:
            assert reply.status == 401, "a wrong key is wrong, cookie or not"
        async with browser.post("/login", data=b"key=" + b"x" * 100_000) as reply:
            assert reply.status == 413


async def test_health_readiness_and_metrics(gateway: Gateway) -> None:
    assert fetch(gateway.url, "/livez") == (200, b'{"alive":true}')
    status, body = fetch(gateway.url, "/readyz")
    assert (status, b'"ledger":"ok"' in body) == (200, True)
    async with caller(gateway.url) as session:
        await ask(session, chat("fast", max_tokens=3))
    finished = [entry for entry in gateway.entries() if (entry["target"], entry["outcome"]) == ("fast-api", "finished")]
    status, kind, text = await get(gateway.url, "/metrics", {})
    assert (status, kind) == (200, "text/plain")
    series = dict(line.rsplit(" ", 1) for line in text.decode().splitlines() if not line.startswith("#"))
    name = 'freehold_requests_total{outcome="finished",target="fast-api",workload="fast"}'
    assert float(series[name]) == len(finished)
    assert float(series['freehold_target_up{target="fast-api"}']) == 1
