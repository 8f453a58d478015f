"""Structured logs: one line for each thing that an operator may want to know."""

import logging
import sys
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from palate.app.config import LogConfig
from palate.rpc.interceptor import add_request_id

__all__ = ["set_up_logs"]


def set_up_logs(config: LogConfig) -> None:
    """Write logs to standard error, readable in a terminal and as JSON elsewhere.

    Tracebacks come without the values of local variables, among which are tokens and listeners' requests.
    """
    console = config.format == "console" or (config.format == "auto" and sys.stderr.isatty())
    terminal = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer: Any = terminal if console else structlog.processors.JSONRenderer()
    tracebacks = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    structlog.configure(
        processors=[
            add_request_id,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *([] if console else [tracebacks]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, config.level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
