"""Log records as OpenTelemetry defines them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telemetry.resource import Resource, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.resource import AttributeValue

WARN = 13
ERROR = 17
"""First severity numbers of the WARN and ERROR ranges (OpenTelemetry log data model)."""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One log record. `trace_id` and `span_id` are empty when it was made outside a span."""

    time: int
    body: AttributeValue
    resource: Resource
    scope: Scope = field(default_factory=Scope)
    observed_time: int = 0
    severity: int = 0
    severity_text: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    trace_id: bytes = b""
    span_id: bytes = b""
    event_name: str = ""
    flags: int = 0
    dropped_attributes: int = 0

    @property
    def service(self) -> str:
        """The service that wrote the record."""
        return self.resource.service
