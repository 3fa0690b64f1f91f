"""The export request of each signal: its message, and how it nests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

Signal = Literal["spans", "logs", "metrics"]
"""What an export request carries."""

MAX_DEPTH: Final = 100
"""Messages within messages that protobuf implementations parse; a request nested deeper could be written, but not read."""

MAX_TIME: Final = 2**63 - 1
"""The last nanosecond that a signed 64-bit time can say: in the year 2262."""


NOT_HEX: Final = b"not hex, in JSON: "
"""Stands before an id of OTLP/JSON that is none, so that its item is refused and not the request: no id is so long."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Names of one signal's messages and fields, from the request down to its items."""

    message: type[Message]
    by_resource: str
    by_scope: str
    items: str


SHAPES: Final[Mapping[Signal, Shape]] = {
    "spans": Shape(ExportTraceServiceRequest, "resource_spans", "scope_spans", "spans"),
    "logs": Shape(ExportLogsServiceRequest, "resource_logs", "scope_logs", "log_records"),
    "metrics": Shape(ExportMetricsServiceRequest, "resource_metrics", "scope_metrics", "metrics"),
}

SIGNALS: Final[tuple[Signal, ...]] = tuple(SHAPES)
