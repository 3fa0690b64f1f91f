"""One process: what it has started, its ends, its ports."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from contextlib import AsyncExitStack
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector

from collectors.ingest import Ingest
from collectors.metrics import CollectorMetrics
from collectors.receiver import ReceiverContext
from collectors.shipper import Shipper
from components.http.health import Health
from components.private_files import keep_files_private
from components.sockets.acceptor import ListenError
from components.sockets.connections import ConnectionMetrics
from components.sockets.descriptors import raise_limit
from dashboards.api.server import ConsoleServer
from governance.steering import PolicySteering
from spanloom import components
from spanloom.access.build import build_access
from spanloom.access.local_token import show_login_link
from spanloom.health import FULL, add_pipeline, watch_log, watch_store
from spanloom.probes import build_probes
from spanloom.process.control import PORT, Control
from spanloom.process.data_folder import close_to_others
from spanloom.process.exit_codes import CRASHED, exit_code_of, unrecoverable
from spanloom.process.shown_config import shown_config
from spanloom.process.store_file import remember_store_file, require_store_file, store_file
from spanloom.process.stores import open_samples, open_store
from spanloom.roles.needs import absence, local_paths
from spanloom.self_metrics.export import MetricsExporter
from spanloom.wiring import Log, Pipeline
from stores.store import Query, Retention
from telemetry.documents import Kind
from telemetry.errors import InUseError, StoreError, UnrecoverableError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from starlette.routing import BaseRoute, Route
    from starlette.types import ASGIApp

    from agent.agent import TrafficAgent
    from alerting.alerts import StoredAlert
    from spanloom.access.build import Access
    from spanloom.clock import Now
    from spanloom.config import Config
    from stores.samples.store import SampleStore
    from stores.store import Store


log = structlog.get_logger(__name__)

RETAIN_EVERY = 60.0
"""Seconds between checks of what the store may delete."""


class Process:
    """What a process has started, from entering to leaving. A signal ends it, also while something starts."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stack = AsyncExitStack()
        self._stopping = asyncio.Event()
        self._starting: asyncio.Task[object] | None = None
        self._ends: list[asyncio.Task[object]] = []  # when one of them ends, so does the process
        self._logs: list[Log] = []
        self._umask = 0o022
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.health = Health()
        self._connections = ConnectionMetrics(self.registry)
        self._control: Control | None = None
        self._endpoints: dict[str, str] = {}  # of the receivers that run here

    async def __aenter__(self) -> Self:
        raise_limit()
        self._umask = keep_files_private()
        close_to_others(self._config.data_dir, *local_paths(self._config))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        self._starting = asyncio.current_task()
        self._watch(self._stopping.wait())
        return self

    def _stop(self) -> None:
        self._stopping.set()
        if self._starting is not None:
            self._starting.cancel()  # it may wait for Kafka for a minute
            self._starting = None

    async def __aexit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        self._starting = None
        expected_end = isinstance(error, asyncio.CancelledError) and self._stopping.is_set()
        error = None if expected_end else error
        await self._stack.aclose()
        os.umask(self._umask)
        if any(one.stuck for one in self._logs):
            # Faust's tasks and threads wait on for a broker that has gone; all else is closed.
            if error is not None:
                log.error("failed", reason=str(error))
            sys.stderr.flush()
            os._exit(self.exit_code if error is None else exit_code_of(error))
        return expected_end

    def _watch(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.ensure_future(work)
        self._ends.append(task)
        self._stack.push_async_callback(_cancel, task)

    async def store(self, now: Now, *, needed: bool = True) -> Store:
        """The store, which deletes what is too old. Where it is not needed, the process is ready without it too.

        Raises:
            InUseError: another process has it.
            UnrecoverableError: it cannot be opened: its file is damaged or gone.
        """
        file = store_file(self._config.store_url)
        try:
            if file is not None:
                require_store_file(file)
            store = open_store(self._config)
        except InUseError:
            raise
        except StoreError as error:
            raise UnrecoverableError(str(error)) from error
        if file is not None:
            remember_store_file(file)
        self._stack.push_async_callback(store.close)
        absent = await absence(store)
        if absent is not None:
            log.warning("store_unavailable", reason=str(absent), hint="what needs it waits")
        if needed:
            self._watch(watch_store(self.health, store).run())
        if store.capabilities().age_retention:
            self._watch(_retain(store, self._config, now))
        return store

    def samples(self) -> SampleStore | None:
        """The store of samples, if the store has one.

        Raises:
            InUseError: another process has it.
            UnrecoverableError: it cannot be opened: its file is damaged.
        """
        try:
            samples = open_samples(self._config)
        except InUseError:
            raise
        except StoreError as error:
            raise UnrecoverableError(str(error)) from error
        if samples is not None:
            self._stack.push_async_callback(samples.close)
        return samples

    async def run(self, process_log: Log) -> None:
        """Start it; when it ends by itself it has crashed."""
        self._logs.append(process_log)
        await self._stack.enter_async_context(process_log)
        self._watch(process_log.app.wait_until_stopped())
        self._watch(watch_log(self.health, process_log).run())
        if isinstance(process_log, Pipeline):
            log.info("kernels_chosen", kernels=process_log.kernels.name, why=process_log.kernels.why)
            add_pipeline(self.health, process_log)

    async def guard(self, agent: TrafficAgent) -> None:
        """Start it, and keep its Envoy running."""
        await self._stack.enter_async_context(agent)
        self._watch(agent.run())

    async def govern(self, now: Now, store: Store | None = None, pipeline: Pipeline | None = None) -> list[Route]:
        """Start the control plane; the routes of its API.

        Alerts judge its waves: those of the pipeline, or without one those that the store has.
        """
        config = self._config.control
        if pipeline is None and config.port is None:
            config = config.model_copy(update={"port": PORT})
        folder = self._config.data_dir / "control"
        alerts = partial(_alerts, pipeline) if pipeline is not None and pipeline.alerting is not None else None
        control = await self._stack.enter_async_context(Control(config, folder, self.registry, now, store, alerts))
        self._control = control
        self._watch(control.run())
        return control.routes()

    def steering(self) -> PolicySteering:
        """What playbooks steer by: the control plane, once it has started."""
        return PolicySteering(lambda: self._control.plane if self._control is not None else None)

    def export(self, pipeline: Pipeline) -> None:
        """Send the metrics of traces to where the configuration says, if anywhere."""
        if self._config.metrics.otlp and pipeline.assemble is not None:
            self._watch(MetricsExporter(self._config.metrics, pipeline.assemble.metrics, self.registry).run())

    async def receive(self, process_log: Log) -> dict[str, str]:
        """Take telemetry for the log; `HOST:PORT` of each receiver."""
        config, metrics = self._config, CollectorMetrics(self.registry, self._connections)
        shipper = Shipper(process_log, config.shipper, metrics)
        self.health.ready_while(lambda: not shipper.is_full, FULL)
        ingest = Ingest(config.ingest, metrics, config.access.tokens)
        context, endpoints = ReceiverContext(shipper, metrics, ingest), {}
        for component in components.RECEIVERS:
            if (settings := config.of(component)) is not None:
                receiver = component.build(settings, context)
                await receiver.start()
                self._stack.push_async_callback(receiver.stop)
                endpoints[component.name] = f"{settings.host}:{receiver.port}"
        log.info("receivers_started", **endpoints)
        self._endpoints = endpoints
        return endpoints

    def _receivers(self) -> dict[str, str]:
        """`HOST:PORT` of each receiver that runs here; else of those that are configured: another process has them."""
        if self._endpoints:
            return self._endpoints
        settings = {component.name: self._config.of(component) for component in components.RECEIVERS}
        return {name: f"{one.host}:{one.port}" for name, one in settings.items() if one is not None}

    async def serve_console(
        self, store: Store, status: Callable[[], dict[str, object]], now: Now, routes: Sequence[BaseRoute] = ()
    ) -> str:
        """Answer for the console, the API and the probes; the URL."""
        from dashboards.api.app import build_app  # noqa: PLC0415 - FastAPI takes half a second to import

        access = self._access(now)
        app = build_app(
            store,
            status,
            self.registry,
            now,
            [*routes, *access.login_routes()],
            self._config.queries,
            self.health,
            shown_config(self._config),
            self._receivers,
        )
        url = await self._serve(access.guard(app), self._config.console.port_or_default)
        if access.local_token:
            show_login_link(url, access.local_token)
        return url

    async def serve_probes(self, status: Callable[[], dict[str, object]], now: Now, routes: Sequence[BaseRoute] = ()) -> None:
        """Answer for health and metrics, and for the parts that have routes of their own.

        Several roles on one host have one default port: all but the first get a free one.
        """
        app = self._access(now).guard(build_probes(status, self.registry, routes, self.health))
        try:
            await self._serve(app, self._config.console.port_or_default)
        except ListenError as error:
            if self._config.console.port is not None:
                raise
            log.warning("default_port_in_use", reason=str(error), hint="a free port is used: set console.port to have the same")
            await self._serve(app, 0)

    def _access(self, now: Now) -> Access:
        access = build_access(self._config, self.registry, now)
        self._stack.push_async_callback(access.close)
        return access

    async def _serve(self, app: ASGIApp, port: int) -> str:
        console = self._config.console
        server = ConsoleServer(app, console.host, port, limits=console.limits, tls=console.tls, metrics=self._connections)
        await server.start()
        self._stack.push_async_callback(server.stop)
        log.info("ready", http=server.url)
        return server.url

    async def wait(self) -> None:
        """Wait for a signal or a crash."""
        self._starting = None
        await asyncio.wait(self._ends, return_when=asyncio.FIRST_COMPLETED)
        for task in self._ends:
            if task.done() and not task.cancelled():
                task.result()
        for one in self._logs:
            if (cause := unrecoverable(one.app.crash_reason)) is not None:
                raise cause

    @property
    def exit_code(self) -> int:
        """What the process ends with."""
        return CRASHED if not self._stopping.is_set() or any(one.app.crashed for one in self._logs) else 0


def _alerts(pipeline: Pipeline) -> Iterator[StoredAlert]:
    """The alerts of all environments."""
    return chain.from_iterable(pipeline.alerting.alerts().values() if pipeline.alerting is not None else ())


async def _retain(store: Store, config: Config, now: Now) -> None:
    """Delete what is too old. Age counts from the newest span, so that recorded telemetry stays after a replay."""
    if not store.capabilities().age_retention:
        await asyncio.Event().wait()  # the store deletes by itself
    retention = Retention(int(config.retention.days * 86_400), config.retention.max_bytes)
    while True:
        await asyncio.sleep(RETAIN_EVERY)
        try:
            newest = await store.find(Query(Kind.SPAN, descending=True, limit=1))
            gone = await store.retain(retention, min(now(), newest[0]["@timestamp"]) if newest else now())
        except StoreError as error:
            log.warning("retention_failed", reason=str(error), retry_in_seconds=RETAIN_EVERY)
            continue
        if gone:
            log.info("retention_applied", deleted=gone)


async def _cancel(task: asyncio.Task[object]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
