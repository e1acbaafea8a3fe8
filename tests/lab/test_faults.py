"""Every fault, as the caller meets it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from lab_client import Reply, chat, get, post

from freehold.lab.provider import ProviderSettings, build_provider
from freehold.lab.server import serving

QUICK = ProviderSettings(ttft_ms=1, tokens_per_s=2000, event_ms=1, stall_s=0.3)
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url() -> AsyncIterator[str]:
    async with serving(build_provider(QUICK)) as served:
        yield served


async def ask(url: str, fault: str, **fields: object) -> Reply:
    before = (await get(f"{url}/lab/tally")).json
    reply = await post(url, chat("say [ref:f] it", max_tokens=12, **fields), x_lab_fault=fault)
    after = (await get(f"{url}/lab/tally")).json
    assert after["faults"][fault] == before["faults"].get(fault, 0) + 1
    assert after["running"] == 0
    return reply


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("rate_limit", 429, "rate_limit_exceeded"),
        ("rate_limit_date", 429, "rate_limit_exceeded"),
        ("rate_limit_silent", 429, "rate_limit_exceeded"),
        ("quota", 429, "insufficient_quota"),
        ("error_401", 401, "invalid_api_key"),
        ("error_500", 500, None),
        ("error_502", 502, None),
        ("error_503", 503, "server_is_overloaded"),
        ("error_529", 529, "overloaded"),
        ("refusal", 400, "content_policy_violation"),
        ("body_200_error", 200, "server_error"),
    ],
)
async def test_error_replies(url: str, fault: str, status: int, code: str | None, stream: bool) -> None:
    reply = await ask(url, fault, stream=stream)
    assert (reply.status, reply.json["error"]["code"]) == (status, code)
    assert ("retry-after" in reply.headers) == (fault in {"rate_limit", "rate_limit_date"})
    assert reply.headers["x-freehold-lab"] == "provider"


async def test_stall_head_sends_nothing_for_as_long_as_it_lasts(url: str) -> None:
    start = asyncio.get_running_loop().time()
    reply = await ask(url, "stall_head", stream=True)
    assert asyncio.get_running_loop().time() - start >= 0.3
    assert reply.status == 500


@pytest.mark.parametrize("stream", [True, False])
async def test_stall_stream_falls_silent_midway(url: str, stream: bool) -> None:
    start = asyncio.get_running_loop().time()
    reply = await ask(url, "stall_stream", stream=stream)
    assert asyncio.get_running_loop().time() - start >= 0.3
    assert reply.broken
    assert b"[ref:f]" in reply.body


@pytest.mark.parametrize("stream", [True, False])
async def test_cut_breaks_off_after_content(url: str, stream: bool) -> None:
    reply = await ask(url, "cut", stream=stream)
    assert reply.status == 200
    assert reply.broken
    assert b"[ref:f]" in reply.body
    assert b"[DONE]" not in reply.body


@pytest.mark.parametrize("stream", [True, False])
async def test_cut_before_breaks_off_before_content(url: str, stream: bool) -> None:
    reply = await ask(url, "cut_before", stream=stream)
    assert reply.status == 200
    assert reply.broken
    assert b"[ref:f]" not in reply.body


async def test_malformed_is_one_broken_event_among_good_ones(url: str) -> None:
    reply = await ask(url, "malformed", stream=True)
    good = [data for data in reply.datas if data.endswith(b"}")]
    assert not reply.broken
    assert len(reply.datas) - len(good) == 2  # the broken one and [DONE]
    assert reply.datas[-1] == b"[DONE]"


async def test_error_event_ends_a_stream_that_had_begun(url: str) -> None:
    reply = await ask(url, "error_event", stream=True)
    assert not reply.broken
    assert b"[ref:f]" in reply.body
    assert reply.chunks[-1]["error"]["type"] == "server_error"
    assert b"[DONE]" not in reply.body


async def test_no_usage_and_no_done_leave_out_just_that(url: str) -> None:
    options = {"include_usage": True}
    bare = await ask(url, "no_usage", stream=True, stream_options=options)
    assert bare.datas[-1] == b"[DONE]"
    assert all(not chunk["usage"] for chunk in bare.chunks)
    assert "usage" not in (await ask(url, "no_usage")).json
    open_ended = await ask(url, "no_done", stream=True, stream_options=options)
    assert not open_ended.broken
    assert open_ended.chunks[-1]["usage"]["completion_tokens"] == 12
    assert b"[DONE]" not in open_ended.body


@pytest.mark.parametrize("stream", [True, False])
async def test_stall_open_sends_its_headers_and_no_content(url: str, stream: bool) -> None:
    start = asyncio.get_running_loop().time()
    reply = await ask(url, "stall_open", stream=stream)
    assert asyncio.get_running_loop().time() - start >= 0.3
    assert (reply.status, reply.broken, b"[ref:f]" in reply.body) == (200, True, False)


async def test_drip_takes_half_a_second_for_each_token(url: str) -> None:
    start = asyncio.get_running_loop().time()
    reply = await post(url, chat(max_tokens=2, stream=True), x_lab_fault="drip")
    assert asyncio.get_running_loop().time() - start >= 0.5
    assert reply.datas[-1] == b"[DONE]"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_page_for_people_is_no_answer(url: str, stream: bool) -> None:
    reply = await ask(url, "wrong_type", stream=stream)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")


async def test_huge_is_an_event_without_end_or_a_body_padded_with_blanks(url: str) -> None:
    stream, whole = await ask(url, "huge", stream=True), await ask(url, "huge")
    assert stream.broken
    assert len(stream.datas[-1]) > 5_000_000
    assert len(whole.body) > 5_000_000
    assert whole.json["choices"]


async def test_error_first_comes_before_any_content(url: str) -> None:
    reply = await ask(url, "error_first", stream=True)
    assert reply.chunks[-1]["error"]["type"] == "server_error"
    assert b"[ref:f]" not in reply.body


async def test_wrong_usage_cannot_be(url: str) -> None:
    options = {"include_usage": True}
    stream = await ask(url, "wrong_usage", stream=True, stream_options=options)
    assert stream.chunks[-1]["usage"]["completion_tokens"] < 0
    assert (await ask(url, "wrong_usage")).json["usage"]["completion_tokens"] < 0


async def test_double_finish_and_filtered_are_about_the_finish(url: str) -> None:
    twice, filtered = await ask(url, "double_finish", stream=True), await ask(url, "filtered")
    reasons = [choice["finish_reason"] for chunk in twice.chunks for choice in chunk["choices"]]
    assert [reason for reason in reasons if reason] == ["length", "length"]
    assert filtered.json["choices"][0]["finish_reason"] == "content_filter"


async def test_split_letters_need_more_than_one_byte(url: str) -> None:
    stream, whole = await ask(url, "split_letters", stream=True), await ask(url, "split_letters")
    text = "".join(choice["delta"].get("content") or "" for chunk in stream.chunks for choice in chunk["choices"])
    assert text == whole.json["choices"][0]["message"]["content"]
    assert {len(letter.encode()) for letter in text} == {1, 2, 3, 4}


async def test_whole_bodies_break_too(url: str) -> None:
    for fault in ("malformed", "error_event"):
        reply = await ask(url, fault)
        assert reply.status == 200
        assert not reply.broken
        assert b"choices" not in reply.body or not reply.body.endswith(b"}")


async def test_a_break_comes_even_in_a_one_token_answer(url: str) -> None:
    for fault in ("cut", "stall_stream"):
        assert (await post(url, chat(max_tokens=1, stream=True), x_lab_fault=fault)).broken


async def test_the_model_can_name_the_fault_and_an_unknown_one_is_refused(url: str) -> None:
    named = await post(url, {**chat(), "model": "big+fault:error_503"})
    echoed = await post(url, {**chat(), "model": "big+fault:no_done"})
    wrong = await post(url, chat(), x_lab_fault="fire")
    assert named.status == 503
    assert echoed.json["model"] == "big+fault:no_done"
    assert wrong.status == 400
    assert "fire" in wrong.json["error"]["message"]


async def test_probabilities_change_while_running_or_not_at_all(url: str) -> None:
    changed = await post(url, {"error_500": 1}, "/lab/faults")
    failing = await post(url, chat())
    senseless: list[object] = [{"error_500": 2}, {"fire": 1}, {"cut": 0.6, "quota": 0.6}, []]
    for wrong in senseless:
        assert (await post(url, wrong, "/lab/faults")).status == 400
    still_failing = await post(url, chat())
    await post(url, {}, "/lab/faults")
    healed = await post(url, chat())
    assert changed.json == {"error_500": 1}
    assert (failing.status, still_failing.status, healed.status) == (500, 500, 200)
