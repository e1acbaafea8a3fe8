"""Several workers behind one port and over one ledger: money, reloads, deaths and drains are as those of one process."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from postgres_cluster import Cluster

from e2e.client import Answer, ask, caller, chat
from e2e.house import ADMIN_KEY, Gateway, House, Lab, fetch, rented, until

pytestmark = [pytest.mark.long, pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")]
ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}
WORKERS = 4
PRICE = {"input": 0, "output": 1, "valid_from": "2026-11-01", "source": "tests"}  # 1,000 nano-dollars a token of answer
TOKENS = 20  # of the longest answer, and so what a request sets aside


def summary(gateway: Gateway) -> Any:
    status, body = fetch(gateway.admin_url, "/admin/summary", ADMIN)
    return msgspec.json.decode(body) if status == 200 else {"workers": []}


def pids(gateway: Gateway) -> list[int]:
    """Of the workers that serve."""
    return [worker["pid"] for worker in summary(gateway)["workers"] if worker["ready"]]


def series(gateway: Gateway) -> dict[str, float]:
    """Every sample of /metrics, by its name and labels."""
    lines = fetch(gateway.url, "/metrics")[1].decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def requests_counted(gateway: Gateway) -> float:
    return sum(value for name, value in series(gateway).items() if name.startswith("freehold_requests_total{"))


@pytest.fixture(scope="module")
def staffed(house: House, provider: Lab) -> Gateway:
    """Most tests share it."""
    targets = {"api": rented(provider, price=PRICE, max_output_tokens=TOKENS)}
    workloads = {"w": {"targets": ["api"]}, "bounded": {"targets": ["api"]}}
    budget = {"name": "fifty", "scope": "workload", "match": "bounded", "period": "month", "usd": 50 * TOKENS / 1e6}
    return manned(house, "staffed", {"targets": targets, "workloads": workloads, "budgets": [budget]}, WORKERS)


@pytest.fixture
def pair(house: House, slow_provider: Lab, request: pytest.FixtureRequest) -> Gateway:
    """Two workers that one test may end."""
    config = {"targets": {"slow-api": rented(slow_provider)}, "workloads": {"slow": {"targets": ["slow-api"]}}}
    return manned(house, re.sub(r"\W+", "-", request.node.name), config, 2)


def manned(house: House, name: str, config: dict[str, Any], count: int) -> Gateway:
    gateway = house.gateway(name, config, "--workers", str(count))
    until(lambda: len(pids(gateway)) == count, "all workers serve")
    return gateway


async def crowd(gateway: Gateway, count: int, model: str = "w", **fields: Any) -> list[Answer]:
    """So many requests at once, each over a connection of its own."""

    async def one() -> Answer:
        async with caller(gateway.url) as session:
            return await ask(session, chat(model, **fields))

    return await asyncio.gather(*(one() for _ in range(count)))


def written(gateway: Gateway, answers: list[Answer]) -> list[dict[str, Any]]:
    """The entries of these answers."""
    ids = {answer.id for answer in answers}
    return [entry for entry in gateway.entries() if entry["id"] in ids]


async def test_a_budget_for_fifty_is_not_overspent_by_two_hundred_at_once(staffed: Gateway) -> None:
    answers = await crowd(staffed, 200, "bounded", max_tokens=TOKENS)
    done = [answer for answer in answers if answer.done]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(done) + len(refused) == 200
    assert {answer.error["code"] for answer in refused} == {"insufficient_quota"}
    spent = sum(entry["cost_nanousd"] for entry in written(staffed, answers))
    assert 0 < spent <= 50 * TOKENS * 1000
    assert spent == sum(answer.usage["completion_tokens"] for answer in done) * 1000


async def test_the_work_is_counted_once_whichever_worker_is_asked(staffed: Gateway) -> None:
    before = requests_counted(staffed)
    answers = await crowd(staffed, 100, max_tokens=3)
    assert all(answer.done for answer in answers)
    assert len(written(staffed, answers)) == 100
    assert [requests_counted(staffed) - before for _ in range(6)] == [100] * 6
    assert series(staffed)["freehold_workers"] == WORKERS
    shown = fetch(staffed.url, "/metrics")[1].decode()
    assert shown.count("# TYPE freehold_requests_total counter") == 1


async def test_a_reload_under_load_drops_nothing_and_reaches_all(house: House, staffed: Gateway) -> None:
    loaded = 'freehold_config_reloads_total{result="loaded"}'

    async def all_load(step: Callable[[], object], what: str) -> None:
        before = series(staffed).get(loaded, 0)
        step()
        await asyncio.to_thread(until, lambda: series(staffed).get(loaded, 0) >= before + WORKERS, what)

    file = house.folder / "staffed.yaml"
    text = file.read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    config["workloads"]["other"] = {"targets": ["api"]}
    stop, answers = asyncio.Event(), list[Answer]()

    async def one() -> None:
        async with caller(staffed.url) as session:
            while not stop.is_set():
                answers.append(await ask(session, chat("w", max_tokens=3)))

    clients = [asyncio.create_task(one()) for _ in range(8)]
    await all_load(lambda: file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8"), "each sees the file")
    await all_load(lambda: os.kill(staffed.pid, signal.SIGHUP), "SIGHUP reaches all")
    await all_load(lambda: admin_reload(staffed), "what the admin plane is told reaches all")
    stop.set()
    await asyncio.gather(*clients)
    assert len(answers) > 20
    assert all(answer.done for answer in answers)
    assert {entry["outcome"] for entry in written(staffed, answers)} == {"finished"}
    await all_load(lambda: file.write_text(text, encoding="utf-8"), "and back")


async def test_a_worker_killed_under_load_loses_nothing_a_caller_has_and_is_replaced(staffed: Gateway) -> None:
    answers: list[Answer] = []
    stop = asyncio.Event()
    before, counted = pids(staffed), requests_counted(staffed)

    async def one() -> None:
        while not stop.is_set():
            async with caller(staffed.url) as session:
                answers.append(await ask(session, chat("w", stream=len(answers) % 2 == 0, max_tokens=5)))

    async def more(count: int) -> None:
        enough = len(answers) + count
        await asyncio.to_thread(until, lambda: len(answers) >= enough, "answers come")

    clients = [asyncio.create_task(one()) for _ in range(20)]
    await more(60)
    os.kill(before[0], signal.SIGKILL)  # the one with the admin plane
    await more(60)
    os.kill(before[1], signal.SIGKILL)
    await asyncio.to_thread(until, lambda: replaced(staffed, before[:2]), "both are replaced", 60.0)
    await more(60)
    stop.set()
    await asyncio.gather(*clients)
    done = {answer.id for answer in answers if answer.done}
    assert done <= {entry["id"] for entry in staffed.entries() if entry["outcome"] == "finished"}
    assert len(answers) - len(done) <= 40, "only what the killed ones had in hand broke off, if they had anything"
    seen = series(staffed)
    assert (seen["freehold_worker_restarts_total"], seen["freehold_workers"]) == (2, WORKERS)
    assert requests_counted(staffed) > counted, "what a killed worker had counted stays counted"
    assert staffed.rows("PRAGMA integrity_check")[0]["integrity_check"] == "ok"


async def test_who_takes_a_place_begins_with_what_is_in_force(house: House, staffed: Gateway) -> None:
    """Not with a file that all others have refused: it would write another ledger."""
    file = house.folder / "staffed.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("sqlite:///staffed.db", "sqlite:///elsewhere.db"), encoding="utf-8")
    refused = 'freehold_config_reloads_total{result="refused"}'
    until(lambda: series(staffed).get(refused, 0) >= WORKERS, "every worker refuses it")
    victim = pids(staffed)[1]
    os.kill(victim, signal.SIGTERM)
    until(lambda: replaced(staffed, [victim]), "another takes its place", 60.0)
    answers = await crowd(staffed, 20, max_tokens=1)
    assert len(written(staffed, answers)) == 20
    assert not (house.folder / "elsewhere.db").exists()
    file.write_text(text, encoding="utf-8")


async def test_all_are_told_to_stop_and_finish_what_they_began(pair: Gateway, slow_provider: Lab) -> None:

    async def one() -> Answer:
        async with caller(pair.url) as session:
            return await ask(session, chat("slow", stream=True, max_tokens=12))

    before = slow_provider.tally()["running"]
    asking = [asyncio.create_task(one()) for _ in range(12)]
    await asyncio.to_thread(until, lambda: slow_provider.tally()["running"] == before + 12, "the answers begin")
    pair.ask_to_end()
    answers = await asyncio.gather(*asking)
    assert all(answer.done for answer in answers)
    assert await asyncio.to_thread(pair.wait_for_end) == 0
    assert {entry["outcome"] for entry in pair.entries()} == {"finished"}
    assert fetch(pair.url, "/livez")[0] == 0


async def test_over_postgresql_a_budget_holds_too(house: House, provider: Lab, cluster: Cluster) -> None:
    url = cluster.fresh()
    (house.folder / "workers-url").write_text(url, encoding="utf-8")
    config = {
        "store": f"postgresql+file:{house.folder / 'workers-url'}",
        "targets": {"api": rented(provider, price=PRICE, max_output_tokens=TOKENS)},
        "workloads": {"w": {"targets": ["api"]}},
        "budgets": [{"name": "ten", "scope": "workload", "match": "w", "period": "month", "usd": 10 * TOKENS / 1e6}],
    }
    gateway = await asyncio.to_thread(manned, house, "over-postgresql", config, 2)
    answers = await crowd(gateway, 40, max_tokens=TOKENS)
    done = [answer for answer in answers if answer.done]
    assert len(done) + sum(answer.status == 429 for answer in answers) == 40
    rows = await asyncio.to_thread(cluster.rows, "SELECT id, cost_nanousd FROM entries WHERE outcome = 'finished'", url)
    assert {row["id"] for row in rows} == {answer.id for answer in done}
    assert 0 < sum(row["cost_nanousd"] for row in rows) <= 10 * TOKENS * 1000


def test_workers_end_with_a_parent_that_is_killed(pair: Gateway) -> None:
    workers = pids(pair)
    pair.kill()
    until(lambda: not any(alive(pid) for pid in workers), "they are gone")
    assert fetch(pair.url, "/livez")[0] == 0


def replaced(gateway: Gateway, gone: list[int]) -> bool:
    there = pids(gateway)
    return len(there) == WORKERS and not set(gone) & set(there)


def admin_reload(gateway: Gateway) -> None:
    connection = HTTPConnection(gateway.admin_url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/admin/reload", headers=ADMIN)
    assert connection.getresponse().status == 202
    connection.close()


def alive(pid: int) -> bool:
    """A process that is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"
