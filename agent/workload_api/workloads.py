"""All identities that an agent hands out: a source for each service, and a socket for each workload."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Protocol

from agent.identity import node_id
from agent.relay.messages import SECRET, pack
from agent.workload_api.endpoint import WorkloadEndpoint
from agent.workload_api.from_control import FromControl
from agent.workload_api.from_workload_api import FromWorkloadApi
from agent.workload_api.identity import HeldIdentity
from components.durations import SECOND
from components.xds.contract import SECRET_CERTIFICATE, SECRET_TRUST
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from typing import Self

    from agent.config import AgentConfig, AgentIdentityConfig
    from agent.metrics import AgentMetrics
    from agent.workload_api.identity import X509Identity


class IdentitySource(Protocol):
    """Where an identity comes from."""

    async def run(self, put: Callable[[X509Identity], None]) -> None:
        """Give each to `put`, until cancelled."""
        ...


class Workloads:
    """From entering to leaving.

    Args:
        config: of the agent.
        identity: its section.
        now: nanoseconds since the epoch.
        chance: for the jitter of retries.
        metrics: what is counted.
        envoy: gets secrets for Envoy, by name, where the control plane has none.

    Attributes:
        held: the newest identity of each service.
    """

    def __init__(
        self,
        config: AgentConfig,
        identity: AgentIdentityConfig,
        now: Callable[[], int],
        chance: random.Random,
        metrics: AgentMetrics,
        envoy: Callable[[Mapping[str, bytes]], None],
    ) -> None:
        self._envoy = envoy
        self._config, self._identity, self._now, self._chance, self._metrics = config, identity, now, chance, metrics
        self.held: dict[str, HeldIdentity] = {}
        for socket in identity.sockets:
            self.held.setdefault(socket.service or config.service, HeldIdentity())
        if identity.workload_api is not None:
            self.held.setdefault(config.service, HeldIdentity())
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            ConfigError: a socket cannot be made.
        """
        async with AsyncExitStack() as stack:
            for socket in self._identity.sockets:
                held = self.held[socket.service or self._config.service]
                await stack.enter_async_context(WorkloadEndpoint(socket, held, self._now, self._metrics))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def run(self) -> None:
        """Keep identities new, until cancelled; where they are somebody else's, Envoy gets that of its service, too."""
        async with asyncio.TaskGroup() as tasks:
            for service, held in self.held.items():
                tasks.create_task(self._follow(service, held))
            if self._identity.workload_api is not None:
                tasks.create_task(self._give(self.held[self._config.service]))

    async def _give(self, held: HeldIdentity) -> None:
        known = None
        while True:
            known = await held.other_than(known)
            self._envoy(secrets_of(known))

    async def _follow(self, service: str, held: HeldIdentity) -> None:
        def put(identity: X509Identity) -> None:
            held.put(identity)
            self._metrics.identity_expires.labels(service).set(identity.expires / SECOND)

        await self._source(service).run(put)

    def _source(self, service: str) -> IdentitySource:
        if self._identity.workload_api is not None:
            return FromWorkloadApi(self._identity.workload_api, service, self._chance, self._metrics)
        if self._config.control is None:
            raise ConfigError("agent.identity.sockets: needs agent.control, whose authority issues certificates")
        return FromControl(self._config.control, node_id(self._config), service, self._chance, self._metrics)


def secrets_of(identity: X509Identity) -> Mapping[str, bytes]:
    """An identity as Envoy has it, by the names that listeners and clusters of the control plane name."""
    pair = {"certificate_chain": {"inline_string": identity.chain_pem}, "private_key": {"inline_string": identity.key_pem}}
    trust = {"trusted_ca": {"inline_string": identity.bundle_pem}}
    return {
        SECRET_CERTIFICATE: pack({"@type": SECRET, "name": SECRET_CERTIFICATE, "tls_certificate": pair})[2],
        SECRET_TRUST: pack({"@type": SECRET, "name": SECRET_TRUST, "validation_context": trust})[2],
    }
