"""More servers behind a gateway: llama.cpp started for embeddings, and so that a grammar makes it call tools; and a chat API that
calls two at once.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Thread
from typing import Any

from freehold.serve import engines

WEIGHTS = Path(engines.__file__).parent / "data" / "tiny-tickets-35k-q8_0.gguf"
# It ends when its input is closed, as it is when the test run dies.
_SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.hostnames, params.port = sys.argv[1], ["127.0.0.1"], 0
%s
params.n_ctx, params.n_parallel, params.verbosity, params.warmup = 256, 1, 0, False
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""
_EMBEDDING = "params.embedding, params.pooling_type = True, xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN"
_CALLING = "params.use_jinja, params.chat_template = True, sys.argv[2]"
# The engine reads from a template how calls are written, and makes a grammar of it. Here a call is bare JSON, and the bundled
# model begins every answer with a brace: from there on, where a tool is required, only a call of it can follow.
_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.tool_calls %}{% for call in message.tool_calls -%}
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
{%- endfor %}{% else %}{{ message.content }}{% endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}
"""
_CHUNK = "chat.completion.chunk"
CALLS = [
    {"id": "call_a", "type": "function", "function": {"name": "look_up", "arguments": '{"order":"A"}'}},
    {"id": "call_b", "type": "function", "function": {"name": "look_up", "arguments": '{"order":"B"}'}},
]


def embedding_engine() -> AbstractContextManager[str]:
    """Its address, while inside: the real engine with the bundled model, the mean of whose states is an embedding."""
    return _engine(_EMBEDDING)


def calling_engine() -> AbstractContextManager[str]:
    """Its address, while inside: the real engine with the bundled model, which calls a tool where one is required, with arguments
    that follow the tool's schema and are nonsense."""
    return _engine(_CALLING, _TEMPLATE)


@contextmanager
def _engine(settings: str, *arguments: str) -> Iterator[str]:
    command = [sys.executable, "-c", _SERVER % settings, str(WEIGHTS), *arguments]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        yield child.stdout.readline().strip()
        child.stdin.close()


@contextmanager
def two_calls() -> Iterator[str]:
    """Its address, while inside. It calls `look_up` for A and for B, and repeats the results that it is given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            kind = "text/event-stream" if request.get("stream") else "application/json"
            body = b"".join(_events(request)) if request.get("stream") else json.dumps(_whole(request)).encode()
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _whole(request: Any) -> dict[str, Any]:
    results = [f"{turn['tool_call_id']}={turn['content']}" for turn in request["messages"] if turn["role"] == "tool"]
    message = (
        {"role": "assistant", "content": " ".join(results)}
        if results
        else {"role": "assistant", "content": None, "tool_calls": CALLS}
    )
    choice = {"index": 0, "message": message, "finish_reason": "stop" if results else "tool_calls"}
    return _frame("chat.completion", choice) | {"usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}


def _events(request: Any) -> Sequence[bytes]:
    """The whole answer in chunks, the arguments of the two calls in turn and in pieces."""
    whole = _whole(request)
    choice = whole["choices"][0]
    deltas: list[dict[str, Any]] = [{"role": "assistant"}]
    if choice["finish_reason"] == "stop":
        deltas.append({"content": choice["message"]["content"]})
    else:
        for at, call in enumerate(CALLS):
            function: Any = call["function"]
            deltas.append({"tool_calls": [{**call, "index": at, "function": {"name": function["name"], "arguments": ""}}]})
            pieces = (function["arguments"][:5], function["arguments"][5:])
            deltas.extend({"tool_calls": [{"index": at, "function": {"arguments": piece}}]} for piece in pieces)
    chunks = [_frame(_CHUNK, {"index": 0, "delta": delta, "finish_reason": None}) for delta in deltas]
    chunks.append(_frame(_CHUNK, {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}))
    chunks.append(_frame(_CHUNK) | {"usage": whole["usage"]})
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]


def _frame(kind: str, *choices: dict[str, Any]) -> dict[str, Any]:
    return {"id": "two", "object": kind, "created": 1, "model": "two", "choices": list(choices)}
