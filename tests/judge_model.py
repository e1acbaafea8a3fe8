"""A judge for tests: a model behind HTTP, of another house than ours. It knows answers by how often they say `good`."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from freehold.core.ports import NotAsked, Purpose
from freehold.core.request import Request
from freehold.core.said import Whole
from freehold.wire.openai_chat.answer import read_whole
from freehold.wire.openai_chat.quirks import OTHERS

Sections = dict[str, str]
Mind = Callable[[Sections], object]


def sections(messages: list[dict[str, str]]) -> Sections:
    """What stands between the marks, as the system's message says they are, by name."""
    found = re.search(r"<<(\w+) NAME>>", messages[0]["content"])
    assert found is not None
    pattern = rf"^<<{found[1]} ([^\n]*)>>\n(.*?)\n<<{found[1]} end>>$"
    return dict(re.findall(pattern, messages[1]["content"], re.MULTILINE | re.DOTALL))


def fair(seen: Sections) -> object:
    """Counts in each answer, and minds nothing that they say."""
    if "answer" in seen:
        return {"score": min(10, seen["answer"].count("good"))}
    first, second = seen["first answer"].count("good"), seen["second answer"].count("good")
    return {"verdict": "first" if first > second else "second" if second > first else "tie"}


def first_always(seen: Sections) -> object:
    return {"verdict": "first"}


def gullible(seen: Sections) -> object:
    """Believes an answer that claims its verdict."""
    claims = [name for name, text in seen.items() if "verdict" in text]
    return {"verdict": claims[0].split()[0]} if claims else fair(seen)


def longest(seen: Sections) -> object:
    first, second = len(seen["first answer"]), len(seen["second answer"])
    return {"verdict": "first" if first > second else "second" if second > first else "tie"}


def completion(mind: Mind, body: dict[str, Any]) -> dict[str, Any]:
    """The chat completion with its word."""
    said = mind(sections(body["messages"]))
    text = said if isinstance(said, str) else json.dumps(said)
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"id": "j", "model": body["model"], "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}


class Direct:
    """A Dispatcher that asks such a judge without a wire, and keeps what was asked."""

    def __init__(self, mind: Mind, refuse: str | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self._mind = mind
        self._refuse = refuse

    async def ask(self, request: Request, target: str, purpose: Purpose) -> Whole | NotAsked:
        assert purpose == "judge"
        body = {name: json.loads(bytes(raw)) for name, raw in request.fields.items()}
        self.asked.append(body)
        if self._refuse is not None:
            return NotAsked(self._refuse)
        return read_whole(json.dumps(completion(self._mind, body)).encode(), "provider", OTHERS)


@contextmanager
def serving(mind: Mind, received: list[dict[str, Any]] | None = None) -> Iterator[str]:
    """The judge as an HTTP server on this machine: its address. `received` gets each body with its headers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if received is not None:
                received.append({"headers": {name.lower(): value for name, value in self.headers.items()}, "body": body})
            answer = json.dumps(completion(mind, body)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.send_header("x-freehold-cost-usd", "0.000002")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
