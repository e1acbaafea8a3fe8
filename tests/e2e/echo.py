"""A target that answers with exactly what it was sent in the last message, cut where it hurts, and keeps all it was sent."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_DEEP = "[" * 600 + "]" * 600


class Echo:
    """What it does, for a test to change: letters in a delta, bytes in a write, the status, `as_arguments` of a tool call, and
    `deep`: with something beside the text that nests too deeply to be rebuilt."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.received: list[bytes] = []
        self.fresh()

    def fresh(self) -> None:
        """As at the start."""
        self.received.clear()
        self.letters, self.octets, self.status, self.as_arguments, self.deep = 3, 7, 200, False, False

    @property
    def seen(self) -> str:
        """Everything it was sent, JSON's escapes undone."""
        return "\n".join(json.dumps(json.loads(body), ensure_ascii=False) for body in self.received)

    def answer(self, body: bytes) -> tuple[int, str, Sequence[bytes]]:
        """Status, media type, and the body in the pieces in which it is written."""
        self.received.append(body)
        if self.status != 200:
            said = _text(json.loads(body)["messages"][-1]["content"]) if self.status == 400 else "not now"
            return self.status, "application/json", [json.dumps({"error": {"message": said, "code": "down"}}).encode()]
        request = json.loads(body)
        text = _text(request["messages"][-1]["content"])
        if request.get("stream"):
            whole = b"".join(b"data: " + event + b"\n\n" for event in self._events(text))
            return 200, "text/event-stream", [whole[at : at + self.octets] for at in range(0, len(whole), self.octets)]
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if self.as_arguments:
            message = {"role": "assistant", "content": None, "tool_calls": [_call(json.dumps({"said": text}))]}
        usage = {"prompt_tokens": 1, "completion_tokens": 1}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        reply = json.dumps({"choices": [choice], "usage": usage})
        return 200, "application/json", [(reply[:-1] + f',"deep":{_DEEP}}}' if self.deep else reply).encode()]

    def _events(self, text: str) -> Iterator[bytes]:
        said = json.dumps({"said": text}) if self.as_arguments else text
        for at in range(0, len(said), self.letters):
            piece = said[at : at + self.letters]
            delta = {"tool_calls": [_call(piece)]} if self.as_arguments else {"content": piece}
            yield json.dumps({"choices": [{"index": 0, "delta": delta}]}, ensure_ascii=False).encode()
        if self.deep:
            yield f'{{"choices":[{{"index":0,"delta":{{"deep":{_DEEP}}}}}]}}'.encode()
        yield b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
        yield b"[DONE]"


@contextmanager
def echo() -> Iterator[Echo]:
    """One that answers on loopback while inside."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, kind, pieces = told.answer(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in (*pieces, b""):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told = Echo(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _call(arguments: str) -> dict[str, Any]:
    return {"index": 0, "id": "call_1", "type": "function", "function": {"name": "say", "arguments": arguments}}


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
