"""Who speaks: the resource and the instrumentation scope of a signal, and attribute values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

AttributeValue = object
"""An OTLP AnyValue: str, bool, int, float, bytes, None, or a list or str-keyed dict of these."""

LONGEST_TEXT = 1024
"""Characters of a value's text, where the value is none itself."""

UNKNOWN_SERVICE = "unknown_service"
"""What OpenTelemetry calls a service that does not say its name."""


def text_of(value: AttributeValue) -> str:
    """An attribute value where a name belongs: as JSON writes it, bytes in hex, absence as no text.

    A program may send `service.name` as a number or a map. Whoever names the service, in a store's column or in an alert,
    names it by this text.
    """
    match value:
        case str():
            return value
        case None:
            return ""
        case bytes():
            return value.hex()
        case _:
            return json.dumps(value, ensure_ascii=False, default=bytes.hex)[:LONGEST_TEXT]


@dataclass(frozen=True, slots=True)
class Resource:
    """The entity that produced the telemetry."""

    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    schema_url: str = ""
    dropped_attributes: int = 0

    @property
    def service(self) -> str:
        """`service.name`, or `unknown_service`."""
        return text_of(self.attributes.get("service.name")) or UNKNOWN_SERVICE

    @property
    def instance(self) -> str:
        """What distinguishes one instance of the service from another: pod, then instance id, then host, else empty."""
        get = self.attributes.get
        return text_of(get("k8s.pod.name") or get("service.instance.id") or get("host.name"))

    @property
    def host(self) -> str:
        """What owns the clock that the times were read from: node, then host; an instance where neither is known."""
        get = self.attributes.get
        return text_of(get("k8s.node.name") or get("host.id") or get("host.name")) or self.instance

    @property
    def environment(self) -> str:
        """`deployment.environment.name` (or its old name), else empty."""
        get = self.attributes.get
        return text_of(get("deployment.environment.name") or get("deployment.environment"))


@dataclass(frozen=True, slots=True)
class Scope:
    """The instrumentation library that made the signal."""

    name: str = ""
    version: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    schema_url: str = ""
    dropped_attributes: int = 0
