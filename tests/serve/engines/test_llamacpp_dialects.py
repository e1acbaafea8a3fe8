"""Every dialect that the llama.cpp engine takes as it comes, asked of the real server with the bundled model."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from freehold.core.conversation import Untranslatable
from freehold.core.data import DataClass
from freehold.core.ports import HttpCall, Surface
from freehold.core.request import Request
from freehold.core.target import Target
from freehold.serve import engines
from freehold.serve.engines import ENGINES
from freehold.wire.anthropic_messages import CountTokensSurface, MessagesSurface
from freehold.wire.openai_chat import ChatSurface
from freehold.wire.openai_completions import CompletionsSurface
from freehold.wire.openai_embeddings import EmbeddingsSurface
from freehold.wire.openai_responses import ResponsesSurface
from freehold.wire.sse import EventSplitter, data_of

pytest.importorskip("xllamacpp", reason="needs freehold[llamacpp]")

WEIGHTS = Path(engines.__file__).parent / "data" / "tiny-tickets-35k-q8_0.gguf"
CODEC = ENGINES["llamacpp"].codec
TURNS = [{"role": "user", "content": "Hi, please refund the laptop. Thanks."}]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """The server as it is launched, ended by SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    arguments = (f"--model={WEIGHTS}", f"--port={port}", "--alias=t")
    command = (sys.executable, "-P", "-m", "freehold.serve.engines.llamacpp_server", *arguments)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        assert "at http" in child.stderr.readline()
        yield Target(
            name="t", kind="owned", codec="llamacpp", url=f"http://127.0.0.1:{port}", model="t", clearance=DataClass.restricted
        )
        os.kill(child.pid, signal.SIGTERM)


def send(call: HttpCall) -> tuple[int, bytes]:
    request = urllib.request.Request(call.url, call.body, dict(call.headers), method=call.method)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def chat(**more: object) -> Request:
    return ChatSurface().read(json.dumps({"model": "w", "messages": TURNS, "max_tokens": 16} | more).encode(), {})


def messages(**more: object) -> Request:
    return MessagesSurface().read(json.dumps({"model": "w", "messages": TURNS, "max_tokens": 16} | more).encode(), {})


def completion(**more: object) -> Request:
    return CompletionsSurface().read(json.dumps({"model": "w", "prompt": "Hi", "max_tokens": 8} | more).encode(), {})


def response(**more: object) -> Request:
    body = {"model": "w", "input": str(TURNS[0]["content"]), "max_output_tokens": 16, "store": False}
    return ResponsesSurface().read(json.dumps(body | more).encode(), {})


@pytest.mark.parametrize("ask", [chat, messages, completion])
def test_whole_and_streamed_answers_count_the_same(ask: Callable[..., Request], target: Target) -> None:
    request, streamed = ask(temperature=0), ask(temperature=0, stream=True)
    native = CODEC.natives[request.dialect]
    status, body = send(native.encode(request, target))
    assert status == 200
    reply = native.decode(body)
    assert reply.usage is not None
    status, events = send(native.encode(streamed, target))
    count = native.deltas()
    deltas = [count.delta(event) for event in EventSplitter().feed(events)]
    usages = [delta.usage for delta in deltas if delta.usage is not None]
    assert (status, deltas[-1].done, any(delta.content for delta in deltas)) == (200, True, True)
    assert (usages[-1].input_tokens, usages[-1].output_tokens) == (reply.usage.input_tokens, reply.usage.output_tokens)
    assert usages[-1].source == "engine"


def test_a_streamed_response_that_no_sdk_could_read_is_asked_for_in_chat(target: Target) -> None:
    """What it streams there by itself has no place for its parts, which is why it is not taken."""
    native = CODEC.natives["openai_responses"]
    assert native.takes(response())
    assert not native.takes(response(stream=True))
    with pytest.raises(Untranslatable, match="stream"):
        native.encode(response(stream=True), target)
    whole = native.encode(response(), target)
    status, events = send(msgspec.structs.replace(whole, body=json.dumps(json.loads(whole.body) | {"stream": True}).encode()))
    said = [json.loads(data) for event in EventSplitter().feed(events) if (data := data_of(event)) and data != b"[DONE]"]
    assert status == 200
    assert any(one["type"] == "response.output_text.delta" for one in said)
    assert not any("output_index" in one for one in said)


def test_tokens_are_counted_by_it(target: Target) -> None:
    request = CountTokensSurface().read(json.dumps({"model": "w", "messages": TURNS}).encode(), {})
    status, body = send(CODEC.natives["anthropic_count_tokens"].encode(request, target))
    assert (status, json.loads(body)["input_tokens"]) == (200, 37)


def test_embeddings_are_refused_unless_it_was_started_for_them(target: Target) -> None:
    request = EmbeddingsSurface().read(b'{"model":"w","input":"Hi"}', {})
    status, body = send(CODEC.natives["openai_embeddings"].encode(request, target))
    assert (status, CODEC.verdict(status, {}, body).elsewhere) == (501, True)


def test_usage_of_several_choices_is_made_whole(target: Target) -> None:
    native = CODEC.natives["openai_chat"]
    one, three = (native.decode(send(native.encode(chat(n=n, temperature=0), target))[1]).usage for n in (1, 3))
    assert one is not None
    assert three is not None
    assert (three.source, three.input_tokens) == ("estimated", one.input_tokens)
    assert three.output_tokens > 2 * one.output_tokens


FORM = {"type": "json_schema", "schema": SCHEMA}
IN_MESSAGES = messages(temperature=0, output_config={"format": FORM}, max_tokens=64)
IN_RESPONSES = response(temperature=0, text={"format": FORM | {"name": "n", "strict": True}}, max_output_tokens=64)


@pytest.mark.parametrize(("surface", "request_"), [(MessagesSurface(), IN_MESSAGES), (ResponsesSurface(), IN_RESPONSES)])
def test_a_schema_it_would_not_follow_there_is_asked_for_in_chat(surface: Surface, request_: Request, target: Target) -> None:
    assert not CODEC.natives[surface.dialect].takes(request_)
    assert CODEC.composer is not None
    status, body = send(CODEC.composer.compose(surface.parse(request_), target, stream=False))
    whole = CODEC.composer.whole(body)
    assert status == 200
    assert json.loads(getattr(whole.choices[0].parts[0], "text", "")).keys() == {"n"}
