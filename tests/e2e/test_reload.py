"""A running gateway takes another configuration whole or not at all, and no request notices."""

import asyncio
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from e2e.client import Answer, ask, caller, chat
from e2e.house import ADMIN_KEY, Gateway, House, Lab, fetch, rented, until

ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}


def file_of(house: House, gateway: Gateway) -> Path:
    return house.folder / f"{gateway.name}.yaml"


def text_with(file: Path, **changes: Any) -> str:
    return yaml.safe_dump(yaml.safe_load(file.read_text(encoding="utf-8")) | changes, sort_keys=False)


def replace(file: Path, text: str) -> None:
    """As careful programs write: another file, then renamed."""
    beside = file.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


def state(gateway: Gateway) -> Any:
    status, body = fetch(gateway.admin_url, "/admin/config", ADMIN)
    assert status == 200
    return msgspec.json.decode(body)


def later(gateway: Gateway, count: str, before: Any) -> bool:
    """Whether it happened once more since then."""
    return bool(state(gateway)[count] > before[count])


def reloads(gateway: Gateway) -> dict[str, float]:
    lines = fetch(gateway.url, "/metrics")[1].decode().splitlines()
    series = [line.rsplit(" ", 1) for line in lines if line.startswith("freehold_config_reloads_total{")]
    return {name.split('"')[1]: float(value) for name, value in series}


@pytest.fixture
def own_gateway(house: House, provider: Lab, request: pytest.FixtureRequest) -> Gateway:
    config = {"targets": {"api": rented(provider)}, "workloads": {"w": {"targets": ["api"]}}}
    return house.gateway(request.node.name.replace("_", "-"), config)


