"""Who speaks: the resource and the instrumentation scope of a signal, and attribute values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

AttributeValue = object
"""An OTLP AnyValue: str, bool, int, float, bytes, None, or a list or str-keyed dict of these."""

UNKNOWN_SERVICE = "unknown_service"
"""What OpenTelemetry calls a service that does not say its name."""


@dataclass(frozen=True, slots=True)
class Resource:
    """The entity that produced the telemetry."""

    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    schema_url: str = ""

    @property
    def service(self) -> str:
        """`service.name`, or `unknown_service`."""
        return str(self.attributes.get("service.name") or UNKNOWN_SERVICE)

    @property
    def instance(self) -> str:
        """What tells one instance of the service from another: pod, then instance id, then host, else empty."""
        get = self.attributes.get
        return str(get("k8s.pod.name") or get("service.instance.id") or get("host.name") or "")

    @property
    def host(self) -> str:
        """What owns the clock that the times were read from: node, then host; an instance where neither is known."""
        get = self.attributes.get
        return str(get("k8s.node.name") or get("host.id") or get("host.name") or self.instance)

    @property
    def environment(self) -> str:
        """`deployment.environment.name` (or its old name), else empty."""
        get = self.attributes.get
        return str(get("deployment.environment.name") or get("deployment.environment") or "")


@dataclass(frozen=True, slots=True)
class Scope:
    """The instrumentation library that made the signal."""

    name: str = ""
    version: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    schema_url: str = ""
