"""What is logged of an error: where it was and what kind it was, never what it says."""

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from freehold.app.logs import configure_logs, frames, tell_of_accident

PHRASE = "the orchid blooms at night"


class Log(io.StringIO):
    """What is logged; it must never hold the phrase."""

    as_json = False

    def said(self, kind: str = "KeyError") -> str:
        text = self.getvalue()
        assert PHRASE not in text
        assert kind in text
        return text


@pytest.fixture(params=[True, False], ids=["json", "plain"])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    before, stream, server = (logging.root.handlers[:], logging.root.level), Log(), logging.getLogger("uvicorn.error")
    server.setLevel(logging.NOTSET)  # a server of the lab that ran in this process before has silenced it
    with contextlib.redirect_stderr(stream):
        stream.as_json = request.param
        configure_logs(as_json=request.param)
        yield stream
    logging.root.handlers[:], logging.root.level = before


def fail() -> None:
    prompt = PHRASE
    try:
        int(prompt)
    except ValueError as error:
        raise KeyError(prompt) from error


def test_a_traceback_is_frames_and_kinds(log: Log) -> None:
    try:
        fail()
    except KeyError as error:
        structlog.get_logger().error("internal error", request_id="r1", exc_info=error)
    text = log.said()
    assert "builtins.ValueError" in text
    assert "in fail" in text
    assert "test_logs.py:" in text
    if log.as_json:
        assert json.loads(text)["request_id"] == "r1"


def test_an_error_in_an_error_is_told_too() -> None:
    try:
        try:
            fail()
        finally:
            raise OSError(PHRASE)
    except OSError as error:
        told = frames(error)
    assert told.count("\nfrom\n") == 2
    assert PHRASE not in told


@pytest.mark.parametrize(
    ("words", "filled"),
    [(f"cannot parse {PHRASE}", ()), ("cannot parse %s", (PHRASE,)), ({PHRASE: 1}, ()), (ValueError(PHRASE), ())],
)
def test_what_libraries_fill_into_their_words_is_left_out(log: Log, words: object, filled: tuple[object, ...]) -> None:
    logging.getLogger("some.library").warning(words, *filled)
    assert "some.library" in log.said("a library warns")


def test_a_servers_own_traceback_is_told_without_its_words(log: Log) -> None:
    try:
        fail()
    except KeyError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    assert "Exception in ASGI application" in log.said()


def test_an_error_nobody_waited_for(log: Log) -> None:
    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(tell_of_accident)
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(run())
    log.said()
