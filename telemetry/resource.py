"""Who speaks: the resource and the instrumentation scope of a signal, and attribute values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

AttributeValue = object
"""An OTLP AnyValue: str, bool, int, float, bytes, None, or a list or str-keyed dict of these."""

LONGEST_TEXT = 1024
"""Characters of a value's text, where the value is none itself."""

UNKNOWN_SERVICE = "unknown_service"
"""What OpenTelemetry calls a service that does not say its name."""


STORED_AS_TEXT = ("service.name", "service.namespace", "service.version", "service.instance.id", "k8s.pod.name")
"""Attributes that stores have a column of text for."""


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


def service_of(name: str, namespace: str) -> str:
    """What a service is called everywhere: `namespace/name`, or the bare name where it has no namespace.

    >>> service_of("api", "team-a"), service_of("api", ""), service_of("team-a/api", "team-a")
    ('team-a/api', 'api', 'team-a/api')
    """
    return f"{namespace}/{name}" if namespace and not name.startswith(f"{namespace}/") else name


def namespace_of(service: str) -> str:
    """The namespace of a service by what it is called, else empty. Of a bare name with a slash, what stands before that.

    >>> namespace_of("team-a/api"), namespace_of("api")
    ('team-a', '')
    """
    return service.rpartition("/")[0]


def service_labels(service: str) -> tuple[tuple[str, str], ...]:
    """The labels, sorted, that say of a series of ours which service it is about."""
    namespace = namespace_of(service)
    return (("service", service), ("service_namespace", namespace)) if namespace else (("service", service),)


def labelled_service(labels: Mapping[str, str]) -> str:
    """The service that labels such as an alert's name as `service` and `service_namespace`; empty where they name none."""
    name = labels.get("service", "")
    return service_of(name, labels.get("service_namespace", "")) if name else ""


def environment_name(attributes: Mapping[str, AttributeValue]) -> str:
    """The environment that a resource's attributes name, else empty: `deployment.environment.name`, or by its old name.

    >>> environment_name({"deployment.environment": "staging"})
    'staging'
    """
    get = attributes.get
    named = get("deployment.environment.name") or get("deployment.environment")
    return text_of(named)[:LONGEST_TEXT] if named else ""


@dataclass(frozen=True, slots=True)
class Resource:
    """The entity that produced the telemetry.

    Its `environment` is `deployment.environment.name` (or its old name), else the default one. It is worked out once, for
    every document names it.
    """

    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    schema_url: str = ""
    dropped_attributes: int = 0
    environment: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Read the environment from the attributes."""
        object.__setattr__(self, "environment", environment_name(self.attributes) or DEFAULT_ENVIRONMENT)

    @property
    def service(self) -> str:
        """What the service is called: see `service_of`."""
        attributes = self.attributes
        namespace = text_of(attributes["service.namespace"]) if "service.namespace" in attributes else ""
        name = attributes.get("service.name")
        if namespace or type(name) is not str or not name:
            return service_of(self.service_name, namespace)
        return name  # nearly always

    @property
    def service_name(self) -> str:
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


@dataclass(frozen=True, slots=True)
class Scope:
    """The instrumentation library that made the signal."""

    name: str = ""
    version: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    schema_url: str = ""
    dropped_attributes: int = 0
