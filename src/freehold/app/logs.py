"""Structured logs on stderr: events and ids, never content. A traceback is frames and kinds of error, without their words."""

import asyncio
import logging
import sys
import traceback
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, WrappedLogger

_log = structlog.get_logger("freehold.process")


def configure_logs(*, as_json: bool) -> None:
    """Set up logging for this process, that of libraries too."""
    plain = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_frames)
    renderer = [_put_frames, structlog.processors.JSONRenderer()] if as_json else [plain]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)


def frames(error: BaseException) -> str:
    """Where an error came from, and what it came from: what it says is left out, because it could quote a prompt."""
    parts: list[str] = []
    at: BaseException | None = error
    while at is not None and len(parts) < 10:
        lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(at.__traceback__)]
        parts.append("\n".join([*lines, f"{type(at).__module__}.{type(at).__qualname__}"]))
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return "\nfrom\n".join(parts)


def tell_of_accident(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's handler for errors nobody waited for. Its own would print them whole."""
    _log.error("an error nobody waited for", what=context.get("message"), exc_info=context.get("exception"))


class _Libraries(logging.Handler):
    """Warnings of libraries as events of ours: their fixed words, without what is filled in, which may be content."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        fixed = isinstance(record.msg, str) and (record.args or record.name.startswith("uvicorn"))
        event = str(record.msg).strip() if fixed else "words that may not be fixed are left out"
        _log.log(record.levelno, "a library warns", library=record.name, said=event, exc_info=error)


def _put_frames(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["exception"] = frames(error)
    return event


def _write_frames(stream: TextIO, exc_info: ExcInfo) -> None:
    stream.write("\n" + frames(exc_info[1]))
