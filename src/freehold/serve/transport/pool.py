"""Connections that wait for their next request: the one used last goes first, and what waited too long is closed."""

import time

from freehold.serve.transport.connection import Connection

_KEPT_S = 30.0


class Pool:
    """The idle connections of one place reached one way. Its clock is monotonic."""

    def __init__(self) -> None:
        self._idle: list[Connection] = []

    def take(self) -> Connection | None:
        """One that may be used; None where a new one is needed."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    def put(self, connection: Connection) -> None:
        """It has done its part, and may serve again."""
        connection.free_since = time.monotonic()
        self._idle.append(connection)

    def sweep(self) -> None:
        """Close those that waited too long, and forget those that were closed at the other end."""
        oldest = time.monotonic() - _KEPT_S
        kept = [connection for connection in self._idle if connection.usable and connection.free_since > oldest]
        for connection in set(self._idle).difference(kept):
            connection.abort()
        self._idle = kept
