"""Structured logs on stderr: events and ids, never content."""

import logging
import sys

import structlog


def configure_logs(*, as_json: bool) -> None:
    """Set up structlog for this process; tracebacks carry no local variables, which could hold prompts."""
    plain = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    renderer = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()] if as_json else [plain]
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
