"""One door for every route and every kind of caller; what scopes, budgets and limits do to real requests."""

import asyncio
import contextlib
import time
from typing import Any

import aiohttp
import pytest

from e2e.client import ask, caller, chat
from e2e.house import KEY, Gateway, House, Lab, fetch, owned, rented, until
from freehold.serve.access.keys import digest
from freehold.serve.stores.budget_leases import BudgetLeases
from freehold.serve.stores.key_records import Grants, KeyRecord, KeyRecords, new_key_id
from freehold.wire.dialects import PATHS

ROUTES = ("POST /v1/chat/completions", "GET /v1/models", "GET /v1/models/first")
_SAID: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {**_SAID, "max_tokens": 3}, "/v1/completions": {"prompt": "hello", "max_tokens": 3},
    "/v1/responses": {"input": "hello", "max_output_tokens": 16, "store": False}, "/v1/embeddings": {"input": "hello"},
    "/v1/messages": {**_SAID, "max_tokens": 3}, "/v1/messages/count_tokens": _SAID,
}  # fmt: skip
EVERY_ROUTE = (*(f"POST {path}" for path in PATHS), *ROUTES[1:])
ANTHROPIC = {"invalid_api_key": "authentication_error", "forbidden": "permission_error"}
STORED: dict[str, dict[str, Any]] = {
    "stored": {},
    "stored-expired": {"expires_at": 1.0},
    "stored-revoked": {"revoked_at": 1.0},
    "stored-viewer": {"role": "viewer"},
    "stored-operator": {"role": "operator"},
    "stored-elsewhere": {"grants": Grants(workloads=("second",))},
    "stored-target": {"grants": Grants(targets=("second-api",))},
    "stored-model": {"grants": Grants(models=("lab-engine",))},
    "stored-public": {"grants": Grants(classes="public")},
}
PRICE = {"input": 1, "output": 1, "valid_from": "2026-11-01", "source": "tests"}  # 1,000 nano-dollars a token


@pytest.fixture(scope="module")
def door(house: House, provider: Lab, slow_provider: Lab) -> Gateway:
    """A gateway with keys in its file and in its ledger, and budgets and limits on some of them."""
    engine = house.lab("engine", "--ttft-ms", "1", "--tokens-per-s", "5000")
    configured: dict[str, dict[str, Any]] = {
        "file": {}, "file-expired": {"expires": "2026-01-01"}, "file-admin": {"role": "admin"},
        "file-elsewhere": {"workloads": ["second"]},
        "spender": {"team": "small"}, "rich": {"team": "warned", "user": "ann"}, "slow": {}, "wordy": {}, "single": {},
    }  # fmt: skip
    config: dict[str, Any] = {
        "keys": [{"name": "tests", "sha256": digest(KEY)}]
        + [{"name": name, "sha256": digest(name)} | more for name, more in configured.items()],
        "targets": {
            "first-api": rented(provider, price=PRICE, max_output_tokens=100), "second-api": rented(provider, price=PRICE),
            "box": owned(engine.url), "slow-api": rented(slow_provider),
        },
        "workloads": {
            "first": {"targets": ["first-api", "box"]}, "second": {"targets": ["second-api"]},
            "internal": {"targets": ["first-api"], "data": "internal"}, "unhurried": {"targets": ["slow-api"]},
        },
        "budgets": [
            {"name": "small-team", "scope": "team", "match": "small", "period": "day", "usd": 0.0025},
            {"name": "users", "scope": "user", "usd": 0.00001, "mode": "warn"},
        ],
        "limits": {
            "rules": [
                {"name": "slowly", "scope": "key", "match": "slow", "requests_per_minute": 2},
                {"name": "briefly", "scope": "key", "match": "wordy", "tokens_per_minute": 120},
                {"name": "alone", "scope": "key", "match": "single", "concurrent": 1},
            ]
        },
    }  # fmt: skip
    started = house.gateway("door", config)
    records = KeyRecords(started.ledger)
    for name, more in STORED.items():
        records.make(record(name, **more))
    until(lambda: fetch(started.url, "/v1/models", {"x-api-key": "stored-public"})[0] == 200, "stored keys are taken", 2.0)
    return started


def record(name: str, **more: Any) -> KeyRecord:
    fields = {"role": None, "grants": Grants()} | more
    return KeyRecord(id=new_key_id(), name=name, sha256=digest(name), made_at=time.time(), **fields)


async def go(gateway: Gateway, route: str, headers: dict[str, str], body: dict[str, Any] | None = None) -> tuple[int, Any, Any]:
    """Status, decoded body and headers of one route."""
    method, path = route.split()
    sent = (body or {"model": "first", **BODIES[path]}) if method == "POST" else None
    async with (
        aiohttp.ClientSession(gateway.url) as session,
        session.request(method, path, headers=headers, json=sent) as reply,
    ):
        return reply.status, await reply.json(), reply.headers


