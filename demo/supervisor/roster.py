"""Which instances the shop has, and the environment that they run in."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ENVIRONMENT = "demo"


@dataclass(frozen=True, slots=True)
class Role:
    """One instance of a service. A standby runs all the time but takes traffic only while the first one does not."""

    name: str
    service: str
    protocol: str  # of its OTLP exporter; empty: it has none
    host: str = "127.0.0.1"  # where it listens
    namespace: str = ""  # the network namespace that it runs in; empty: the supervisor's own
    port: int = 0  # where it listens; 0: a free one
    front: str = ""  # the address that callers get in place of its own: of the proxy beside it
    version: str = "1.0.0"
    more: tuple[tuple[str, str], ...] = ()  # of its environment


def _roles(service: str, protocol: str, *, standby: bool) -> list[Role]:
    roles = [Role(service, service, protocol)]
    return [*roles, Role(f"{service}-standby", service, protocol)] if standby else roles


ROSTER: tuple[Role, ...] = (
    *_roles("frontend", "http/protobuf", standby=False),
    *_roles("catalog", "http/protobuf", standby=True),
    *_roles("cart", "http/protobuf", standby=False),
    *_roles("checkout", "http/protobuf", standby=True),
    *_roles("payment", "grpc", standby=True),
    *_roles("inventory", "grpc", standby=True),
    *_roles("shipping", "grpc", standby=False),
)
"""cart has no standby because its carts are in memory, shipping because its queue waits for it anyway."""


MESH = ("INBOUND", "OUTBOUND", "DELIVERY", "CARRIER", "CANARY")
"""Ports that services behind a proxy need to know: both of the proxy beside delivery, and those of the instances."""


def behind_proxy(ports: Sequence[int]) -> tuple[Role, ...]:
    """On the ports of `MESH`: delivery, which has no SDK but a proxy beside it, and what it calls, carrier in two versions."""
    inbound, outbound, delivery, carrier, canary = ports
    proxy = (("SHOP_PROXY", f"127.0.0.1:{outbound}"),)
    return (
        Role("delivery", "delivery", "", port=delivery, front=f"127.0.0.1:{inbound}", more=proxy),
        Role("carrier", "carrier", "http/protobuf", port=carrier),
        Role("carrier-canary", "carrier", "http/protobuf", port=canary, version="2.0.0"),
    )


def placed(roster: Sequence[Role], host: str, away: tuple[str, str, str] | None) -> tuple[Role, ...]:
    """The roster with all on one host, but for one instance that is `away`: its name, its namespace and its host."""
    name, namespace, far = away or ("", "", "")
    return tuple(
        replace(role, host=far, namespace=namespace) if role.name == name else replace(role, host=host) for role in roster
    )


def environment(role: Role, otlp_grpc: str, otlp_http: str) -> dict[str, str]:
    """The environment of an instance: ours, and the SDK's settings. Exports are frequent so that faults show soon."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    inherited |= {"SHOP_HOST": role.host, "SHOP_PORT": str(role.port), **dict(role.more)}
    if not role.protocol:
        return inherited
    endpoint = otlp_grpc if role.protocol == "grpc" else otlp_http
    attributes = {
        "service.version": role.version,
        "service.instance.id": role.name,
        "deployment.environment.name": ENVIRONMENT,
    }
    return inherited | {
        "OTEL_SERVICE_NAME": role.service,
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{name}={value}" for name, value in attributes.items()),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{endpoint}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": role.protocol,
        "OTEL_BSP_SCHEDULE_DELAY": "1000",
        "OTEL_BLRP_SCHEDULE_DELAY": "1000",
        "OTEL_METRIC_EXPORT_INTERVAL": "5000",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database",
    }
