"""Limits: counted before the call, corrected after it, told in the dialect's headers; with the counts in memory and in Redis."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from limits.aio.storage import MemoryStorage, RedisStorage
from redis_server import RedisServer, redis_binary
from services import REQUIRED, NotHere

from freehold.core.errors import RateLimited
from freehold.rules.budget import Caller
from freehold.serve.access.limits import Entered, Limit, Limiter
from freehold.serve.access.windows import Storage, Windows
from freehold.wire.limits import duration, limit_headers

CALLER: Caller = {"key": "app", "team": "red", "user": None, "workload": "triage"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    try:
        redis_binary()
    except NotHere as problem:
        pytest.fail(str(problem)) if os.environ.get(REQUIRED) == "1" else pytest.skip(str(problem))
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(params=["memory", "redis"])
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    if request.param == "memory":
        yield MemoryStorage()
        return
    found = RedisStorage(f"async+{request.getfixturevalue('server').url}", implementation="redispy")
    await found.reset()
    yield found
    await Windows(found, time.time).close()


def limiter(storage: Storage) -> Limiter:
    return Limiter(Windows(storage, time.time))


async def enter(doors: Limiter, limits: Sequence[Limit], tokens: int = 10, **caller: str) -> Entered:
    return await doors.enter(limits, {**CALLER, **caller}, tokens, time.time())  # type: ignore[dict-item]


def told(left: Entered | RateLimited) -> dict[str, str]:
    """The headers that OpenAI's SDKs read."""
    return dict(limit_headers(left.windows, "openai_chat", left.at))


async def refused(doors: Limiter, limits: Sequence[Limit], tokens: int = 10) -> RateLimited:
    with pytest.raises(RateLimited) as told:
        await enter(doors, limits, tokens)
    return told.value


async def test_requests_in_a_minute(storage: Storage) -> None:
    doors, limit = limiter(storage), Limit(name="keys", scope="key", requests_per_minute=3)
    left = [told(await enter(doors, [limit]))["x-ratelimit-remaining-requests"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    error = await refused(doors, [limit])
    assert (error.status, error.code, error.kind, error.retry) == (429, "rate_limit_exceeded", "requests", True)
    assert 55 < (error.retry_after_s or 0) <= 60
    headers = told(error)
    assert headers["x-ratelimit-limit-requests"] == "3"
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert headers["x-ratelimit-reset-requests"] in {"1m0s", "60s", "59s", "58s", "57s", "56s"}
    await enter(doors, [limit], key="another")


async def test_a_refused_request_is_not_counted(storage: Storage) -> None:
    """Else a caller that tries again and again would shut itself out, and the other limit would count what never was."""
    doors = limiter(storage)
    wide, narrow = Limit(name="w", scope="team", requests_per_minute=4), Limit(name="n", scope="key", requests_per_minute=1)
    await enter(doors, [wide, narrow])
    for _ in range(5):
        await refused(doors, [wide, narrow])
    headers = told(await enter(doors, [wide, narrow], key="other"))
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert told(await enter(doors, [wide]))["x-ratelimit-remaining-requests"] == "1"


async def test_tokens_are_counted_by_the_most_and_corrected(storage: Storage) -> None:
    doors, limit = limiter(storage), Limit(name="keys", scope="key", tokens_per_minute=100)
    entered = await enter(doors, [limit], 90)
    assert (await refused(doors, [limit], 20)).kind == "tokens"
    await doors.correct(entered, 30)
    assert told(await enter(doors, [limit], 70))["x-ratelimit-remaining-tokens"] == "0"
    await refused(doors, [limit], 1)


async def test_more_tokens_than_were_expected_count_too(storage: Storage) -> None:
    doors, limit = limiter(storage), Limit(name="keys", scope="key", tokens_per_minute=100)
    await doors.correct(await enter(doors, [limit], 10), 95)
    await refused(doors, [limit], 6)
    await enter(doors, [limit], 5)


async def test_a_request_that_never_fits_is_told_so(storage: Storage) -> None:
    error = await refused(limiter(storage), [Limit(name="keys", scope="key", tokens_per_minute=100)], 101)
    assert (error.retry, error.retry_after_s) == (False, None)
    assert "101 tokens, and limit 'keys' allows 100" in error.message


async def test_at_once(storage: Storage) -> None:
    doors, limit = limiter(storage), Limit(name="keys", scope="key", concurrent=2)
    first = await enter(doors, [limit])
    await enter(doors, [limit])
    error = await refused(doors, [limit])
    assert (error.kind, error.retry_after_s) == ("concurrent", 1)
    doors.leave(first)
    doors.leave(first)
    await enter(doors, [limit])
    await refused(doors, [limit])


async def test_many_at_once_are_let_in_as_often_as_is_allowed(storage: Storage) -> None:
    doors, limit = limiter(storage), Limit(name="keys", scope="key", requests_per_minute=50)
    results = await asyncio.gather(*(enter(doors, [limit]) for _ in range(200)), return_exceptions=True)
    assert sum(isinstance(result, Entered) for result in results) <= 50
    assert all(isinstance(result, Entered | RateLimited) for result in results)


async def test_whose_limit_it_is(storage: Storage) -> None:
    limits = [
        Limit(name="others", scope="team", match="blue", requests_per_minute=1),
        Limit(name="users", scope="user", requests_per_minute=1),
    ]
    doors = limiter(storage)
    for _ in range(3):
        assert (await enter(doors, limits)).windows == []
    await enter(doors, limits, user="ann")
    with pytest.raises(RateLimited):
        await enter(doors, limits, user="ann")


async def test_without_redis_requests_pass_and_are_counted(server: RedisServer, tmp_path: Path) -> None:
    with RedisServer(tmp_path) as own:
        storage = RedisStorage(f"async+{own.url}", implementation="redispy")
        doors, limit = limiter(storage), Limit(name="keys", scope="key", requests_per_minute=1)
        await enter(doors, [limit])
        await refused(doors, [limit])
        own.stop()
        began = time.monotonic()
        for _ in range(20):
            await enter(doors, [limit])
        assert time.monotonic() - began < 1.5, "only the first waits"
        assert doors.failures == 20
        own.start()
        await asyncio.sleep(1.1)
        await enter(doors, [limit])
        await refused(doors, [limit])
        await Windows(storage, time.time).close()


@pytest.mark.parametrize(("seconds", "text"), [(0, "0ms"), (0.0115, "12ms"), (1, "1s"), (59.2, "1m0s"), (360, "6m0s")])
def test_a_reset_is_a_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
