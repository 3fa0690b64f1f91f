"""What the control plane and the agents of one fleet agree on beyond the xDS protocol itself.

An agent connects by ADS with `node.id` (unique in the fleet), `node.cluster` (the service of its workload) and
`node.metadata` = `{NODE_METADATA: Workload}`. It gets two listeners, INBOUND and OUTBOUND, each present where the
workload names a port for it, whose shape depends on the `Workload` alone: all that policies change travels in the
route configurations of the same names, the runtime layer, endpoints and secrets.
"""

from __future__ import annotations

from typing import TypedDict

NODE_METADATA = "spanloom"
INBOUND, OUTBOUND = "inbound", "outbound"
"""Listeners, their route configurations, and the names of servers in spans."""
RUNTIME_LAYER = "spanloom"
"""The resource of RTDS; the bootstrap must have an `rtds_layer` of that name, and the control plane always has one."""
EXTERNAL_LIMITS = "spanloom-external-limits"
"""The cluster of a service that counts limits of the fleet instead of the control plane, where there is one."""
LIMITS = "spanloom-limits"
"""The cluster that answers for limits of the fleet (envoy.service.ratelimit.v3); the bootstrap has it.

Where it is missing or does not answer in time, requests pass.
"""
UNTIL = "until."
"""The runtime key `until.K`, in seconds since the epoch, is the end of every key that begins with `K.`.

The control plane removes both then. A relay that serves its last good snapshot does the same, so that a fault ends
on time while the control plane is away.
"""
SECRET_CERTIFICATE, SECRET_TRUST = "workload", "trust"
"""Of SDS: the workload's own certificate with its key, and the bundle that peers are checked against."""


class Workload(TypedDict, total=False):
    """How an agent stands beside its workload; ports are TCP ports, and absent is: not this way."""

    labels: dict[str, str]
    """Waves and selectors choose agents by them; `version` and `zone` among others."""
    address: str
    """Where INBOUND listens, and peers reach it; default 0.0.0.0."""
    inbound: int
    """Port that INBOUND listens on."""
    application: int
    """Port on loopback where the workload itself serves; INBOUND's requests go there."""
    outbound: int
    """Port that OUTBOUND listens on, on loopback; requests choose the service by their Host header."""
    transparent: bool
    """Traffic is redirected here by the kernel: listeners look at its original destination, what is unknown passes."""
    telemetry: bool
    """The bootstrap has the cluster `components.xds.telemetry.COLLECTOR`: listeners send spans and access logs there."""
