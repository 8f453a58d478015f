"""Structured logs: one line for each thing that an operator may want to know."""

import logging
import sys
from typing import Any

import structlog

from palate.config import LogConfig
from palate.rpc.calls import add_request_id

__all__ = ["set_up_logs"]


def set_up_logs(config: LogConfig) -> None:
    """Write logs to standard error, readable in a terminal and as JSON elsewhere."""
    console = config.format == "console" or (config.format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            add_request_id,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *([] if console else [structlog.processors.dict_tracebacks]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, config.level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