@pytest.mark.parametrize("route", EVERY_ROUTE)
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"authorization": "Bearer file"}, 200, None),
        ({"x-api-key": "file"}, 200, None),
        ({"authorization": "Bearer stored"}, 200, None),
        ({"x-api-key": "stored"}, 200, None),
        ({}, 401, "invalid_api_key"),
        ({"authorization": "Bearer nobody"}, 401, "invalid_api_key"),
        ({"authorization": "Basic file"}, 401, "invalid_api_key"),
        ({"authorization": "Bearer nobody", "x-api-key": "file"}, 401, "invalid_api_key"),
        ({"x-api-key": "file-expired"}, 401, "invalid_api_key"),
        ({"x-api-key": "stored-expired"}, 401, "invalid_api_key"),
        ({"x-api-key": "stored-revoked"}, 401, "invalid_api_key"),
        ({"x-api-key": "file-admin"}, 403, "forbidden"),
        ({"x-api-key": "stored-viewer"}, 403, "forbidden"),
    ],
)
async def test_every_route_and_every_identity(
    door: Gateway, route: str, headers: dict[str, str], status: int, code: str | None
) -> None:
    got, body, back = await go(door, route, headers)
    assert got == status
    if code is not None:
        anthropic = route.startswith("POST /v1/messages")
        assert body["error"]["type" if anthropic else "code"] == (ANTHROPIC[code] if anthropic else code)
        assert back["x-should-retry"] == "false"


@pytest.mark.parametrize("key", ["file-elsewhere", "stored-elsewhere"])
async def test_a_foreign_workload(door: Gateway, key: str) -> None:
    named = {"x-api-key": key}
    assert (await go(door, ROUTES[0], named))[0] == 403
    assert (await go(door, ROUTES[0], named, chat("second", max_tokens=3)))[0] == 200
    assert (await go(door, ROUTES[2], named))[0] == 404
    listed = {model["id"] for model in (await go(door, ROUTES[1], named))[1]["data"]}
    assert listed == {"second", "second-api"}


@pytest.mark.parametrize(
    ("key", "model", "status", "target"),
    [
        ("stored-target", "second", 200, "second-api"),
        ("stored-target", "first", 403, None),
        ("stored-target", "first-api", 403, None),
        ("stored-model", "first", 200, "box"),
        ("stored-model", "first-api", 403, None),
        ("stored-model", "second", 403, None),
        ("stored-public", "first", 200, "first-api"),
        ("stored-public", "internal", 403, None),
    ],
)
async def test_scopes_bind(door: Gateway, key: str, model: str, status: int, target: str | None) -> None:
    body = chat(model, max_tokens=3)
    headers = {"x-api-key": key}
    if model == "first-api":
        headers["x-freehold-workload"] = "first"
    got, answer, back = await go(door, ROUTES[0], headers, body)
    assert got == status
    if target is None:
        assert answer["error"]["code"] == "forbidden"
    else:
        assert back["x-freehold-target"] == target


async def test_a_class_raised_by_the_caller_is_above_the_key_too(door: Gateway) -> None:
    headers = {"x-api-key": "stored-public", "x-freehold-data": "internal"}
    assert (await go(door, ROUTES[0], headers))[0] == 403


async def test_changes_are_seen_within_two_seconds(door: Gateway) -> None:
    def status() -> int:
        return fetch(door.url, "/v1/models", {"x-api-key": "fleeting"})[0]

    records = KeyRecords(door.ledger)
    assert status() == 401
    records.make(record("fleeting"))
    until(lambda: status() == 200, "the new key is taken", 2.0)
    records.revoke("fleeting", time.time())
    until(lambda: status() == 401, "the revoked key is refused", 2.0)


async def test_the_entry_names_team_user_and_budgets(door: Gateway) -> None:
    async with caller(door.url, "rich") as session:
        answer = await ask(session, chat("first", max_tokens=3, user="somebody else"))
    entry = door.entry(answer.id)
    assert (entry["key"], entry["team"], entry["user_id"], entry["budgets"]) == ("rich", "warned", "ann", '["users/ann"]')


