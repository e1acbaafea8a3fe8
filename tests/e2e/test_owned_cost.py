"""Two workloads on one owned machine: what each of them owes adds up to what the machine cost, and is told wherever cost is."""

import asyncio
from fractions import Fraction
from typing import Any

import aiohttp
import msgspec
import pytest

from e2e.client import ask, caller, chat
from e2e.house import ADMIN_KEY, Gateway, House, Lab, owned, rented, until
from freehold.app.cli import main
from freehold.serve.stores.allocation import AllocationReader

NANOUSD_H = 1_861_000_000


@pytest.fixture
def box(house: House) -> Lab:
    return house.lab("engine", "--ttft-ms", "30", "--tokens-per-s", "2000", "--slots", "4", "--event-ms", "1")


def configured(box: Lab, provider: Lab) -> dict[str, Any]:
    cost = {"gpu": "L40S", "usd_per_hour": 1.861, "provider": "cellar"}
    targets = {
        "box": owned(box.url, cost=cost, concurrency=4, lab=True),
        "spare": owned(box.url, cost={"gpu": "L40S"}),  # nobody uses it, and it is paid for
        "api": rented(provider),
        "dear-api": rented(provider, price={"input": 25, "output": 100}),
    }
    workloads = {
        "search": {"targets": ["box", "api", "dear-api"]},
        "support": {"targets": ["box", "spare", "dear-api"]},
        "reports": {"targets": ["api", "dear-api"]},
        "alone": {"targets": ["api"]},
    }
    return {"targets": targets, "workloads": workloads}


async def used(gateway: Gateway) -> dict[str, list[str]]:
    """Ids of answers by workload: search asks three times as much of the machine as support."""
    ids: dict[str, list[str]] = {}
    async with caller(gateway.url) as session:
        for workload, tokens in [("search", 120), ("support", 40), ("reports", 10), ("alone", 10)] * 3:
            answer = await ask(session, chat(workload, "one two three", max_tokens=tokens, stream=tokens > 40))
            assert answer.done
            ids.setdefault(workload, []).append(answer.id)
            if workload in {"search", "support"}:
                assert "x-freehold-cost-usd" not in answer.headers, "the header tells the rented cost, and there is none"
    return ids


def machine_spans(gateway: Gateway, target: str = "box") -> list[dict[str, Any]]:
    return gateway.rows(f"SELECT * FROM machine_spans WHERE target = '{target}' ORDER BY id")


