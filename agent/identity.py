"""Who an agent is: its node in xDS, and the resource of its telemetry."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from components.xds.contract import NODE_METADATA, Workload

if TYPE_CHECKING:
    from agent.config import AgentConfig


def node_id(config: AgentConfig) -> str:
    """Unique in the fleet: as configured, else of service and host."""
    return config.node or f"{config.service}@{socket.gethostname()}"


def node(config: AgentConfig) -> dict[str, object]:
    """The node of Envoy's bootstrap, by which the control plane knows this agent and what it stands beside."""
    return {"id": node_id(config), "cluster": config.service, "metadata": {NODE_METADATA: _workload(config)}}


def _workload(config: AgentConfig) -> Workload:
    # Not `telemetry`: the agent adds it, which knows the collector's token, the environment and the share that is sampled.
    found: Workload = {"labels": config.labels}
    if (intercept := config.intercept) is not None:
        found["transparent"] = True
        found["address"] = any_address()
        if intercept.inbound:
            found["inbound"] = intercept.inbound_port
        if intercept.outbound:
            found["outbound"] = intercept.outbound_port
    if config.inbound is not None:
        found["address"] = config.inbound.host
        found["inbound"] = config.inbound.port
        found["application"] = config.inbound.application.port
    if config.outbound is not None:
        found["outbound"] = config.outbound.port
    return found


def any_address() -> str:
    """Where redirected connections arrive: with IPv6 an address that IPv4 reaches, too."""
    return "::" if Path("/proc/net/if_inet6").exists() else "0.0.0.0"  # noqa: S104 - rules refuse what was not redirected


def resource(config: AgentConfig) -> dict[str, str]:
    """Attributes of the application's spans, access logs and metrics."""
    found = {
        "service.name": config.service,
        "service.namespace": config.namespace,
        "deployment.environment.name": config.environment,
        "service.instance.id": node_id(config),
        "host.name": socket.gethostname(),
        "telemetry.source": "envoy",
    }
    return {key: value for key, value in found.items() if value}
