"""Two prompt variants, a switch and the way back: what the target read, and what the ledger says it was asked."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import pytest

from e2e.client import ask, caller, chat
from e2e.echo import Echo, echo
from e2e.house import ADMIN_KEY, KEY, Gateway, House, fetch, until

PROMPTS = {
    "v1": {"system": "Answer in one word.", "template": "Ticket: {content}", "parameters": {"temperature": 0.0}},
    "v2": {"system": "file:v2.txt"},
}


@pytest.fixture(scope="module")
def target() -> Iterator[Echo]:
    with echo() as told:
        yield told


@pytest.fixture(scope="module")
def gateway(house: House, target: Echo) -> Gateway:
    (house.folder / "v2.txt").write_text("Think first.\n", encoding="utf-8")
    api = {
        "provider": "openai_compatible", "url": target.url, "model": "m-2026-11-01", "clearance": "internal",
        "key": "file:v2.txt", "price": {"input": 1, "output": 2},
    }  # fmt: skip
    workloads = {"w": {"targets": ["api"], "prompts": PROMPTS, "prompt": "v1"}, "plain": {"targets": ["api"]}}
    return house.gateway("prompt-variants", {"targets": {"api": api}, "workloads": workloads})


def freehold(house: House, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "freehold", *arguments, "--json"], cwd=house.folder, capture_output=True, check=True, timeout=60
    )
    return msgspec.json.decode(done.stdout)


def serves(gateway: Gateway, version: str) -> bool:
    state = json.loads(fetch(gateway.admin_url, "/admin/config", {"authorization": f"Bearer {ADMIN_KEY}"})[1])
    return bool(state["version"].startswith(version))


async def test_a_switch_and_the_way_back(house: House, gateway: Gateway, target: Echo) -> None:
    file = f"{gateway.name}.yaml"
    before = (house.folder / file).read_text(encoding="utf-8")
    ids: list[str] = []
    async with caller(gateway.url) as session:
        for variant in ("v1", "v2", "v1"):
            switched = freehold(house, "releases", "switch", "w", "--prompt", variant, "-c", file)
            until(partial(serves, gateway, switched["version"]), "the gateway has loaded it")
            target.fresh()
            answers = [await ask(session, chat("w", "it broke", stream=stream)) for stream in (False, True)]
            assert all(answer.done for answer in answers)
            ids += [answer.id for answer in answers]
            heard = [json.loads(body) for body in target.received]
            for body in heard:
                if variant == "v1":
                    assert body["messages"] == [
                        {"role": "system", "content": "Answer in one word."}, {"role": "user", "content": "Ticket: it broke"}
                    ]  # fmt: skip
                    assert body["temperature"] == 0
                else:
                    assert [message["content"] for message in body["messages"]] == ["Think first.", "it broke"]
                    assert "temperature" not in body
        target.fresh()
        untouched = await ask(session, chat("plain", "it broke"))
        assert [message["content"] for message in json.loads(target.received[0])["messages"]] == ["it broke"]
    assert (house.folder / file).read_text(encoding="utf-8") == before, "back where it was, to the byte"

    entries = [gateway.entry(ident) for ident in ids]
    assert [entry["prompt"].partition("@")[0] for entry in entries] == ["v1", "v1", "v2", "v2", "v1", "v1"]
    assert len({entry["prompt"] for entry in entries}) == 2
    assert all(attempt["prompt"] == entry["prompt"] for entry in entries for attempt in entry["attempts"])
    assert gateway.entry(untouched.id)["prompt"] is None

    found = freehold(house, "releases", "w", "--ledger", str(gateway.ledger))
    assert [(one["prompt"].partition("@")[0], one["current"], one["requests"]) for one in found] == [
        ("v1", False, 2), ("v2", False, 2), ("v1", True, 2)
    ]  # fmt: skip
    assert {one["model"] for one in found} == {"m-2026-11-01"}
    costs = [sum(entry["cost_nanousd"] for entry in entries[at : at + 2]) for at in (0, 2, 4)]
    assert [one["cost_nanousd"] for one in found] == costs


async def test_another_dialect_is_asked_in_the_same_variant(gateway: Gateway, target: Echo) -> None:
    target.fresh()
    body = {"model": "w", "max_tokens": 5, "system": "Be kind.", "messages": [{"role": "user", "content": "it broke"}]}
    async with (
        caller(gateway.url) as session,
        session.post(f"{gateway.url}/v1/messages", json=body, headers={"authorization": f"Bearer {KEY}"}) as reply,
    ):
        assert reply.status == 200, await reply.text()
    heard = json.loads(target.received[0])
    assert [message["content"] for message in heard["messages"]] == ["Answer in one word.\n\nBe kind.", "Ticket: it broke"]
    assert heard["temperature"] == 0


async def test_embeddings_are_refused_by_name(gateway: Gateway) -> None:
    async with (
        caller(gateway.url) as session,
        session.post(
            f"{gateway.url}/v1/embeddings", json={"model": "w", "input": "x"}, headers={"authorization": f"Bearer {KEY}"}
        ) as reply,
    ):
        assert reply.status == 400
        assert "variant v1 is for prompts, and openai_embeddings has none" in await reply.text()
