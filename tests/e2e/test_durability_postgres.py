"""The ledger's promise over PostgreSQL: a gateway killed under load, a database gone for a while, two gateways at once."""

import asyncio
import random
import subprocess
import sys

import msgspec
import pytest
from postgres_cluster import PASSWORD, Cluster

from e2e.client import Answer
from e2e.house import Gateway, House, Lab, fetch, free_port, rented, until
from e2e.test_durability import crowd, load_until_killed


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.fresh()


def gateway_over(url: str, house: House, provider: Lab) -> Gateway:
    """The URL is in the environment, because it holds a password."""
    config = {
        "targets": {"api": rented(provider)},
        "workloads": {"w": {"targets": ["api"]}},
        "store": f"postgresql+file:{house.folder / 'ledger-url'}",
    }
    (house.folder / "ledger-url").write_text(url, encoding="utf-8")
    return house.gateway(f"postgres-{free_port()}", config)


@pytest.mark.parametrize("rounds", [2, pytest.param(30, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
async def test_kill_9_under_load_loses_nothing_a_caller_has(
    house: House, provider: Lab, cluster: Cluster, url: str, rounds: int
) -> None:
    seed = random.randrange(2**32)
    source, gateway = random.Random(seed), gateway_over(url, house, provider)
    whole: dict[str, Answer] = {}
    for number in range(rounds):
        answers = await load_until_killed(gateway, source)
        fresh = {answer.id: answer for answer in answers if answer.done}
        assert any(not answer.done for answer in answers), "the kill came in the middle"
        rows = await asyncio.to_thread(cluster.rows, "SELECT id, answer_output FROM entries WHERE outcome = 'finished'", url)
        counted = {row["id"]: row["answer_output"] for row in rows}
        lost = fresh.keys() - counted.keys()
        assert not lost, f"round {number}, seed {seed}: {len(lost)} of {len(fresh)} whole answers have no entry"
        for ident, answer in fresh.items():
            assert counted[ident] == len(answer.text.split())
        whole |= fresh
        gateway = house.again(gateway)
    assert whole.keys() <= {row["id"] for row in cluster.rows("SELECT id FROM entries", url)}
    assert not cluster.rows("SELECT id FROM entries WHERE id NOT IN (SELECT entry_id FROM attempts)", url), "one transaction"


async def test_a_database_that_is_gone_stops_the_money_not_the_truth(
    house: House, provider: Lab, cluster: Cluster, url: str
) -> None:
    gateway = gateway_over(url, house, provider)
    assert all(answer.done for answer in await crowd(gateway))
    with cluster.away():
        answers = await crowd(gateway)
        assert not any(answer.done for answer in answers)
        assert {answer.error["code"] for answer in answers} == {"ledger_unavailable"}
        assert all(answer.clean for answer in answers), "each is told, none is just cut off"
        status, ready = fetch(gateway.url, "/readyz")
        assert (status, msgspec.json.decode(ready)["ledger"]) == (503, "unwritable")
        before = provider.tally()["requests"]
        answers = await crowd(gateway)
        assert {(answer.status, answer.headers["retry-after"]) for answer in answers} == {(503, "1")}
        assert provider.tally()["requests"] == before, "nothing is asked of a target that could not be accounted for"
        told = {answer.error["message"] for answer in answers}
        assert not [message for message in told if str(cluster.port) in message or "127.0.0.1" in message]
    await asyncio.to_thread(until, lambda: fetch(gateway.url, "/readyz")[0] == 200, "the ledger is reached again")
    assert all(answer.done for answer in await crowd(gateway))
    counted = cluster.rows("SELECT outcome, count(*) AS n FROM entries GROUP BY 1", url)
    assert counted == [{"outcome": "finished", "n": 40}]
    assert PASSWORD not in gateway.log.read_text(encoding="utf-8")


async def test_a_database_that_was_restarted_between_two_requests_is_not_noticed(
    house: House, provider: Lab, cluster: Cluster, url: str
) -> None:
    gateway = gateway_over(url, house, provider)
    assert all(answer.done for answer in await crowd(gateway))
    with cluster.away():
        pass
    assert all(answer.done for answer in await crowd(gateway))
    assert fetch(gateway.url, "/readyz")[0] == 200


@pytest.mark.long
async def test_two_gateways_fill_one_ledger(house: House, provider: Lab, url: str) -> None:
    gateways = [gateway_over(url, house, provider) for _ in range(2)]
    answers = [answer for answers in await asyncio.gather(*(crowd(gateway) for gateway in gateways)) for answer in answers]
    assert all(answer.done for answer in answers)
    command = [sys.executable, "-m", "freehold", "ledger", "summary", "--ledger", "postgresql+env:THE_LEDGER", "--json"]
    done = await asyncio.to_thread(
        subprocess.run, command, env={"THE_LEDGER": url}, capture_output=True, check=False, cwd=house.folder
    )
    assert done.returncode == 0, done.stderr
    (piece,) = msgspec.json.decode(done.stdout)["slices"]
    assert (piece["requests"], piece["answered"]) == (40, 40)
