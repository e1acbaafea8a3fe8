"""The owned stand-in: a queue in order, bounded, with vLLM's metrics telling the truth about it."""

import asyncio

import pytest
from lab_client import chat, get, post
from prometheus_client.parser import text_string_to_metric_families

from freehold.core.errors import BadSettings
from freehold.lab.asgi import Refusal
from freehold.lab.engine import EngineSettings, build_engine
from freehold.lab.server import serving
from freehold.lab.slots import Slots


async def metrics(url: str) -> dict[str, float]:
    page = await get(f"{url}/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(page.body.decode())
    samples = [sample for family in families for sample in family.samples]
    assert all(sample.labels == {"model_name": "lab-engine"} for sample in samples)
    return {sample.name: sample.value for sample in samples}


async def until(url: str, **wanted: float) -> dict[str, float]:
    """The metrics once those named read as wanted."""
    for _ in range(300):
        now = await metrics(url)
        if all(now[f"vllm:{name}"] == value for name, value in wanted.items()):
            return now
        await asyncio.sleep(0.01)
    raise AssertionError(f"never saw {wanted}: {now}")


async def test_slots_queue_and_bound_show_in_the_metrics_and_end_at_zero() -> None:
    settings = EngineSettings(slots=2, queue_limit=3, ttft_ms=400, tokens_per_s=5000, kv_tokens=40)
    async with serving(build_engine(settings)) as url:
        asking = [asyncio.create_task(post(url, chat("a b c d", max_tokens=5))) for _ in range(5)]
        loaded = await until(url, num_requests_running=2, num_requests_waiting=3)
        refused = await post(url, chat())
        replies = await asyncio.gather(*asking)
        idle = await until(url, num_requests_running=0, num_requests_waiting=0)
    assert refused.status == 503
    assert refused.json["error"]["code"] == "server_is_overloaded"
    assert loaded["vllm:kv_cache_usage_perc"] == pytest.approx(8 / 40)
    assert [reply.status for reply in replies] == [200] * 5
    assert replies[0].headers["x-freehold-lab"] == "engine"
    assert idle["vllm:kv_cache_usage_perc"] == 0
    assert (idle["vllm:prompt_tokens_total"], idle["vllm:generation_tokens_total"]) == (20, 25)


async def test_a_caller_who_leaves_the_queue_makes_room() -> None:
    settings = EngineSettings(slots=1, queue_limit=1, ttft_ms=300, tokens_per_s=5000)
    async with serving(build_engine(settings)) as url:
        first = asyncio.create_task(post(url, chat()))
        await until(url, num_requests_running=1)
        second = asyncio.create_task(post(url, chat()))
        await until(url, num_requests_waiting=1)
        second.cancel()
        await until(url, num_requests_waiting=0)
        third = await post(url, chat())
        assert (await first).status == third.status == 200
        assert (await get(f"{url}/lab/tally")).json["cancelled"] == 1


async def test_models_version_and_health() -> None:
    async with serving(build_engine(EngineSettings(model="org/name"))) as url:
        assert (await get(f"{url}/v1/models")).json["data"][0]["id"] == "org/name"
        assert (await get(f"{url}/version")).json["version"].endswith("+lab")
        assert (await get(f"{url}/health")).status == 200


async def test_slots_are_given_in_order_of_arrival() -> None:
    slots, order = Slots(1, 10), list[int]()

    async def work(number: int) -> None:
        async with slots.admit():
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(8)))
    assert order == list(range(8))
    assert (slots.running, slots.waiting) == (0, 0)


async def test_a_slot_given_to_someone_just_cancelled_is_passed_on() -> None:
    slots, entered = Slots(1, 10), list[str]()

    async def work(name: str) -> None:
        async with slots.admit():
            entered.append(name)

    async with slots.admit():
        doomed, next_one = asyncio.create_task(work("doomed")), asyncio.create_task(work("next"))
        await asyncio.sleep(0)
    # Its turn has come with the line above, but it has not run yet.
    doomed.cancel()
    await asyncio.gather(doomed, next_one, return_exceptions=True)
    assert doomed.cancelled()
    assert entered == ["next"]
    async with asyncio.timeout(1), slots.admit():
        assert slots.running == 1


async def test_a_full_queue_refuses() -> None:
    slots = Slots(1, 0)
    async with slots.admit():
        with pytest.raises(Refusal):
            await slots.admit().__aenter__()
    async with slots.admit():
        assert slots.running == 1


@pytest.mark.parametrize("wrong", [{"slots": 0}, {"queue_limit": -1}, {"kv_tokens": 0}])
def test_senseless_sizes_are_refused_by_name(wrong: dict[str, int]) -> None:
    with pytest.raises(BadSettings, match=next(iter(wrong))):
        EngineSettings(**wrong)  # type: ignore[arg-type]
