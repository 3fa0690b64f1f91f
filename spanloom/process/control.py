"""The control plane as a process has it: its store, its ports, and what it copies to where."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import grpc
import structlog

from components.durations import SECOND
from components.private_files import make_private_folder
from governance.ads import Ads
from governance.api import GovernanceApi
from governance.compile.site import Options
from governance.control import ControlPlane, Settings
from governance.limits.service import LimitService
from governance.limits.windows import Windows
from governance.metrics import ControlMetrics
from governance.store import SqliteStore
from governance.svid.admission import ByCertificate
from governance.trail import Trail
from governance.waves.judging import AlertJudge
from governance.waves.rollout import AlwaysGood
from governance.xds.preflight import can_check
from governance.xds.server import XdsServer
from telemetry.errors import ConfigError, StoreError, UnrecoverableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from prometheus_client import CollectorRegistry
    from starlette.routing import Route

    from alerting.alerts import StoredAlert
    from components.tls import TlsConfig
    from governance.config import ControlPlaneConfig, IdentityConfig
    from governance.svid.secrets import Issuer
    from spanloom.clock import Now
    from stores.store import Store

log = structlog.get_logger(__name__)

PORT = 18_000
"""TCP port of `spanloom control` where none is set."""
MAX_SOCKET = 100
"""Bytes of a Unix socket's path; Linux allows 107."""


class Control:
    """From entering to leaving.

    Args:
        config: its section.
        folder: of its store and its socket.
        registry: for its metrics.
        now: returns the time.
        store: where the audit trail is copied to, if anywhere.
        alerts: what waves are judged by, where this process evaluates rules.
    """

    def __init__(
        self,
        config: ControlPlaneConfig,
        folder: Path,
        registry: CollectorRegistry,
        now: Now,
        store: Store | None = None,
        alerts: Callable[[], Iterable[StoredAlert]] | None = None,
    ) -> None:
        self._config, self._folder, self._registry, self._now, self._copy_to = config, folder, registry, now, store
        self._judge = AlertJudge(alerts) if alerts is not None else AlwaysGood()
        self._stack = AsyncExitStack()
        self.plane: ControlPlane

    async def __aenter__(self) -> Self:
        """Open the store and the ports.

        Raises:
            UnrecoverableError: a port or the store cannot be opened.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _start(self) -> None:
        make_private_folder(self._folder)
        try:
            store = SqliteStore(self._folder / "control.sqlite")
        except StoreError as error:
            raise UnrecoverableError(str(error)) from error
        self._stack.push_async_callback(store.close)
        metrics = ControlMetrics(self._registry)
        config = self._config
        domain = config.identity.trust_domain if config.identity is not None else ""
        issuer = (
            _authority(config.identity, self._folder / "authority.pem", self._now()) if config.identity is not None else None
        )
        settings = Settings(config.rollout, _options(config), config.max_agents, config.check_with_envoy)
        self.plane = await self._stack.enter_async_context(
            ControlPlane(settings, store, self._judge, metrics, self._now, issuer)
        )
        self._trail = Trail(store, self._copy_to.write) if self._copy_to is not None else None
        limits = LimitService(Windows(config.limits.max_counters), metrics, self._now)
        ads = Ads(self.plane.fleet, metrics, ByCertificate(domain) if domain else None)
        handlers = [ads.handler(), limits.handler()]
        listening = {}
        socket = self._folder / "ads.sock"
        if len(bytes(socket.resolve())) <= MAX_SOCKET:
            socket.unlink(missing_ok=True)
            await self._stack.enter_async_context(XdsServer(f"unix:{socket.resolve()}", handlers))
            listening["socket"] = str(socket)
        else:
            log.warning("control_socket_skipped", path=str(socket), hint=f"more than {MAX_SOCKET} bytes; use control.port")
        if config.port is not None:
            host = f"[{config.host}]" if ":" in config.host else config.host
            credentials = _credentials(config.tls) if config.tls is not None else None
            server = await self._stack.enter_async_context(XdsServer(f"{host}:{config.port}", handlers, credentials))
            listening["port"] = str(server.port)
        if config.check_with_envoy and not can_check():
            log.warning(
                "revisions_unchecked", reason="no Envoy is here", hint="pip install 'spanloom[agent]', or read them twice"
            )
        log.info("control_started", revision=self.plane.stable, **listening)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the streams of agents, then the store."""
        await self._stack.aclose()

    async def run(self) -> None:
        """Return, or raise, when it no longer works."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.plane.wait())
            if self._trail is not None:
                group.create_task(self._trail.run())

    def routes(self) -> list[Route]:
        """Its part of the HTTP API."""
        return GovernanceApi(self.plane).routes()

    def status(self) -> dict[str, object]:
        """What `/api/v1/status` says."""
        agents = self.plane.fleet.agents
        return {"revision": self.plane.stable, "agents": len(agents), "connected": sum(each.connected for each in agents)}


def _options(config: ControlPlaneConfig) -> Options:
    deadline = int(config.limits.deadline_seconds * SECOND)
    if config.identity is None:
        return Options(limit_deadline=deadline)
    half = int(config.identity.ttl_seconds * SECOND) // 2  # the least that a certificate has left when a connection begins
    return Options(config.identity.trust_domain, min(Options().max_connection, half), deadline)


def _authority(config: IdentityConfig, path: Path, now: int) -> Issuer:
    try:
        from governance.svid.authority import Authority  # noqa: PLC0415 - cryptography is an extra
    except ImportError:
        raise UnrecoverableError("control.identity needs cryptography: pip install 'spanloom[identity]'") from None
    try:
        return Authority(path, config.trust_domain, int(config.ttl_seconds * SECOND), now)
    except (ConfigError, OSError) as error:
        raise UnrecoverableError(f"control.identity: {error}") from error


def _credentials(tls: TlsConfig) -> grpc.ServerCredentials:
    try:
        pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
        client_ca = tls.client_ca.read_bytes() if tls.client_ca is not None else None
    except OSError as error:
        raise ConfigError(f"control.tls: {error}") from error
    return grpc.ssl_server_credentials([pair], client_ca, require_client_auth=client_ca is not None)
