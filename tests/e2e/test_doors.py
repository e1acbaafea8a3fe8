"""What a configuration opens beside the models: the metrics, the time a request stands for; and what is said of the rest."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.client import ask, caller, chat
from e2e.house import ADMIN_KEY, KEY, Gateway, House, Lab, fetch, owned, rented, until
from freehold.app.cli import main
from freehold.serve.access.keys import digest


@pytest.fixture(scope="module")
def shut(house: House, provider: Lab) -> Gateway:
    """Metrics for roles only, a key that replays, and a target that the floor of its workload shuts out."""
    keys = [
        {"name": "tests", "sha256": digest(KEY), "team": "red"}, {"name": "replay", "sha256": digest("replay"), "replays": True},
        {"name": "prometheus", "sha256": digest("prometheus"), "role": "viewer"},
    ]  # fmt: skip
    targets = {
        "api": rented(provider, max_output_tokens=100),
        "box": owned("http://127.0.0.1:9", clearance="public", max_output_tokens=100),
    }
    budget = {"name": "red-day", "scope": "team", "match": "red", "period": "day", "usd": 5}
    config = {
        "metrics": "role", "keys": keys, "targets": targets, "workloads": {"w": {"targets": ["api", "box"], "data": "internal"}},
        "budgets": [budget], "limits": {"rules": [{"name": "slowly", "scope": "key", "requests_per_minute": 600}]},
    }  # fmt: skip
    return house.gateway("shut", config)


def test_metrics_are_for_roles(shut: Gateway) -> None:
    for headers, status in (
        ({}, 401), ({"authorization": f"Bearer {KEY}"}, 401), ({"authorization": "Bearer prometheus"}, 200),
        ({"authorization": f"Bearer {ADMIN_KEY}"}, 200),
    ):  # fmt: skip
        found, body = fetch(shut.url, "/metrics", headers)
        assert found == status
        assert (b"freehold_requests" in body) == (status == 200)
    assert b"needs the admin key or a key with role viewer" in fetch(shut.url, "/metrics")[1]


async def test_who_may_say_which_time_it_is(shut: Gateway) -> None:
    async with caller(shut.url) as session:
        refused = await ask(session, chat("w", max_tokens=3), **{"x-freehold-stands-for": "1700000000"})
        assert refused.status == 403
        assert b"the key 'tests' may not say which time a request stands for" in refused.body
        replay = {"authorization": "Bearer replay", "x-freehold-stands-for": "1700000000"}
        answered = await ask(session, chat("w", max_tokens=3), **replay)
    assert answered.status == 200
    assert shut.entry(answered.id)["stands_for"] == 1_700_000_000.0


def test_dead_rules_are_in_the_log_at_the_start_and_at_each_reload(shut: Gateway) -> None:
    def told() -> int:
        return shut.log.read_text(encoding="utf-8").count(
            "box may never serve it (data_class: internal data, cleared for public)"
        )

    assert told() == 1
    file = shut.log.parent / "shut.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "# once more\n", encoding="utf-8")
    until(lambda: told() == 2, "it is said again")
    good = file.read_text(encoding="utf-8")
    file.write_text(yaml.safe_dump(yaml.safe_load(good) | {"metrics": "open"}), encoding="utf-8")
    until(lambda: "metrics: cannot change while the gateway runs" in shut.log.read_text(encoding="utf-8"), "it is refused")
    file.write_text(good, encoding="utf-8")


async def test_what_counts_a_request_and_how_busy_its_targets_are(shut: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    config, request = shut.log.parent / "shut.yaml", shut.log.parent / "request.json"
    request.write_text(json.dumps(chat("w", max_tokens=3)), encoding="utf-8")
    async with caller(shut.url) as session:
        await ask(session, chat("w", max_tokens=3))
    said = await asyncio.to_thread(_explained, config, request, shut.admin_url, capsys)
    ((budget,), (limit,)) = said["counts"]["budgets"], said["counts"]["limits"]
    assert (budget["owner"], budget["limit_nanousd"], limit["owner"]) == ("red-day", 5_000_000_000, "slowly/tests")
    assert 4_000_000_000 < budget["left_nanousd"] < 5_000_000_000
    assert 0 < said["counts"]["reserve_nanousd"] < 10_000_000
    assert said["busy"]["policy"] == said["policy"]
    assert said["busy"]["states"]["api"]["in_flight"] == 0


@pytest.mark.parametrize(
    ("url", "key", "words"),
    [
        ("admin_url", KEY, "it refuses --admin-key; give the admin key, or a key with role viewer"),
        ("url", ADMIN_KEY, "status 404, and no summary; give the URL of the admin API"),
    ],
)
def test_a_gateway_that_does_not_say(shut: Gateway, url: str, key: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    config, request = shut.log.parent / "shut.yaml", shut.log.parent / "request.json"
    request.write_text(json.dumps(chat("w", max_tokens=3)), encoding="utf-8")
    options = ["--gateway", getattr(shut, url), "--admin-key", key, "--key", "tests"]
    with pytest.raises(SystemExit) as ended:
        main(["explain", str(request), "-c", str(config), *options])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def _explained(config: Path, request: Path, gateway: str, capsys: pytest.CaptureFixture[str]) -> Any:
    options = ["--gateway", gateway, "--admin-key", ADMIN_KEY, "--key", "tests", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["explain", str(request), "-c", str(config), *options])
    assert ended.value.code == 0
    return json.loads(capsys.readouterr().out)