async def test_a_budget_that_warns_serves_and_says_so(door: Gateway) -> None:
    async with caller(door.url, "rich") as session:
        answers = [await ask(session, chat("first", max_tokens=20)) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert answers[-1].headers["x-freehold-budget"] == "users over"


async def test_two_hundred_at_once_overspend_nothing(door: Gateway) -> None:
    """2,500,000 nano-dollars at 1,000 a token: some fifty answers of thirty tokens and their prompts."""
    async with caller(door.url, "spender") as session:
        answers = await asyncio.gather(*(ask(session, chat("second", "x" * 60, max_tokens=30)) for _ in range(200)))
    assert {answer.status for answer in answers} == {200, 429}
    refused = [answer for answer in answers if answer.status == 429]
    assert {answer.error["code"] for answer in refused} == {"insufficient_quota"}
    assert {answer.headers["x-should-retry"] for answer in refused} == {"false"}
    assert all("budget 'small-team' of " in answer.error["message"] for answer in refused)
    entries = [entry for entry in door.entries() if entry["key"] == "spender"]
    assert len(entries) == 200
    spent = sum(entry["cost_nanousd"] for entry in entries)
    assert 0 < spent <= 2_500_000
    with contextlib.closing(BudgetLeases(door.ledger)) as leases:
        day = time.strftime("%Y-%m-%d", time.gmtime())
        (total,) = (one for one in leases.totals(time.time(), (day, day)) if one.owner == "small-team")
    assert total.spent_nanousd == spent
    metrics = fetch(door.url, "/metrics")[1].decode()
    assert 'freehold_limited_total{reason="budget",scope="team"}' in metrics
    assert 'freehold_budget_remaining_ratio{budget="small-team"}' in metrics


async def test_what_nothing_bounds_is_refused_or_owned(door: Gateway) -> None:
    async with caller(door.url, "spender") as session:
        unbounded = await ask(session, chat("second"))
        assert unbounded.status == 400
        assert unbounded.error["param"] == "max_completion_tokens"
        assert (door.entry(unbounded.id)["outcome"], door.entry(unbounded.id)["cost_nanousd"]) == ("refused", 0)
        assert "budget 'small-team' is hard, and nothing bounds the output that second-api may bill" in unbounded.error["message"]


async def test_where_a_budget_cannot_pay_owned_capacity_serves(door: Gateway) -> None:
    async with caller(door.url, "spender") as session:
        answer = await ask(session, chat("first", "y" * 3_000, max_tokens=3))
    assert (answer.status, answer.headers["x-freehold-target"]) == (200, "box")
    entry = door.entry(answer.id)
    assert entry["cost_nanousd"] == 0
    assert entry["budgets"] is None
    assert '"budget"' in entry["removed"]


async def test_requests_in_a_minute(door: Gateway) -> None:
    async with caller(door.url, "slow") as session:
        answers = [await ask(session, chat("first", max_tokens=3)) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["1", "0", "0"]
    last = answers[-1]
    assert last.error["code"] == "rate_limit_exceeded"
    assert last.headers["x-should-retry"] == "true"
    assert 50 <= int(last.headers["retry-after"]) <= 60


async def test_tokens_are_corrected_by_what_was_used(door: Gateway) -> None:
    """Each may take some 90 tokens and takes some 10: two fit in a minute of 120 only because the first was corrected."""
    async with caller(door.url, "wordy") as session:
        answers = [await ask(session, chat("first", max_tokens=60, stop=None)) for _ in range(1)]
        assert answers[0].status == 200
        left = 120 - sum(answers[0].usage[kind] for kind in ("prompt_tokens", "completion_tokens"))
        again = await ask(session, chat("first", max_tokens=3))
    assert int(again.headers["x-ratelimit-remaining-tokens"]) < left
    assert answers[0].headers["x-ratelimit-limit-tokens"] == "120"


async def test_one_at_a_time(door: Gateway) -> None:
    async with caller(door.url, "single") as session:
        both = await asyncio.gather(*(ask(session, chat("unhurried", max_tokens=2)) for _ in range(8)))
        after = await ask(session, chat("first", max_tokens=3))
    assert sorted(answer.status for answer in both) == [200] + [429] * 7
    assert after.status == 200


@pytest.mark.parametrize(
    ("key", "read", "change"),
    [
        ("fh_for-the-admin", 200, 202), ("file-admin", 200, 202), ("stored-operator", 200, 202), ("stored-viewer", 200, 403),
        ("stored", 401, 401), ("file", 401, 401), ("nobody", 401, 401),
    ],
)  # fmt: skip
async def test_roles_of_the_admin_api(door: Gateway, key: str, read: int, change: int) -> None:
    async with aiohttp.ClientSession(door.admin_url, headers={"authorization": f"Bearer {key}"}) as session:
        async with session.get("/admin/budgets") as reply:
            assert reply.status == read
            if read == 200:
                assert {one["budget"] for one in await reply.json()} <= {"small-team", "users"}
        async with session.post("/admin/reload") as reply:
            assert reply.status == change


async def test_a_session_ends_with_its_key(door: Gateway) -> None:
    records = KeyRecords(door.ledger)
    records.make(record("passing", role="viewer"))
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(door.admin_url, cookie_jar=jar) as session:

        async def status() -> int:
            async with session.get("/admin/budgets") as reply:
                return reply.status

        async def log_in() -> bool:
            async with session.post("/login", data={"key": "passing"}, allow_redirects=False) as reply:
                return reply.status == 303

        deadline = time.monotonic() + 5
        while not await log_in():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert await status() == 200
        records.revoke("passing", time.time())
        while await status() != 401:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