def told(command: str, gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> Any:
    """The JSON of a `freehold ledger` command."""
    with pytest.raises(SystemExit) as ended:
        main(["ledger", command, "--ledger", str(gateway.ledger), "--json"])
    assert ended.value.code == 0
    return msgspec.json.decode(capsys.readouterr().out)


async def test_two_workloads_share_a_machine(house: House, box: Lab, provider: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    gateway = house.gateway("shared", configured(box, provider))
    ids = await used(gateway)
    gateway.ask_to_end()
    assert await asyncio.to_thread(gateway.wait_for_end) == 0

    (span,) = machine_spans(gateway)
    assert (span["price_nanousd_h"], span["slots"], span["provider"], span["lab"]) == (NANOUSD_H, 4, "cellar", 1)
    paid = Fraction(NANOUSD_H) * (round(span["seen_until"] * 1e6) - round(span["began_at"] * 1e6)) / 3_600_000_000
    shares = [share for share in AllocationReader(gateway.ledger).shares() if share.target == "box"]
    hours = {share.hour for share in shares}
    allocated = sum(share.cost_nanousd for share in shares)
    assert paid > 0
    assert abs(allocated - paid) <= Fraction(len(hours), 2), "the machine's cost and no other, to the rounding of its hours"
    by_workload = {name: sum(s.cost_nanousd for s in shares if s.workload == name) for name in ("search", "support")}
    busy = {
        name: sum(a["ended_s"] - a["started_s"] for e in gateway.entries() if e["workload"] == name for a in e["attempts"])
        for name in by_workload
    }
    if len(hours) == 1:
        assert by_workload["search"] / by_workload["support"] == pytest.approx(busy["search"] / busy["support"], rel=1e-4)
    assert sum(share.requests for share in shares) == 6

    summary = told("summary", gateway, capsys)
    machines = {machine["target"]: machine for machine in summary["machines"]}
    up_s = span["seen_until"] - span["began_at"]
    assert machines["box"]["utilisation"] == pytest.approx(sum(busy.values()) / (4 * up_s), rel=1e-3)
    assert machines["box"]["cost_nanousd"] == allocated
    assert machines["spare"]["idle_nanousd"] == machines["spare"]["cost_nanousd"] > 0
    assert machines["spare"]["utilisation"] is None, "it declares no slots"
    slices = {row["workload"]: row for row in summary["slices"]}
    assert {name: slices[name]["owned_nanousd"] for name in by_workload} == by_workload
    assert [slices[name]["lab"] for name in ("search", "reports")] == [True, True]
    assert sum(row["cost_nanousd"] for row in slices.values()) == sum(e["cost_nanousd"] for e in gateway.entries()), "rented only"

    entries = {row["id"]: row for row in told("entries", gateway, capsys)}
    assert sum(entries[i]["owned_nanousd"] for name in by_workload for i in ids[name]) == allocated
    for workload, elsewhere, price in [("search", "api", (2.5, 10)), ("support", "dear-api", (25, 100)),
                                       ("reports", "dear-api", (25, 100)), ("alone", None, None)]:  # fmt: skip
        for ident in ids[workload]:
            row, entry = entries[ident], gateway.entry(ident)
            tokens = (entry["uncached_input"] + (entry["cache_read"] or 0), entry["answer_output"])
            shadow = None if price is None else round((tokens[0] * price[0] + tokens[1] * price[1]) * 1000)
            assert (row["shadow_at"], row["shadow_nanousd"]) == (elsewhere, shadow)
            assert row["marginal_nanousd"] == (0 if workload in by_workload else None)


async def test_a_killed_gateway_leaves_the_time_it_was_last_seen(house: House, box: Lab, provider: Lab) -> None:
    gateway = house.gateway("killed", configured(box, provider))
    until(lambda: len(machine_spans(gateway)) == 1, "the machine is on record from the start")
    await used(gateway)
    gateway.kill()
    (span,) = machine_spans(gateway)
    assert span["seen_until"] >= span["began_at"]
    gateway = house.again(gateway)
    until(lambda: len(machine_spans(gateway)) == 2, "and again after the restart")
    first, second = machine_spans(gateway)
    assert first["seen_until"] <= second["began_at"]
    assert len(gateway.entries()) == 12


async def test_the_admin_plane_tells_the_same(house: House, box: Lab, provider: Lab) -> None:
    gateway = house.gateway("told", configured(box, provider))
    ids = await used(gateway)
    gateway.ask_to_end()
    await asyncio.to_thread(gateway.wait_for_end)
    gateway = house.again(gateway)
    async with aiohttp.ClientSession(gateway.admin_url, headers={"authorization": f"Bearer {ADMIN_KEY}"}) as session:
        async with session.get("/admin/summary") as reply:
            summary = await reply.json()
        async with session.get("/admin/entries", params={"limit": 4}) as reply:
            newest = await reply.json()
    shares = AllocationReader(gateway.ledger).shares()
    rows = {row["workload"]: row for row in summary["slices"]}
    for name in ("search", "support"):
        assert rows[name]["owned_nanousd"] == sum(s.cost_nanousd for s in shares if s.workload == name) > 0
    assert (rows["search"]["shadowed"], rows["search"]["lab"], rows["alone"]["shadow_nanousd"]) == (3, True, None)
    machines = {machine["target"]: machine for machine in summary["machines"]}
    assert machines.keys() == {"box", "spare"}
    assert machines["box"]["cost_nanousd"] == sum(s.cost_nanousd for s in shares if s.target == "box")
    assert [row["id"] for row in newest] == [ids[name][-1] for name in ("alone", "reports", "support", "search")]
    assert [row["owned_nanousd"] is None for row in newest] == [True, True, False, False]
