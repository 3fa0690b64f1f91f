"""Somebody else's Workload API for tests: an authority that is not the control plane's, and a socket for each service."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from prometheus_client import CollectorRegistry

from agent.config import WorkloadSocketConfig
from agent.metrics import AgentMetrics
from agent.workload_api.endpoint import WorkloadEndpoint
from agent.workload_api.identity import HeldIdentity, from_pem
from spanloom import clock

if TYPE_CHECKING:
    from pathlib import Path

    from agent.workload_api.identity import X509Identity
    from governance.svid.authority import Authority


class OtherAuthority:
    """Serves FOLDER/SERVICE for each service; entered again it is there again."""

    def __init__(self, folder: Path, authority: Authority, *services: str) -> None:
        self._folder, self._authority = folder, authority
        self.held = {service: HeldIdentity() for service in services}
        for service in services:
            self.rotate(service)

    def address(self, service: str) -> str:
        return f"unix://{self._folder / service}"

    def rotate(self, service: str) -> X509Identity:
        """A new certificate and key."""
        svid = self._authority.issue(service, clock.system())
        found = from_pem(svid.certificate, svid.key, self._authority.bundle)
        self.held[service].put(found)
        return found

    async def __aenter__(self) -> Self:
        self._stack, metrics = AsyncExitStack(), AgentMetrics(CollectorRegistry())
        for service, held in self.held.items():
            config = WorkloadSocketConfig(path=self._folder / service)
            await self._stack.enter_async_context(WorkloadEndpoint(config, held, clock.system, metrics))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
