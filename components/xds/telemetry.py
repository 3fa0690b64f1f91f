"""What Envoy says of requests: spans and access logs, as OTLP to the collector, named as the call graph reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from components.xds.pool import TYPE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLLECTOR: Final = "spanloom-collector"
"""The cluster of the collector: a static one in the bootstrap of every agent."""

PEER_METADATA: Final = "spanloom"
"""Metadata of this name: of a cluster its `service` and `namespace`, of a route its `route`."""

TIMEOUT_SECONDS: Final = 0.5
"""How long Envoy waits for the collector where nothing else is configured."""

_MOST_PATH = 256  # characters of a path in a span


def peer_metadata(service: str, namespace: str = "") -> dict[str, object]:
    """Metadata of a cluster: the service that its endpoints are."""
    return {"filter_metadata": {PEER_METADATA: {"service": service, **({"namespace": namespace} if namespace else {})}}}


def route_metadata(route: str) -> dict[str, object]:
    """Metadata of a route: the path template that names the operation."""
    return {"filter_metadata": {PEER_METADATA: {"route": route}}}


def collector_service(token: str = "", timeout: float = TIMEOUT_SECONDS) -> dict[str, object]:
    """How Envoy calls the collector; what is not acknowledged within `timeout` seconds is dropped, and counted by Envoy."""
    metadata = [{"key": "authorization", "value": f"Bearer {token}"}] if token else []
    # Its x-forwarded-for would say that the spans came from elsewhere, and telemetry of strangers starts no repair.
    grpc = {"cluster_name": COLLECTOR, "skip_envoy_headers": True}
    return {"envoy_grpc": grpc, "timeout": f"{timeout:g}s", "initial_metadata": metadata}


def detectors() -> list[dict[str, object]]:
    """The resource of spans and metrics: what the guard says of it in OTEL_RESOURCE_ATTRIBUTES."""
    kind = "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig"
    return [
        {
            "name": "envoy.tracers.opentelemetry.resource_detectors.environment",
            "typed_config": {"@type": TYPE_PREFIX + kind},
        }
    ]


def tracing(
    service: str,
    *,
    outbound: bool,
    sampling_percent: float = 100.0,
    token: str = "",
    timeout: float = TIMEOUT_SECONDS,
) -> dict[str, object]:
    """`tracing` of an HttpConnectionManager: a Server span of each inbound request, a Client span of each outbound one.

    The listener's traffic_direction says the kind. A span is named by method and path; `http.route` is there
    where the route has `route_metadata`, `service.peer.name` where the cluster has `peer_metadata`.
    """
    tags: list[dict[str, object]] = [
        {"tag": "http.request.method", "request_header": {"name": ":method"}},
        {"tag": "http.response.status_code", "value": "%RESPONSE_CODE%"},
        _metadata_tag("http.route", "route", "route"),
    ]
    if outbound:
        tags += [
            {"tag": "server.address", "request_header": {"name": ":authority"}},
            _metadata_tag("service.peer.name", "cluster", "service"),
            _metadata_tag("service.peer.namespace", "cluster", "namespace"),
        ]
    else:
        tags.append({"tag": "network.peer.address", "value": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"})
    return {
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": TYPE_PREFIX + "envoy.config.trace.v3.OpenTelemetryConfig",
                "grpc_service": collector_service(token, timeout),
                "service_name": service,
                "resource_detectors": detectors(),
            },
        },
        "random_sampling": {"value": sampling_percent},
        "max_path_tag_length": _MOST_PATH,
        "operation": "%REQ(:METHOD)% %PATH(NQ)%",
        "custom_tags": tags,
    }


def _metadata_tag(tag: str, kind: str, key: str) -> dict[str, object]:
    """A tag that is absent where the metadata is."""
    path = {"key": PEER_METADATA, "path": [{"key": key}]}
    return {"tag": tag, "metadata": {"kind": {kind: {}}, "metadata_key": path}}


def access_log(
    resource: Mapping[str, str], *, token: str = "", timeout: float = TIMEOUT_SECONDS
) -> Sequence[Mapping[str, object]]:
    """`access_log` of an HttpConnectionManager: a log record of each request, with the trace and span ids of its span.

    Args:
        resource: attributes such as `service.name`.
        token: of the collector.
        timeout: of an export, seconds.
    """
    attributes = {
        "http.request.method": "%REQ(:METHOD)%",
        "http.response.status_code": "%RESPONSE_CODE%",
        "url.path": "%PATH(NQ)%",
        "envoy.duration_ms": "%DURATION%",
        "envoy.response_flags": "%RESPONSE_FLAGS%",
        "envoy.upstream_cluster": "%UPSTREAM_CLUSTER%",
        "envoy.upstream_host": "%UPSTREAM_HOST%",
        # Who asked, and what decided on it: of an authorization POLICY/RULE, and where it is refused why.
        "envoy.peer_spiffe_id": "%DOWNSTREAM_PEER_URI_SAN%",
        "envoy.authorization_rule": "%DYNAMIC_METADATA(envoy.filters.http.rbac:enforced_effective_policy_id)%",
        "envoy.response_code_details": "%RESPONSE_CODE_DETAILS%",
    }
    body = "%REQ(:METHOD)% %PATH(NQ)% %RESPONSE_CODE% %DURATION%ms %RESPONSE_FLAGS%"
    return _log(resource, body, attributes, collector_service(token, timeout))


def connection_log(
    resource: Mapping[str, str], *, token: str = "", timeout: float = TIMEOUT_SECONDS
) -> Sequence[Mapping[str, object]]:
    """`access_log` of a TcpProxy: a log record of each connection, with the name that its TLS asks for.

    Args:
        resource: attributes such as `service.name`.
        token: of the collector.
        timeout: of an export, seconds.
    """
    attributes = {
        "tls.server_name": "%REQUESTED_SERVER_NAME%",
        "network.peer.address": "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "network.peer.port": "%UPSTREAM_REMOTE_PORT%",
        "envoy.bytes_received": "%BYTES_RECEIVED%",
        "envoy.bytes_sent": "%BYTES_SENT%",
        "envoy.duration_ms": "%DURATION%",
        "envoy.response_flags": "%RESPONSE_FLAGS%",
    }
    body = "connection to %UPSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %DURATION%ms %RESPONSE_FLAGS%"
    return _log(resource, body, attributes, collector_service(token, timeout))


def _log(
    resource: Mapping[str, str], body: str, attributes: Mapping[str, str], collector: Mapping[str, object]
) -> Sequence[Mapping[str, object]]:
    return [
        {
            "name": "envoy.access_loggers.open_telemetry",
            "typed_config": {
                "@type": TYPE_PREFIX + "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
                "common_config": {
                    "log_name": "access",
                    "transport_api_version": "V3",
                    "grpc_service": collector,
                },
                "resource_attributes": _values(resource),
                "disable_builtin_labels": True,
                "body": {"string_value": body},
                "attributes": _values(attributes),
            },
        }
    ]


def _values(attributes: Mapping[str, str]) -> dict[str, object]:
    return {"values": [{"key": key, "value": {"string_value": value}} for key, value in attributes.items()]}
