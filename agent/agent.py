"""The traffic agent as a part of a process: relay and guard, and the file of resources looked after."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

import structlog

from agent.guard import Guard
from agent.identity import node_id
from agent.intercept.rules import closed, rules
from agent.intercept.table import NftTable, set_lasting
from agent.metrics import AgentMetrics
from agent.observe import Observer
from agent.own.resources import own_resources
from agent.relay.last_good import LastGood
from agent.relay.messages import SECRET
from agent.relay.relay import Relay
from agent.relay.upstream import Upstream
from agent.run_folder import RunFolder
from components.xds.contract import SECRET_CERTIFICATE, SECRET_TRUST
from telemetry.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from prometheus_client import CollectorRegistry

    from agent.config import AgentConfig, AgentIdentityConfig
    from agent.workload_api.workloads import Workloads
    from components.http.health import Health
    from telemetry.json_object import JsonObject

log = structlog.get_logger(__name__)

CHECK_SECONDS = 1.0
"""Seconds between checks of the file of resources."""


def check(config: AgentConfig) -> None:
    """Refuse settings with which nothing would happen.

    Raises:
        ConfigError: says which, or what is wrong with the file of resources.
    """
    if not config.service:
        raise ConfigError("agent.service: set the service.name of the application, in SPANLOOM_AGENT__SERVICE for one")
    if not (config.inbound or config.outbound or config.intercept or config.resources or config.control):
        raise ConfigError(
            "agent: nothing would pass it: set agent.inbound or agent.outbound (proxies), agent.intercept (transparent), "
            "agent.resources (a file) or agent.control (a control plane)"
        )
    if config.intercept is not None and os.geteuid() != 0:
        raise ConfigError("agent.intercept: needs root; agent.inbound and agent.outbound are proxies that do not")
    identity = config.identity
    if identity is not None and identity.sockets and config.control is None and identity.workload_api is None:
        raise ConfigError("agent.identity.sockets: needs agent.control, or agent.identity.workload_api, for the certificates")
    own_resources(config)


def _workloads(
    config: AgentConfig,
    identity: AgentIdentityConfig,
    now: Callable[[], int],
    chance: random.Random,
    metrics: AgentMetrics,
    envoy: Callable[[Mapping[str, bytes]], None],
) -> Workloads:
    try:
        from agent.workload_api.workloads import Workloads  # noqa: PLC0415 - cryptography is an extra
    except ImportError:
        raise ConfigError("agent.identity needs cryptography: pip install 'spanloom[identity]'") from None
    return Workloads(config, identity, now, chance, metrics, envoy)


class TrafficAgent:
    """Runs from entering to leaving; `run` keeps Envoy alive.

    Args:
        config: whose traffic passes.
        data: the folder of what lasts.
        now: nanoseconds since the epoch.
        registry: of its metrics.
        health: gets its checks.
    """

    def __init__(
        self,
        config: AgentConfig,
        data: Path,
        now: Callable[[], int],
        registry: CollectorRegistry,
        health: Health,
    ) -> None:
        check(config)
        self._config, self._data, self._now = config, data, now
        self._chance = random.Random(node_id(config))  # noqa: S311 - jitter, another on each node
        self._metrics = AgentMetrics(registry)
        self._stack = AsyncExitStack()
        self._guard: Guard | None = None
        self._relay: Relay | None = None
        self._own = own_resources(config)
        self._secrets: Mapping[str, bytes] = {}
        self._workloads = (
            _workloads(config, config.identity, now, self._chance, self._metrics, self._use_secrets)
            if config.identity is not None
            else None
        )
        health.ready_while(lambda: self._guard is not None and self._guard.ready, "envoy is not ready")

    async def __aenter__(self) -> Self:
        config = self._config
        user = config.envoy.user if os.geteuid() == 0 else None
        async with AsyncExitStack() as stack:
            if config.intercept is not None:
                stack.enter_context(_own_group(config.envoy.user))
                if ports := config.intercept.closed_ports:
                    await set_lasting(closed(ports))
            folder = stack.enter_context(RunFolder(self._data, user))
            control = config.control
            upstream = Upstream(control, self._chance, self._metrics) if control else None
            last_good = LastGood(
                self._data / "last-good",
                keep_secrets=control is not None and control.keep_secrets,
                max_bytes=control.max_snapshot_bytes if control else 0,
            )
            self._relay = Relay(folder.relay, user, last_good, upstream, Observer(config), self._now, self._metrics)
            if config.identity is not None and config.identity.workload_api is not None:
                self._relay.keep_to_own_secrets(SECRET_CERTIFICATE, SECRET_TRUST)
            self._give()
            stack.push_async_callback(self._relay.stop)
            await self._relay.start()
            if self._workloads is not None:
                await stack.enter_async_context(self._workloads)
            self._guard = Guard(config, folder, self._relay, self._interception(), self._metrics)
            stack.push_async_callback(self._guard.stop)
            self._stack = stack.pop_all()
        return self

    def _interception(self) -> NftTable | None:
        return NftTable(rules(self._config.intercept, self._config.envoy.user)) if self._config.intercept is not None else None

    async def __aexit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        await self._stack.aclose()

    async def run(self) -> None:
        """Keep Envoy running, and give it what changes in the file of resources, until cancelled. SIGHUP upgrades Envoy."""
        if self._guard is None or self._relay is None:
            raise RuntimeError("run is called between entering and leaving")
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self.upgrade)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._guard.run())
                tasks.create_task(self._relay.run())
                if self._workloads is not None:
                    tasks.create_task(self._workloads.run())
                if self._config.resources is not None:
                    tasks.create_task(self._follow(self._config.resources))
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    def upgrade(self) -> None:
        """Let another Envoy take over, as SIGHUP does: its program has changed."""
        if self._guard is not None:
            self._guard.upgrade()

    async def _follow(self, path: Path) -> None:
        seen = _stamp(path)
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            if (stamp := _stamp(path)) == seen:
                continue
            seen = stamp
            try:
                self._own = own_resources(self._config)
            except ConfigError as error:
                log.error("resources_unusable", reason=str(error), hint="those before stay in use")  # noqa: TRY400
            else:
                log.info("resources_read", path=str(path))
                self._give()

    def _use_secrets(self, secrets: Mapping[str, bytes]) -> None:
        self._secrets = secrets
        self._give()

    def _give(self) -> None:
        if self._relay is not None:
            self._relay.set_own({**self._own, SECRET: {**self._own.get(SECRET, {}), **self._secrets}})

    def status(self) -> JsonObject:
        """What `/api/v1/status` says."""
        return {
            "service": self._config.service,
            "envoy_ready": self._guard is not None and self._guard.ready,
            "envoy_pid": self._guard.pid if self._guard is not None else 0,
            "control_connected": self._relay is not None and self._relay.connected,
            "versions": self._relay.versions if self._relay is not None else {},
        }


@contextmanager
def _own_group(group: int) -> Iterator[None]:
    """Sockets that this process opens are of the group that interception leaves alone."""
    before = os.getegid()
    os.setegid(group)
    try:
        yield
    finally:
        os.setegid(before)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
