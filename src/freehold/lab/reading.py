"""Read an answer off the wire as a plain client would: events, [DONE], errors. Shares no code with the gateway it judges."""

import re

import msgspec

_TEXT_KEPT = 2048
_BOUNDARY = re.compile(rb"\r?\n\r?\n")


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[msgspec.Raw] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None


class _Error(msgspec.Struct):
    code: str | int | None = None


class _Body(msgspec.Struct):
    choices: list[_Choice] | None = None
    error: _Error | None = None


_bodies = msgspec.json.Decoder(_Body)


class AnswerReader:
    """Feed it body bytes. `started`: content has come; `text`: its first 2,048 characters; `fault`: what was wrong with it."""

    def __init__(self, *, streamed: bool) -> None:
        self.started = False
        self.text = ""
        self.fault: str | None = None
        self._streamed = streamed
        self._done = False
        self._buffer = b""

    def feed(self, chunk: bytes) -> None:
        """The next bytes, cut anywhere."""
        self._buffer += chunk
        if self._streamed:
            *events, self._buffer = _BOUNDARY.split(self._buffer)
            for event in events:
                self._read_event(event)

    def end(self) -> None:
        """The body ended cleanly; a stream without [DONE] was not whole."""
        if not self._streamed:
            self._read_body(self._buffer)
        elif not self._done:
            self.fault = self.fault or "no_done"

    def error_code(self) -> str | None:
        """The code of an error body in OpenAI's shape."""
        try:
            error = _bodies.decode(self._buffer).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return str(error.code) if error is not None and error.code is not None else None

    def _read_event(self, event: bytes) -> None:
        data = b"\n".join(line[5:].lstrip() for line in event.splitlines() if line.startswith(b"data:"))
        if data == b"[DONE]":
            self._done = True
        elif data:
            self._read_body(data)

    def _read_body(self, data: bytes) -> None:
        try:
            body = _bodies.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.fault = "malformed"
            return
        if body.error is not None:
            self.fault = "error_event" if self._streamed else "error_body"
        for choice in body.choices or []:
            delta = choice.delta or choice.message or _Delta()
            self.started = self.started or bool(delta.content or delta.reasoning_content or delta.tool_calls)
            if delta.content and len(self.text) < _TEXT_KEPT:
                self.text += delta.content
