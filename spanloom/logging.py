"""Log lines of ours and of Faust, aiokafka and uvicorn, in one format, to standard error."""

from __future__ import annotations

import logging
import sys

import structlog


def set_up_logging(level: str = "INFO") -> None:
    """Take over logging for the process."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # What these say at INFO of each start and partition is of use to their developers.
    for name in ("faust", "mode", "aiokafka", "uvicorn", "elastic_transport", "httpx2", "asyncio", "nicegui"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
