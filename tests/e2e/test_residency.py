"""A real gateway, requests of several classes, and the report over its ledger: nothing wrong, until a row is changed by hand."""

import subprocess
import sys
from typing import Any

import msgspec
from residency_ledger import change

from e2e.client import ask, caller, chat
from e2e.house import Gateway, House, Lab, owned, rented


def report(gateway: Gateway, *flags: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "freehold", "report", "residency", "--ledger", gateway.ledger, "--json", *flags],
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode, msgspec.json.decode(done.stdout)


async def test_what_was_served_is_proven_and_what_was_changed_is_found(house: House, provider: Lab) -> None:
    engine = house.lab("engine", "--ttft-ms", "1", "--tokens-per-s", "100000")
    gateway = house.gateway(
        "residency",
        {
            "targets": {
                "box": owned(engine.url, lab=True),
                "api": rented(provider, terms={"retention_days": 30, "trains_on_data": False}, egress={"files": "public"}),
            },
            "workloads": {
                "tickets": {"targets": ["box", "api"], "data": "confidential"},
                "open": {"targets": ["api"]},
            },
        },
    )
    async with caller(gateway.url) as session:
        for data in ("confidential", "restricted; region=home; label=phi"):
            assert (await ask(session, chat("tickets", max_tokens=3), x_freehold_data=data)).status == 200
        assert (await ask(session, chat("open", max_tokens=3))).status == 200
        assert (await ask(session, chat("open", max_tokens=3), x_freehold_data="restricted")).status == 403
        deny = chat("open", max_tokens=3, provider={"data_collection": "deny"})
        assert (await ask(session, deny)).status == 200
        assert (await ask(session, chat("open", max_tokens=3, provider={"zdr": True}))).status == 403
    code, made = report(gateway)
    assert (code, made["requests"], made["violating"], made["unproven"]) == (0, 6, 0, 0)
    assert made["answer"].startswith("No data went where it must not go between ")
    assert made["answer"].endswith("No restricted data left your own machines: 0 of 2 requests.")
    assert {doubt["kind"] for doubt in made["not_provable"]} == {"running", "lab"}
    assert {(d["data_class"], d["target"], d["requests"]) for d in made["destinations"]} == {
        ("restricted", "box", 1), ("confidential", "box", 1), ("public", "api", 2)
    }  # fmt: skip
    assert {tuple(because) for refusal in made["refusals"] for because in refusal["because"]} == {
        ("api", "data_class"), ("api", "terms")
    }  # fmt: skip
    (policy,) = made["policies"]
    assert [(t["target"], t["kind"], t["host"], t["clearance"], t["retention_days"]) for t in policy["targets"]] == [
        ("api", "rented", provider.url.removeprefix("http://"), "internal", 30),
        ("box", "owned", engine.url.removeprefix("http://"), "restricted", None),
    ]
    (span,) = gateway.rows("SELECT * FROM policy_spans")
    first = min(entry["received_at"] for entry in gateway.entries())
    assert policy["loaded_at"] == span["began_at"] < first, "the terms were on record before the first request"
    leaked = next(entry["id"] for entry in gateway.entries() if entry["data_class"] == "restricted" and entry["target"])
    change(
        gateway.ledger,
        f"UPDATE attempts SET target = 'api', kind = 'rented', model = 'lab-model' WHERE entry_id = '{leaked}'",
        f"UPDATE entries SET target = 'api' WHERE id = '{leaked}'",
    )
    code, changed = report(gateway)
    assert code == 1
    assert {(v["rule"], v["target"], tuple(v["evidence"])) for v in changed["violations"]} == {
        ("data_class", "api", (leaked,)), ("region", "api", (leaked,)), ("baa", "api", (leaked,))
    }  # fmt: skip
    assert report(gateway, "--class", "public")[0] == 0
    assert report(gateway, "--label", "phi")[0] == 1


def test_a_gateway_that_cannot_put_its_policy_on_record_does_not_serve(house: House, provider: Lab) -> None:
    gateway = house.gateway("unrecorded", {"targets": {"api": rented(provider)}, "workloads": {"open": {"targets": ["api"]}}})
    gateway.ask_to_end()
    assert gateway.wait_for_end() == 0
    change(gateway.ledger, "UPDATE policies SET clearance = 'restricted'")
    done = subprocess.run(
        [sys.executable, "-m", "freehold", "serve", "-c", f"{gateway.name}.yaml"],
        cwd=house.folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "the ledger has other facts about the targets of policy" in done.stderr
