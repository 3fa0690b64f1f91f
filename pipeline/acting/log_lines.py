"""Log lines as they come between stages, as records of logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.logs import LogRecord
from telemetry.resource import Resource

if TYPE_CHECKING:
    from pipeline.exchange.codec import LogLine


def log_record(line: LogLine) -> LogRecord:
    """The record that the search for culprits reads."""
    resource = Resource({"service.name": line.service, "service.instance.id": line.instance})
    return LogRecord(line.time, line.text, resource, severity=line.severity, trace_id=line.trace_id, span_id=line.span_id)
