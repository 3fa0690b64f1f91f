"""The control plane as a process has it: its store, its ports, and what it copies to where."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from components.durations import SECOND
from components.private_files import make_private_folder
from governance.ads import Ads
from governance.api import GovernanceApi
from governance.approvals.drafts import Drafts
from governance.compile.site import LimitTls, Options
from governance.compile.tokens import MAX_KEYS_BYTES, TokenIssuer, public_keys
from governance.control import ControlPlane, Settings
from governance.limits.external import LimitFile
from governance.limits.service import LimitService
from governance.limits.windows import Windows
from governance.metrics import ControlMetrics
from governance.stores.sqlite import SqliteStore
from governance.svid.admission import ByCertificate
from governance.svid.discovery import SecretDiscovery
from governance.svid.secrets import Secrets
from governance.trail import Trail
from governance.waves.comparing import CallBuffer, ComparingJudge
from governance.waves.judging import AlertJudge
from governance.waves.rollout import AlwaysGood
from governance.xds.preflight import can_check
from governance.xds.server import XdsServer
from spanloom.process.control_tls import live_credentials
from spanloom.process.observed_alerts import ObservedAlerts
from spanloom.process.observed_calls import ObservedCalls
from telemetry.errors import ConfigError, StoreError, UnrecoverableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from prometheus_client import CollectorRegistry
    from starlette.routing import Route

    from alerting.alerts import StoredAlert
    from governance.config import ControlPlaneConfig, FleetLimitConfig, IdentityConfig
    from governance.revisions import RevisionStore
    from governance.svid.live import LiveAuthority
    from governance.svid.shared import SharedAuthority
    from governance.xds.snapshot import Resource
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
        store: where the audit trail is copied to, and where the calls are that waves are judged by, if anywhere.
        alerts: what waves are judged by, where this process evaluates rules; else those of the store are, if there is one.
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
        self._calls = CallBuffer()
        self._observed = ObservedAlerts(store) if alerts is None and store is not None else None
        found = alerts or self._observed
        by_alerts = AlertJudge(found) if found is not None else None
        self._judge = ComparingJudge(by_alerts or AlwaysGood(), self._calls)
        self._alarms = by_alerts.begun if by_alerts is not None else None
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
        store = _store(self._config, self._folder)
        self._stack.push_async_callback(store.close)
        metrics = ControlMetrics(self._registry)
        config = self._config
        domain = config.identity.trust_domain if config.identity is not None else ""
        self._shared = _shared_authority(config, self._folder, store)
        await self._sync()
        issuer, sample = _identities(config.identity, self._folder / "authority.pem", self._now())
        self._authority = issuer
        if self._shared is not None and issuer is not None:
            for _ in range(2):  # what was made is kept; where another control plane was faster, the second time has that one's
                await self._sync()
            issuer.refresh(self._now())
        settings = Settings(config.rollout, _options(config), config.max_agents, config.check_with_envoy, sample)
        self.plane = await self._stack.enter_async_context(
            ControlPlane(settings, store, self._judge, metrics, self._now, issuer, self._alarms)
        )
        self.drafts = Drafts(self.plane, config.approvals, metrics, self._now)
        self._trail = Trail(store, self._copy_to.write) if self._copy_to is not None else None
        limits = LimitService(Windows(config.limits.max_counters), metrics, self._now)
        admission = ByCertificate(domain) if issuer is not None else None
        handlers = [Ads(self.plane.fleet, metrics, admission).handler(), limits.handler()]
        if (identities := self.plane.identities) is not None:
            handlers.append(SecretDiscovery(identities.streams, metrics, admission).handler())
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
            credentials = live_credentials(config.tls) if config.tls is not None else None
            server = await self._stack.enter_async_context(XdsServer(f"{host}:{config.port}", handlers, credentials))
            listening["port"] = str(server.port)
        if config.check_with_envoy and not can_check():
            log.warning(
                "revisions_unchecked", reason="no Envoy is here", hint="pip install 'spanloom[agent]', or read them twice"
            )
        log.info("control_started", revision=self.plane.stable, **listening)

    async def _sync(self) -> None:
        if self._shared is not None:
            try:
                await self._shared.sync(self._now())
            except (ConfigError, OSError) as error:
                raise UnrecoverableError(str(error)) from error

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the streams of agents, then the store."""
        await self._stack.aclose()

    async def run(self) -> None:
        """Return, or raise, when it no longer works."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.plane.wait())
            if self._authority is not None:
                group.create_task(self._authority.follow(self.plane.identities_reached, self._now, self._shared))
            group.create_task(self.drafts.run())
            if (path := self._config.limits.service_config) is not None:
                group.create_task(LimitFile(path, lambda: self.plane.live).run())
            if self._trail is not None:
                group.create_task(self._trail.run())
            if self._copy_to is not None:
                group.create_task(ObservedCalls(self.plane, self._copy_to, self._calls).run())
            if self._observed is not None:
                group.create_task(self._observed.run(self._is_judging))

    def _is_judging(self) -> bool:
        rollout = self.plane.rollout
        return (rollout is not None and not rollout.ended) or bool(self.plane.deliveries.watches())

    def routes(self) -> list[Route]:
        """Its part of the HTTP API."""
        return GovernanceApi(self.plane, self.drafts).routes()

    def status(self) -> dict[str, object]:
        """What `/api/v1/status` says."""
        agents = self.plane.fleet.agents
        return {"revision": self.plane.stable, "agents": len(agents), "connected": sum(each.connected for each in agents)}


def _shared_authority(config: ControlPlaneConfig, folder: Path, store: RevisionStore) -> SharedAuthority | None:
    """What other control planes have of the authority, if they share it."""
    if config.identity is None or config.identity.shared_key is None:
        return None
    try:
        from governance.stores.postgresql import PostgresStore  # noqa: PLC0415 - psycopg is an extra
        from governance.svid.shared import SharedAuthority  # noqa: PLC0415 - cryptography is an extra
    except ImportError:
        raise UnrecoverableError("control.identity.shared_key needs cryptography: pip install 'spanloom[identity]'") from None
    if not isinstance(store, PostgresStore):
        raise UnrecoverableError("control.identity.shared_key: control.store is not shared")
    return SharedAuthority(folder, config.identity.shared_key.get_secret_value(), store)


def _store(config: ControlPlaneConfig, folder: Path) -> RevisionStore:
    if config.store is None:
        try:
            return SqliteStore(folder / "control.sqlite")
        except StoreError as error:
            raise UnrecoverableError(str(error)) from error
    try:
        from governance.stores.postgresql import PostgresStore  # noqa: PLC0415 - psycopg is an extra
    except ImportError:
        raise UnrecoverableError("control.store needs psycopg: pip install 'spanloom[postgresql]'") from None
    return PostgresStore(config.store.get_secret_value())  # a server that is away ends the process, which is started again


def _options(config: ControlPlaneConfig) -> Options:
    options = Options(
        limit_deadline=int(config.limits.deadline_seconds * SECOND),
        limit_service=config.limits.service,
        limit_tls=_limit_tls(config.limits),
        token_issuers=_issuers(config),
    )
    if config.identity is None:
        return options
    half = int(config.identity.ttl_seconds * SECOND) // 2  # the least that a certificate has left when a connection begins
    return replace(options, trust_domain=config.identity.trust_domain, max_connection=min(options.max_connection, half))


def _limit_tls(config: FleetLimitConfig) -> LimitTls | None:
    if (tls := config.tls) is None:
        return None
    files = {"ca": tls.ca, "certificate": tls.certificate, "key": tls.key}
    found = {name: _pem(path, f"control.limits.tls.{name}") for name, path in files.items() if path is not None}
    name = tls.name or config.service.rpartition(":")[0].strip("[]")
    return LimitTls(name, **found, identity=tls.identity)


def _pem(path: Path, setting: str) -> str:
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UnrecoverableError(f"{setting}: {path}: {error}") from error
    if "-----BEGIN" not in text:
        raise UnrecoverableError(f"{setting}: {path}: is not PEM: it has no -----BEGIN line")
    return text


def _issuers(config: ControlPlaneConfig) -> tuple[TokenIssuer, ...]:
    found = []
    for at, each in enumerate(config.token_issuers):
        place = f"control.token_issuers[{at}].jwks: {each.jwks}"
        try:
            with each.jwks.open("rb") as file:
                text = file.read(MAX_KEYS_BYTES + 1).decode()
            found.append(TokenIssuer(each.name, each.issuer, each.audiences, public_keys(text, place)))
        except (OSError, UnicodeDecodeError) as error:
            raise UnrecoverableError(f"{place}: {error}") from error
        except ConfigError as error:
            raise UnrecoverableError(str(error)) from error
    return tuple(found)


def _identities(config: IdentityConfig | None, path: Path, now: int) -> tuple[LiveAuthority | None, Mapping[str, Resource]]:
    """Who issues certificates, if it is us; else secrets to check configurations with."""
    if config is None:
        return None, {}
    if config.authority:
        return _authority(config, path, now), {}
    with tempfile.TemporaryDirectory(prefix="spanloom-sample-") as folder:
        return None, Secrets(_authority(config, Path(folder) / "authority.pem", now)).sample(now)


def _authority(config: IdentityConfig, path: Path, now: int) -> LiveAuthority:
    try:
        from governance.svid.live import LiveAuthority  # noqa: PLC0415 - cryptography is an extra
    except ImportError:
        raise UnrecoverableError("control.identity needs cryptography: pip install 'spanloom[identity]'") from None
    try:
        return LiveAuthority(path, config.trust_domain, int(config.ttl_seconds * SECOND), now)
    except (ConfigError, OSError) as error:
        raise UnrecoverableError(f"control.identity: {error}") from error
