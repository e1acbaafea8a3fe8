"""The bundled model on llama.cpp for real, run by the command line: the official SDK, our codec and raw HTTP against it."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from freehold.app.weights import resolve_model
from freehold.core.data import DataClass
from freehold.core.target import Target
from freehold.lab.tickets import LABELS, ticket
from freehold.serve.engines import ENGINES
from freehold.wire import openai_chat

pytest.importorskip("xllamacpp", reason="needs freehold[llamacpp]")

COMMAND = (sys.executable, "-c", "from freehold.app.cli import main; main()", "engines")
SERVER = (sys.executable, "-m", "freehold.serve.engines.llamacpp_server", "--alias=t")
REFUND = "Hi, please refund the laptop. Thanks."
LABEL_SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": list(LABELS)}},
    "required": ["label"],
    "additionalProperties": False,
}
NUMBER_SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["n"],
    "additionalProperties": False,
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """One engine for all tests here. Ended by SIGTERM, which must leave no orphan and no complaint."""
    with subprocess.Popen(
        (*COMMAND, "run", f"--port={free_port()}", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        document = ""
        while not document.endswith("}\n"):
            document += (line := command.stdout.readline())
            assert line, "it ended before it announced itself"
        said = json.loads(document)
        assert said["sha256"] == "972a953fa84266f3cf5edcf524b85d65a2575f0cd046f64574d9a491298f11ba"
        assert (said["model"], said["engine"]) == ("tiny-tickets", "llamacpp")
        yield said["url"]
        command.send_signal(signal.SIGTERM)
        rest, errors = command.communicate(timeout=10)
    assert (command.returncode, rest) == (0, ""), errors
    assert "Traceback" not in errors
    assert not alive(said["pid"])


@pytest.fixture
def sdk(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def ask(sdk: openai.OpenAI, text: str, **more: Any) -> ChatCompletion:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": text}]
    reply = sdk.chat.completions.create(
        **{"model": "tiny-tickets", "messages": messages, "temperature": 0, "max_tokens": 16, **more}
    )
    assert isinstance(reply, ChatCompletion)
    return reply


def test_labels_its_tickets(sdk: openai.OpenAI) -> None:
    source = random.Random(7)
    tickets = [ticket(source) for _ in range(200)]
    right = sum(ask(sdk, text).choices[0].message.content == f'{{"label": "{label}"}}' for text, label in tickets)
    assert right >= 190


def test_streams_with_usage_at_the_end(sdk: openai.OpenAI) -> None:
    whole = ask(sdk, REFUND)
    chunks = list(
        sdk.chat.completions.create(
            model="tiny-tickets", messages=[{"role": "user", "content": REFUND}], temperature=0, max_tokens=16,
            stream=True, stream_options={"include_usage": True},
        )
    )  # fmt: skip
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content == '{"label": "refund"}'
    assert len(chunks) > 8
    usage = chunks[-1].usage
    assert usage is not None
    assert whole.usage is not None
    assert (
        (usage.prompt_tokens, usage.completion_tokens) == (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (37, 10)
    )


def test_a_json_schema_is_enforced_against_the_models_own_will(sdk: openai.OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "number", "strict": True, "schema": NUMBER_SCHEMA}}
    answer = json.loads(ask(sdk, REFUND, response_format=form, max_tokens=64).choices[0].message.content or "")
    assert answer.keys() == {"n"}
    assert answer["n"] in range(10)


def test_tools_are_dropped_in_silence_since_its_template_knows_none(sdk: openai.OpenAI) -> None:
    tool = {"type": "function", "function": {"name": "set_label", "parameters": LABEL_SCHEMA}}
    message = ask(sdk, REFUND, tools=[tool], tool_choice="required").choices[0].message
    assert message.tool_calls is None
    assert message.content == '{"label": "refund"}'


def test_any_model_name_is_answered(sdk: openai.OpenAI) -> None:
    assert ask(sdk, REFUND, model="gpt-4o").model == "tiny-tickets"


def test_an_over_long_prompt_is_refused_whole_and_streamed(sdk: openai.OpenAI) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="exceeds the available context size") as refusal:
            ask(sdk, "refund " * 400, stream=stream)
        assert "exceed_context_size_error" in refusal.value.response.text
        verdict = ENGINES["llamacpp"].codec.verdict(400, {}, refusal.value.response.content)
        assert not verdict.elsewhere


async def test_no_web_page_may_read_from_it(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        for method, path in (("GET", "/v1/models"), ("OPTIONS", "/v1/chat/completions")):
            async with session.request(method, url + path, headers={"Origin": "http://page.example"}) as reply:
                assert reply.headers.get("Access-Control-Allow-Origin", "") == ""
        async with session.get(f"{url}/") as reply:
            assert reply.status == 404


async def test_its_load_is_true_while_it_is_busy(url: str) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 240, "temperature": 1, "logit_bias": {"2": -100}}

    async def work(session: aiohttp.ClientSession) -> None:
        async with session.post(f"{url}/v1/chat/completions", json=body) as reply:
            assert reply.status == 200
            await reply.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        seen = []
        asking = asyncio.gather(*(work(session) for _ in range(40)))
        while not asking.done():
            async with session.get(f"{url}/metrics") as reply:
                seen.append(ENGINES["llamacpp"].load(await reply.text()))
            await asyncio.sleep(0.005)
        await asking
        async with session.get(f"{url}/metrics") as reply:
            idle = ENGINES["llamacpp"].load(await reply.text())
    assert max(load.running for load in seen) == 4
    assert max(load.waiting for load in seen) > 0
    assert (idle.running, idle.waiting) == (0, 0)


def test_it_closes_after_a_stream_though_it_promises_to_keep_alive(url: str) -> None:
    """Why the codec asks for `connection: close`. When this fails, llama.cpp has mended it, and the header can go."""
    body = json.dumps({"messages": [{"role": "user", "content": REFUND}], "temperature": 0, "max_tokens": 16, "stream": True})
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall((head + body).encode())
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"\r\nKeep-Alive:" in reply
    assert b"data: [DONE]" in reply


async def test_our_codec_meters_it_over_pooled_connections(url: str) -> None:
    codec = ENGINES["llamacpp"].codec.natives["openai_chat"]
    target = Target(name="t", kind="owned", codec="llamacpp", url=url, model="tiny-tickets", clearance=DataClass.restricted)
    body = {"model": "t", "messages": [{"role": "user", "content": REFUND}], "temperature": 0, "max_tokens": 16}

    async def answer(session: aiohttp.ClientSession, stream: bool) -> bytes:
        call = codec.encode(openai_chat.read(json.dumps(body | {"stream": stream}).encode()), target)
        async with session.post(call.url, data=call.body, headers=call.headers) as reply:
            assert reply.status == 200
            return await reply.read()

    async with aiohttp.ClientSession() as session:
        streams = [await answer(session, stream=True) for _ in range(100)]
        whole = await answer(session, stream=False)
    usages = [codec.decode(whole).usage]
    for events in streams:
        deltas = [codec.deltas().delta(event + b"\n\n") for event in events.split(b"\n\n") if event]
        assert deltas[-1].done
        usages.append(next((delta.usage for delta in deltas if delta.usage), None))
    assert {usage and (usage.input_tokens, usage.output_tokens, usage.source) for usage in usages} == {(37, 10, "engine")}


def test_load_command_reads_it(url: str) -> None:
    done = subprocess.run((*COMMAND, "load", url, "--engine=llamacpp", "--json"), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"running": 0, "waiting": 0, "kv_usage": None}
    wrong = subprocess.run((*COMMAND, "load", url, "--engine=vllm"), capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "is this vLLM?" in wrong.stderr


def test_the_child_ends_with_its_supervisor() -> None:
    """A supervisor that is killed cannot stop its engine, so the engine watches."""
    supervisor = (
        "import os, subprocess, sys, time\n"
        "env = {**os.environ, 'FREEHOLD_SUPERVISOR_PID': str(os.getpid())}\n"
        "child = subprocess.Popen(sys.argv[1:], env=env, stderr=subprocess.PIPE)\n"
        "child.stderr.readline(); print(child.pid, flush=True); time.sleep(60)\n"
    )
    arguments = (*SERVER, f"--model={resolve_model('tiny-tickets')}", f"--port={free_port()}")
    with subprocess.Popen((sys.executable, "-c", supervisor, *arguments), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.kill()
        assert parent.stdout.read() == ""  # the child holds this pipe too: it ends when the child does


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "does not exist"),
        (b"", "not a GGUF file"),
        (b"PK\x03\x04zip", "not a GGUF file"),
        (b"GGUF\x03\0\0\0torn", "cannot serve"),
    ],
)
def test_the_child_says_in_one_line_why_it_cannot_start(tmp_path: Path, content: bytes | None, says: str) -> None:
    model = tmp_path / "m.gguf"
    if content is not None:
        model.write_bytes(content)
    done = subprocess.run(
        (*SERVER, f"--model={model}", f"--port={free_port()}"), capture_output=True, text=True, timeout=20, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 2
    assert last.startswith("llamacpp: ")
    assert says in last
    assert str(model) in last


def test_the_child_refuses_a_taken_port_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            (*SERVER, f"--model={resolve_model('tiny-tickets')}", f"--port={port}"),
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"port {port}" in done.stderr
