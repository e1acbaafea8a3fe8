"""A replay against the lab's own provider: nothing lost, nothing mixed up, everything counted as it was."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_client import get, post

from freehold.core.errors import BadSettings
from freehold.core.trace import TracedRequest
from freehold.lab.asgi import App, Receive, Scope, Send, header, read_body, respond, send_bytes, send_head
from freehold.lab.asking import question_of
from freehold.lab.mix import parse_mix
from freehold.lab.provider import ProviderSettings, build_provider
from freehold.lab.reading import AnswerReader
from freehold.lab.replay import ReplayOptions, replay
from freehold.lab.report import Progress
from freehold.lab.server import serving
from freehold.lab.tickets import LABELS

MIX = "triage=30:confidential:tickets,chat=70:internal"
TRACE = [TracedRequest(1_700_000_000.25 + i * 0.05, 5 + i % 20, 1 + i % 30) for i in range(200)]


def quick(**settings: Any) -> App:
    return build_provider(ProviderSettings(**({"ttft_ms": 20.0, "tokens_per_s": 2000.0} | settings)))


def options(url: str, **changes: Any) -> ReplayOptions:
    chosen: dict[str, Any] = {"url": url, "mix": parse_mix(MIX), "speed": 20.0} | changes
    return ReplayOptions(**chosen)


async def test_a_clean_replay_is_whole_to_the_last_token() -> None:
    told: list[Progress] = []
    async with serving(quick(key="k")) as url:
        report = await replay(TRACE, options(url, key="k"), told.append)
        tally = (await get(f"{url}/lab/tally")).json
    assert (report.sent, report.answered, report.errors, report.unfinished, report.late) == (200, 200, {}, 0, 0)
    assert set(report.whole_ids) == set(tally["by_id"])
    chats = [row for index, row in enumerate(TRACE) if parse_mix(MIX).share_of(index).workload == "chat"]
    assert report.by_workload == {"chat": {"(unnamed)": len(chats)}, "triage": {"(unnamed)": 200 - len(chats)}}
    assert report.tickets_total == 200 - len(chats)
    assert tally["completion_tokens"] == sum(row.output_tokens for row in chats) + 24 * report.tickets_total
    assert report.ttft is not None
    assert 20 <= report.ttft.p50_ms <= report.ttft.p99_ms
    assert report.wall_s >= (TRACE[-1].at - TRACE[0].at) / 20
    assert told[-1].answered == 200
    assert told[-1].in_flight == 0


async def test_whole_bodies_count_as_well() -> None:
    async with serving(quick()) as url:
        report = await replay(TRACE[:20], options(url, stream=False))
    assert (report.answered, report.errors) == (20, {})


FAILURES = {
    "rate_limit": "429 rate_limit_exceeded",
    "error_500": "500",
    "cut": "cut",
    "cut_before": "cut",
    "malformed": "malformed",
    "error_event": "error_event",
    "no_done": "no_done",
    "body_200_error": "error_body",
    "stall_head": "timed_out",
    "stall_stream": "timed_out",
}


async def test_each_failure_is_counted_by_its_kind() -> None:
    async with serving(quick()) as url:
        for fault, kind in FAILURES.items():
            await post(url, {fault: 1}, "/lab/faults")
            report = await replay(TRACE[:5], options(url, timeout_s=0.4))
            assert report.errors == {kind: 5}, fault
            assert (report.answered, report.whole_ids, report.ttft) == (0, [], None)


async def test_arrivals_keep_the_traces_rhythm_however_slow_the_answers() -> None:
    arrivals: list[float] = []

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        if scope["method"] == "POST":
            arrivals.append(asyncio.get_running_loop().time())
            await asyncio.sleep(0.5)
        await respond(send, 200, b'{"choices":[{"message":{"content":"x"}}]}')

    trace = [TracedRequest(at, 3, 3) for at in (0.0, 1.0, 1.0, 4.0)]
    async with serving(slow) as url:
        report = await replay(trace, options(url, speed=10.0))
    assert report.answered == 4
    assert [time - arrivals[0] for time in arrivals] == pytest.approx([0, 0.1, 0.1, 0.4], abs=0.06)


async def test_beyond_the_bound_requests_wait_and_are_late() -> None:
    async with serving(quick(ttft_ms=100.0)) as url:
        report = await replay(TRACE[:6], options(url, speed=1000.0, max_in_flight=2))
    assert (report.answered, report.late) == (6, 4)


async def test_what_travels_with_each_request_and_what_comes_back() -> None:
    seen: list[dict[str, str | None]] = []

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if scope["method"] == "GET":
            return await respond(send, 404, b"")
        asked = msgspec.json.decode(body)
        names = ("authorization", "x-freehold-data", "x-freehold-stands-for")
        seen.append({"model": asked["model"], **{name: header(scope, name) for name in names}})
        target = "owned" if asked["model"] == "triage" else "rented"
        content = msgspec.json.encode({"label": LABELS[0]}).decode()
        head = [("content-type", "text/event-stream"), ("x-freehold-target", target), ("x-request-id", f"id{len(seen)}")]
        await send_head(send, 200, head)
        event = msgspec.json.encode({"choices": [{"delta": {"content": content}}]})
        return await send_bytes(send, b"data: " + event + b"\n\ndata: [DONE]\n\n", last=True)

    async with serving(gateway) as url:
        report = await replay(TRACE[:50], options(url, key="secret"))
    assert {row["authorization"] for row in seen} == {"Bearer secret"}
    assert {(row["model"], row["x-freehold-data"]) for row in seen} == {("triage", "confidential"), ("chat", "internal")}
    assert sorted(float(row["x-freehold-stands-for"] or 0) for row in seen) == [row.at for row in TRACE[:50]]
    assert report.by_workload["triage"] == {"owned": report.by_target["owned"].answered}
    assert sorted(report.whole_ids) == sorted(f"id{n}" for n in range(1, 51))
    owned = report.by_target["owned"]
    assert owned.tickets_total == report.tickets_total == owned.answered
    assert 0 < report.tickets_right < report.tickets_total


async def test_an_answer_to_someone_elses_question_is_an_error() -> None:
    async def confused(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        await respond(send, 200, b'{"choices":[{"message":{"content":"[ref:0-deadbeef] hello"}}]}')

    async with serving(confused) as url:
        report = await replay(TRACE[:3], options(url, mix=parse_mix("chat=1")))
    assert report.errors == {"foreign_answer": 3}


async def test_cancelling_returns_what_there_is() -> None:
    async with serving(quick(ttft_ms=5_000.0)) as url:
        task = asyncio.create_task(replay(TRACE, options(url, speed=100.0)))
        await asyncio.sleep(0.4)
        task.cancel()
        report = await task
        for _ in range(100):
            tally = (await get(f"{url}/lab/tally")).json
            if not tally["running"]:
                break
            await asyncio.sleep(0.01)
    assert report.interrupted
    assert report.unfinished == report.sent > 0
    assert not tally["running"], "nothing goes on that nobody waits for"
    assert 0 < tally["cancelled"] <= report.sent, "some had not arrived yet when they were given up"


async def _nobody(run: Callable[[str], Coroutine[Any, Any, object]]) -> None:
    async with serving(quick()) as url:
        pass
    await run(url)


async def test_nobody_there_is_said_in_one_line() -> None:
    with pytest.raises(BadSettings, match="cannot reach http://127") as caught:
        await _nobody(lambda url: replay(TRACE, options(url)))
    assert "\n" not in caught.value.message


async def test_a_refused_key_is_said_before_anything_is_sent() -> None:
    async with serving(quick(key="right")) as url:
        with pytest.raises(BadSettings, match="--key"):
            await replay(TRACE, options(url, key="wrong"))
        assert (await get(f"{url}/lab/tally")).json["requests"] == 0


@pytest.mark.parametrize("wrong", [{"url": "127.0.0.1:8400"}, {"speed": 0.0}, {"max_in_flight": 0}, {"timeout_s": float("nan")}])
def test_senseless_options_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadSettings, match=next(iter(wrong))):
        options(**({"url": "http://x"} | wrong))


def test_the_same_row_is_the_same_request() -> None:
    share = parse_mix(MIX).share_of(3)
    assert question_of(3, TRACE[3], share, stream=True) == question_of(3, TRACE[3], share, stream=True)


STREAM = (
    b': ping\n\ndata: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"\xc3\xa9 a"}}]}\r\n\r\ndata: {"choices":[{"delta":{"content":" b"}}]}\n\n'
    b'data: {"choices":[],"usage":{}}\n\ndata: [DONE]\n\n'
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_a_stream_reads_the_same_however_it_is_cut(cuts: list[int]) -> None:
    reader = AnswerReader(streamed=True)
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        reader.feed(STREAM[start:end])
    reader.end()
    assert (reader.text, reader.started, reader.fault) == ("é a b", True, None)


@given(st.integers(0, len(STREAM) - 3))
def test_a_stream_that_stops_early_is_not_whole(length: int) -> None:
    reader = AnswerReader(streamed=True)
    reader.feed(STREAM[:length])
    reader.end()
    assert reader.fault == "no_done"
