"""The rented stand-in on the wire: OpenAI's shapes, its limits, and a tally that equals what its clients counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from lab_client import Reply, chat, get, post
from openai import AsyncOpenAI

from freehold.lab.provider import ProviderSettings, build_provider
from freehold.lab.server import serving

TOOL = {
    "type": "function",
    "function": {
        "name": "set_label",
        "parameters": {
            "type": "object",
            "properties": {"label": {"type": "string", "enum": ["billing", "refund"]}, "count": {"type": "integer"}, "why": {}},
        },
    },
}


@asynccontextmanager
async def provider(**settings: Any) -> AsyncIterator[str]:
    quick = {"ttft_ms": 1.0, "tokens_per_s": 10_000.0, "event_ms": 1.0} | settings
    async with serving(build_provider(ProviderSettings(**quick))) as url:
        yield url


async def tally(url: str) -> Any:
    return (await get(f"{url}/lab/tally")).json


async def test_a_whole_answer_has_the_shape_of_openais() -> None:
    async with provider() as url:
        reply = await post(url, chat("one two [ref:x7] three", max_completion_tokens=5))
    body = reply.json
    assert reply.status == 200
    assert reply.headers["x-freehold-lab"] == "provider"
    assert reply.headers["x-request-id"] == body["id"]
    assert (body["object"], body["model"], body["system_fingerprint"]) == ("chat.completion", "any-model", "freehold-lab")
    words = body["choices"][0]["message"]["content"].split()
    assert len(words) == 5
    assert words[0] == "[ref:x7]"
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["prompt_tokens"] == 4
    assert body["usage"]["completion_tokens"] == 5
    assert body["usage"]["total_tokens"] == 9
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}


async def test_a_stream_says_the_same_and_its_usage_only_when_asked() -> None:
    async with provider() as url:
        whole = await post(url, chat("tell [ref:s] me"))
        plain = await post(url, chat("tell [ref:s] me", stream=True))
        counted = await post(url, chat("tell [ref:s] me", stream=True, stream_options={"include_usage": True}))
    assert plain.headers["content-type"].startswith("text/event-stream")
    assert plain.datas[-1] == counted.datas[-1] == b"[DONE]"
    assert plain.text == counted.text == whole.json["choices"][0]["message"]["content"]
    assert all("usage" not in chunk for chunk in plain.chunks)
    assert all(chunk["usage"] is None for chunk in counted.chunks[:-1])
    assert counted.chunks[-1]["choices"] == []
    assert counted.chunks[-1]["usage"] == whole.json["usage"]
    assert plain.chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert len(plain.text.split()) == 32
    assert len({chunk["id"] for chunk in plain.chunks}) == 1


async def test_parts_system_messages_and_choices_all_count() -> None:
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "a b c"}, {"type": "image_url", "image_url": {"url": "data:,"}}]},
        {"role": "assistant", "content": None},
    ]
    async with provider() as url:
        reply = await post(url, {"model": "m", "messages": messages, "n": 3, "max_tokens": 4})
        streamed = await post(url, {"model": "m", "messages": messages, "n": 3, "max_tokens": 4, "stream": True})
        seen = await tally(url)
    assert reply.json["usage"]["prompt_tokens"] == 5
    assert reply.json["usage"]["completion_tokens"] == 12
    assert [choice["index"] for choice in reply.json["choices"]] == [0, 1, 2]
    ends = [c["index"] for chunk in streamed.chunks for c in chunk["choices"] if c["finish_reason"] == "length"]
    assert ends == [0, 1, 2]
    assert (seen["prompt_tokens"], seen["completion_tokens"]) == (10, 24)


@pytest.mark.parametrize(
    "asked", [{"tool_choice": "required"}, {"tool_choice": {"type": "function", "function": {"name": "set_label"}}}, {}]
)
async def test_a_tool_call_arrives_in_pieces_that_are_valid_json(asked: dict[str, Any]) -> None:
    prompt = "please use_tool now" if not asked else "label this"
    async with provider(tokens_per_s=500.0) as url:
        reply = await post(url, chat(prompt, tools=[TOOL], stream=True, stream_options={"include_usage": True}, **asked))
        whole = await post(url, chat(prompt, tools=[TOOL], **asked))
    calls = [c["delta"]["tool_calls"][0] for chunk in reply.chunks for c in chunk["choices"] if c["delta"].get("tool_calls")]
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert calls[0]["function"]["name"] == "set_label"
    assert len(calls) > 3
    decoded = msgspec.json.decode(arguments)
    assert (decoded["label"], decoded["count"]) == ("billing", 1)
    assert reply.chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert reply.chunks[-1]["usage"]["completion_tokens"] == len(calls) - 1
    message = whole.json["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"][0]["function"]["arguments"] == arguments


async def test_tools_that_nobody_calls_leave_a_plain_answer() -> None:
    async with provider() as url:
        for choice in ("auto", "none"):
            reply = await post(url, chat("hello" if choice == "auto" else "use_tool", tools=[TOOL], tool_choice=choice))
            assert reply.json["choices"][0]["finish_reason"] == "stop"


async def test_the_official_client_is_content() -> None:
    async with provider(key="k") as url, AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="gpt", messages=[{"role": "user", "content": "hi [ref:1]"}], stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        models = [model.id async for model in client.models.list()]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices).startswith("[ref:1] ")
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.total_tokens == 34
    assert models == ["lab-model"]


async def test_a_wrong_key_is_refused_on_the_api_alone() -> None:
    async with provider(key="right") as url:
        wrong = await post(url, chat(), authorization="Bearer wrong")
        none = await post(url, chat())
        right = await post(url, chat(), authorization="bearer right")
        listed = await get(f"{url}/v1/models")
        assert (await get(f"{url}/health")).status == 200
        assert (await tally(url))["requests"] == 1
    assert (wrong.status, none.status, listed.status, right.status) == (401, 401, 401, 200)
    assert wrong.json["error"]["code"] == "invalid_api_key"


async def test_what_is_no_request_gets_400_in_openais_shape() -> None:
    senseless = [chat(max_tokens=0), chat(n=0), chat(n=128, max_tokens=100_000), {"model": "m", "messages": []}, {"messages": []}]
    async with provider() as url:
        replies = [await post(url, body) for body in (b"{", b"[]", b"\xff", *senseless)]
        assert (await tally(url))["requests"] == 0
    for reply in replies:
        assert reply.status == 400
        assert set(reply.json["error"]) == {"message", "type", "param", "code"}
        assert reply.json["error"]["type"] == "invalid_request_error"


async def test_unknown_paths_are_404() -> None:
    async with provider() as url:
        assert (await get(f"{url}/v1/chat/completions")).status == 404
        assert (await post(url, {}, "/v1/nothing")).status == 404


async def test_requests_per_minute_are_kept_and_come_back_with_time() -> None:
    async with provider(requests_per_minute=3, time_scale=200.0) as url:
        replies = [await post(url, chat(max_tokens=1)) for _ in range(4)]
        await asyncio.sleep(0.35)
        later = await post(url, chat(max_tokens=1))
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert replies[0].headers["x-ratelimit-limit-requests"] == "3"
    assert [reply.headers["x-ratelimit-remaining-requests"] for reply in replies] == ["2", "1", "0", "0"]
    refused = replies[3]
    assert refused.json["error"]["code"] == "rate_limit_exceeded"
    assert refused.headers["retry-after"] == "1"
    assert 0 < int(refused.headers["retry-after-ms"]) <= 300
    assert refused.headers["x-ratelimit-reset-requests"].endswith("ms")
    assert later.status == 200


async def test_concurrency_beyond_the_limit_is_429() -> None:
    async with provider(concurrency=2, ttft_ms=200.0) as url:
        replies = await asyncio.gather(*(post(url, chat(max_tokens=1)) for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [200, 200, 429, 429, 429]


async def test_hanging_up_stops_the_work_and_bills_what_was_made() -> None:
    async with provider(tokens_per_s=50.0) as url:
        body = msgspec.json.encode(chat("one two three", stream=True, max_tokens=10_000))
        async with aiohttp.ClientSession() as session, session.post(f"{url}/v1/chat/completions", data=body) as response:
            seen = b""
            while seen.count(b'"content":" ') < 5:
                seen += await response.content.readany()
            response.close()
        for _ in range(100):
            now = await tally(url)
            if now["cancelled"]:
                break
            await asyncio.sleep(0.01)
        settled = await tally(url)
    assert (settled["running"], settled["cancelled"], settled["completed"]) == (0, 1, 0)
    assert settled["prompt_tokens"] == 3
    assert 6 <= settled["completion_tokens"] < 60
    assert list(settled["by_id"].values()) == [[3, settled["completion_tokens"]]]


async def test_three_hundred_streams_at_once_each_answer_their_own_question() -> None:
    async with provider(ttft_ms=300.0, tokens_per_s=100.0) as url:
        asked = [
            chat(
                f"word [ref:q{i}]" + " more" * (i % 7), stream=True, max_tokens=20 + i % 9, stream_options={"include_usage": True}
            )
            for i in range(300)
        ]
        replies: list[Reply] = await asyncio.gather(*(post(url, body) for body in asked))
        seen = await tally(url)
    for index, reply in enumerate(replies):
        words = reply.text.split()
        assert words[0] == f"[ref:q{index}]"
        assert len(words) == 20 + index % 9
    usages = {reply.chunks[-1]["id"]: reply.chunks[-1]["usage"] for reply in replies}
    assert seen["by_id"] == {name: [usage["prompt_tokens"], usage["completion_tokens"]] for name, usage in usages.items()}
    assert seen["completed"] == seen["requests"] == 300
    assert seen["prompt_tokens"] == sum(usage["prompt_tokens"] for usage in usages.values())
    assert seen["completion_tokens"] == sum(usage["completion_tokens"] for usage in usages.values())
