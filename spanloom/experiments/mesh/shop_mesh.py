"""The shop with its services behind Envoy, and the control plane of its pipeline, for whoever governs both."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from spanloom.control_client import ControlClient
from spanloom.experiments.mesh.carrier import Releases, settings
from spanloom.experiments.mesh.sidecar import Sidecar
from spanloom.experiments.shop import ENVIRONMENT

if TYPE_CHECKING:
    from typing import Self

    from spanloom.clock import Now
    from spanloom.experiments.mesh.sidecar import MeshPorts
    from spanloom.experiments.options import Options


class ShopMesh:
    """From `govern` to leaving. Policies are released at once and to all: who puts a fault in watches it himself.

    Args:
        ports: where its parts listen.
        options: of the run.
        now: the time.

    Attributes:
        control: a client of the control plane, from `govern` on.
    """

    def __init__(self, ports: MeshPorts, options: Options, now: Now) -> None:
        self.ports, self.now, self._options = ports, now, options
        self._stack = AsyncExitStack()
        self.control = ControlClient("")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def settings(self) -> dict[str, str]:
        """What `spanloom up` needs in its environment."""
        return settings(self.ports, self._options.data_dir, watched_seconds=0)

    async def govern(self, url: str, proof: dict[str, str]) -> None:
        """Release the first policies, through the console at `url`; the shop may start then."""
        self._releases = await self._stack.enter_async_context(Releases(url, proof, self.ports))
        await self._releases.begin()
        self.control = await self._stack.enter_async_context(ControlClient(url, proof))

    async def attend(self) -> None:
        """Start Envoy beside the shop's service, and wait until requests pass."""
        sidecar = await self._stack.enter_async_context(Sidecar(self.ports, self._options, ENVIRONMENT))
        await sidecar.ready(self._releases.has_reached)