@pytest.mark.long
async def test_no_request_is_lost_while_the_file_flips(house: House, own_gateway: Gateway, provider: Lab) -> None:
    """Two valid versions and one that is not, again and again, under load: streams and whole answers."""
    file = file_of(house, own_gateway)
    first = file.read_text(encoding="utf-8")
    second = text_with(file, targets={"other": rented(provider)}, workloads={"w": {"targets": ["other"]}})
    answers: list[Answer] = []
    flipping = True

    async def load(number: int) -> None:
        async with caller(own_gateway.url) as session:
            while flipping:
                answers.append(await ask(session, chat("w", f"[ref:{number}]", stream=number % 2 == 0, max_tokens=20)))

    async def seen(condition: Any, what: str) -> None:
        await asyncio.to_thread(until, condition, what)

    clients = [asyncio.create_task(load(number)) for number in range(8)]
    versions = [state(own_gateway)["version"]]
    for turn, text in enumerate((second, first, second, first)):
        before = state(own_gateway)
        replace(file, text)
        await seen(partial(later, own_gateway, "times", before), "the file is loaded")
        versions.append(state(own_gateway)["version"])
        replace(file, text.replace("w:", "w:\n    sped: true") if turn % 2 else text[: len(text) // 2] + "\n]")
        await seen(partial(later, own_gateway, "refused", before), "the file is refused")
        assert state(own_gateway)["version"] == versions[-1]
    flipping = False
    await asyncio.gather(*clients)

    assert len(answers) > 100
    assert all(answer.done and answer.status == 200 for answer in answers), [a.body for a in answers if not a.done][:3]
    assert versions[0] == versions[2] == versions[4] != versions[1] == versions[3]
    entries = {entry["id"]: entry for entry in own_gateway.entries()}
    assert {answer.id for answer in answers} <= entries.keys()
    under = {(entries[answer.id]["policy"], entries[answer.id]["target"]) for answer in answers}
    assert under == {(versions[0], "api"), (versions[1], "other")}, "each ran under one version from start to end"
    assert reloads(own_gateway) == {"loaded": 4.0, "refused": 4.0}
    assert "configuration refused; the one before stays in force" in own_gateway.log.read_text(encoding="utf-8")


async def test_requests_in_flight_finish_on_what_they_began_with(house: House, crawling_provider: Lab, provider: Lab) -> None:
    config = {"targets": {"api": rented(crawling_provider)}, "workloads": {"w": {"targets": ["api"]}}}
    gateway = house.gateway("in-flight", config)
    file, before = file_of(house, gateway), state(gateway)
    async with caller(gateway.url) as session:
        asking = asyncio.create_task(ask(session, chat("w", stream=True, max_tokens=5)))
        await asyncio.to_thread(until, lambda: crawling_provider.tally()["running"] >= 1, "the answer begins")
        replace(file, text_with(file, targets={"new": rented(provider)}, workloads={"w": {"targets": ["new"]}}))
        await asyncio.to_thread(until, lambda: state(gateway)["times"] == 2, "the file is loaded")
        assert not asking.done()
        after = await ask(session, chat("w", max_tokens=3))
        first = await asking
    assert first.done
    assert (gateway.entry(first.id)["policy"], gateway.entry(first.id)["target"]) == (before["version"], "api")
    assert (gateway.entry(after.id)["policy"], gateway.entry(after.id)["target"]) == (state(gateway)["version"], "new")
    up = [line for line in fetch(gateway.url, "/metrics")[1].decode().splitlines() if line.startswith("freehold_target_up{")]
    assert up == ['freehold_target_up{target="new"} 1.0'], "what was removed is gone once it has drained"


def test_what_is_fixed_is_refused_by_name(house: House, own_gateway: Gateway) -> None:
    file = file_of(house, own_gateway)
    good = file.read_text(encoding="utf-8")
    for field, changes in {
        "listen": {"listen": "127.0.0.1:1"},
        "store": {"store": "sqlite:///elsewhere.db"},
        "admin.listen": {"admin": yaml.safe_load(good)["admin"] | {"listen": "127.0.0.1:1"}},
        "bounds.body_bytes": {"bounds": {"body_bytes": 2048}},
    }.items():
        before = state(own_gateway)
        file.write_text(text_with(file, **yaml.safe_load(good) | changes), encoding="utf-8")
        until(partial(later, own_gateway, "refused", before), "the file is refused")
        problem = state(own_gateway)["last_refusal"]["problem"]
        assert f": {field}: cannot change while the gateway runs; put it back, or restart the gateway" in problem
    assert state(own_gateway)["times"] == 1
    assert not (house.folder / "elsewhere.db").exists()
    file.write_text(good, encoding="utf-8")


def test_sighup_reloads_what_the_file_points_to(house: House, provider: Lab) -> None:
    key = house.folder / "provider.key"
    key.write_text("one", encoding="ascii")
    api = rented(provider, key=f"file:{key}")
    gateway = house.gateway("sighup", {"targets": {"api": api}, "workloads": {"w": {"targets": ["api"]}}})
    os.kill(gateway.pid, signal.SIGHUP)
    until(lambda: state(gateway)["times"] == 2, "it is loaded again, though the file is the same")
    key.unlink()
    os.kill(gateway.pid, signal.SIGHUP)
    until(lambda: state(gateway)["refused"] == 1, "its key is gone")
    refusal = state(gateway)["last_refusal"]["problem"]
    assert "sighup.yaml:" in refusal
    assert "targets.api.key: cannot read it: " in refusal
    assert fetch(gateway.url, "/readyz")[0] == 200


async def test_a_target_that_stays_keeps_its_cool_down(house: House, provider: Lab) -> None:

    async def out_of_money(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 402 Payment Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    broke = await asyncio.start_server(out_of_money, "127.0.0.1", 0)
    gone = rented(provider, url=f"http://127.0.0.1:{broke.sockets[0].getsockname()[1]}")
    config = {"targets": {"down": gone, "api": rented(provider)}, "workloads": {"w": {"targets": ["down", "api"]}}}
    gateway = await asyncio.to_thread(house.gateway, "cooling", config)
    file = file_of(house, gateway)
    async with broke, caller(gateway.url) as session:
        assert (await ask(session, chat("w"))).headers["x-freehold-attempts"] == "2"
        workloads = {"w": {"targets": ["down", "api"]}, "v": {"targets": ["down", "api"]}}
        file.write_text(text_with(file, workloads=workloads), encoding="utf-8")
        await asyncio.to_thread(until, lambda: state(gateway)["times"] == 2, "the file is loaded")
        assert (await ask(session, chat("v"))).headers["x-freehold-attempts"] == "1", "it is still left alone"
        moved = {"down": rented(provider), "api": rented(provider)}
        file.write_text(text_with(file, targets=moved), encoding="utf-8")
        await asyncio.to_thread(until, lambda: state(gateway)["times"] == 3, "the file is loaded")
        assert (await ask(session, chat("v"))).headers["x-freehold-target"] == "down", "at another place it is another target"


def test_the_state_is_behind_the_admin_key(own_gateway: Gateway) -> None:
    assert fetch(own_gateway.admin_url, "/admin/config")[0] == 401
    assert fetch(own_gateway.url, "/admin/config", ADMIN)[0] == 404
