"""Containers of a Docker engine, through its official client. The client blocks, so it runs in a thread."""

from __future__ import annotations

import asyncio
import importlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from alerting.playbooks.actions.action import UNREADABLE, ActionError, RunnerComponent
from components.component import ComponentKind, Stability
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from docker import DockerClient
    from docker.models.containers import Container

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")

REQUEST_SECONDS = 60
"""How long the engine may take for one request. It may still do what it has not answered, so less would not be safer."""


class DockerConfig(BaseModel):
    """Where the engine listens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(default="unix:///var/run/docker.sock", description="unix:// or tcp:// address of the engine.")
    network: str = Field(default="", description="The network by which callers reach containers; isolating leaves it.")


class Docker:
    """Restarts containers, and isolates them by taking them off their network."""

    def __init__(self, config: DockerConfig) -> None:
        self._config = config

    async def restart(self, name: str, key: str) -> Mapping[str, str]:
        """Restart a container."""
        del key  # the engine knows no idempotency keys

        def act(client: DockerClient) -> Mapping[str, str]:
            container = _container(client, name)
            container.restart()
            container.reload()
            return {"container": container.short_id, "state": container.status}

        return await self._do(f"restart container {name!r}", act)

    async def restarted(self, name: str, key: str, since: int) -> bool:
        """Whether the container was started since; the engine knows no keys, but the time."""
        del key

        def act(client: DockerClient) -> Mapping[str, str]:
            state = _container(client, name).attrs["State"]
            return {"started": str(_moment(state["StartedAt"])) if state["Running"] else ""}

        found = await self._do(f"ask since when container {name!r} runs", act)
        return bool(found["started"]) and int(found["started"]) >= since

    async def isolate(self, name: str, key: str) -> Mapping[str, str]:
        """Take a container off the network."""
        del key

        def act(client: DockerClient) -> Mapping[str, str]:
            network = client.networks.get(self._network())
            container = _container(client, name)
            if container.id in {member.id for member in network.containers}:
                network.disconnect(container)
            return {"container": container.short_id, "network": network.name}

        return await self._do(f"take container {name!r} off its network", act)

    async def restore(self, name: str, key: str) -> Mapping[str, str]:
        """Put a container back on the network."""
        del key

        def act(client: DockerClient) -> Mapping[str, str]:
            network = client.networks.get(self._network())
            container = _container(client, name)
            if container.id not in {member.id for member in network.containers}:
                network.connect(container)
            return {"container": container.short_id, "network": network.name}

        return await self._do(f"put container {name!r} on its network", act)

    def _network(self) -> str:
        if not self._config.network:
            raise ActionError("docker: the configuration names no `network` to take containers off")
        return self._config.network

    async def _do(self, what: str, act: Callable[[DockerClient], Mapping[str, str]]) -> Mapping[str, str]:
        try:
            docker = importlib.import_module("docker")
        except ImportError as error:
            raise ActionError(f"{what}: the package `docker` is not installed") from error

        def run() -> Mapping[str, str]:
            client = docker.DockerClient(base_url=self._config.url, timeout=REQUEST_SECONDS)
            try:
                return act(client)
            finally:
                client.close()

        # A thread cannot be stopped: when the step's time is over it is waited for, so that no inverse is overtaken by it.
        thread = asyncio.ensure_future(asyncio.to_thread(run))
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            await asyncio.gather(thread, return_exceptions=True)
            raise
        except (docker.errors.DockerException, OSError) as error:
            status = getattr(error, "status_code", None) or type(error).__name__
            text = Wording.DOCKER_FAILED(what=what, url=self._config.url, error=str(status))
            raise ActionError(text, output=str(error)) from error
        except UNREADABLE as error:
            text = Wording.DOCKER_UNREADABLE(what=what, url=self._config.url)
            raise ActionError(text, output=f"{type(error).__name__}: {error}") from error


def _moment(started_at: str) -> int:
    """When a container was started, in nanoseconds since the epoch.

    Raises:
        ValueError: it is no time with a zone.
    """
    moment = datetime.fromisoformat(started_at)
    if moment.tzinfo is None:
        raise ValueError(f"StartedAt {started_at!r} has no time zone")
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1000


def _container(client: DockerClient, name: str) -> Container:
    """The container of exactly this name or whole id: the engine accepts an id prefix as well.

    Raises:
        ActionError: it is no name of a container, or the engine means another one.
    """
    if not _NAME.fullmatch(name):
        raise ActionError(f"docker: {name!r} is no name of a container: letters, digits, dots, dashes and underscores")
    container = client.containers.get(name)
    if name not in {container.name, container.id, container.short_id}:
        found = f"the engine means {container.name!r}, whose id begins so"
        raise ActionError(Wording.NO_CONTAINER(name=name), output=found)
    return container


DOCKER = RunnerComponent(
    kind=ComponentKind.RUNNER,
    name="docker",
    config=DockerConfig,
    build=lambda config, _: Docker(config),
    summary="Containers of a Docker engine.",
    stability=Stability.BETA,
    extras=("actions",),
    required=True,
)
