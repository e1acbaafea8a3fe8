"""Places that fail below HTTP: one that resets connections, and one whose certificate nobody trusts."""

import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from certificates import Authority

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def shutdown_request(self, request: Any) -> None:
        """Only close: an orderly shutdown would come before the reset."""
        self.close_request(request)


class _Resets(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(65536)
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


@contextmanager
def resetting() -> Iterator[str]:
    """The URL of a place that reads a request and resets its connection."""
    with _serving(_Resets) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def untrusted(authority: Authority) -> Iterator[str]:
    """The URL of a place that shows a certificate of this authority's."""

    class Shows(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(ssl.SSLError, ConnectionError):  # which is what the caller's distrust looks like from here
                authority.context.wrap_socket(self.request, server_side=True).close()

    with _serving(Shows) as port:
        yield f"https://127.0.0.1:{port}"


@contextmanager
def _serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
