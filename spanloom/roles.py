"""The roles of one process: what starts, in which order, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import structlog

from collectors.metrics import CollectorMetrics
from collectors.otlp_grpc import OtlpGrpcReceiver
from collectors.otlp_http import OtlpHttpReceiver
from collectors.shipper import Shipper
from spanloom.wiring import STAGES, Pipeline, open_store
from stores.store import Query, Retention
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spanloom.clock import Now
    from spanloom.config import Config
    from stores.store import Store

log = structlog.get_logger(__name__)

CRASHED = 70
"""Exit code of a process whose pipeline failed (EX_SOFTWARE): start it again."""

RETAIN_EVERY = 60.0
"""Seconds between two looks at what the store may forget."""


async def run_roles(
    config: Config, now: Now, stages: Sequence[str] = STAGES, *, collect: bool = True, console: bool = True, alerts: bool = True
) -> int:
    """Run the roles until SIGTERM, SIGINT or a crash of the pipeline; gives the exit code."""
    config.data_dir.mkdir(parents=True, exist_ok=True)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        store = open_store(config)
        stack.push_async_callback(store.close)
        pipeline = Pipeline(config, store, now, stages=stages, alerts=alerts)
        await stack.enter_async_context(pipeline)
        if collect:
            shipper = Shipper(pipeline, config.shipper, metrics := CollectorMetrics(pipeline.registry))
            for receiver in (
                OtlpGrpcReceiver(config.otlp_grpc, shipper, metrics),
                OtlpHttpReceiver(config.otlp_http, shipper, metrics),
            ):
                await receiver.start()
                stack.push_async_callback(receiver.stop)
        if console:
            from dashboards.app import build_app  # noqa: PLC0415 - NiceGUI takes a second to import
            from dashboards.server import ConsoleServer  # noqa: PLC0415

            routes: list[Any] = []
            app = build_app(store, lambda: status(pipeline), pipeline.registry, now, routes)
            server = ConsoleServer(app, config.console.host, config.console.port)
            await server.start()
            stack.push_async_callback(server.stop)
            log.info("ready", console=server.url, otlp_grpc=config.otlp_grpc.port, otlp_http=config.otlp_http.port)
        retention = asyncio.create_task(_retain(store, config, now))
        stack.push_async_callback(_cancel, retention)
        stopped = asyncio.create_task(stopping.wait())
        ended = asyncio.create_task(pipeline.app.wait_until_stopped())
        await asyncio.wait({stopped, ended, retention}, return_when=asyncio.FIRST_COMPLETED)
        crashed = pipeline.app.crashed or not stopping.is_set()
        for task in (stopped, ended):
            task.cancel()
        if retention.done() and not retention.cancelled():
            retention.result()
    return CRASHED if crashed else 0


def status(pipeline: Pipeline) -> dict[str, Any]:
    """What `/api/v1/status` says: counters since the start of the process."""
    counters = {name: value for name, (_, value) in pipeline.metrics.counters().items()}
    counters["spans_stored"] = pipeline.assemble.counts.spans_stored if pipeline.assemble is not None else 0
    counters["traces_stored"] = counters.get("traces", 0)
    counters["held_records"] = sum(offsets.held for offsets in pipeline.offsets.values())
    return {**counters, "lag": pipeline.lag()}


async def _retain(store: Store, config: Config, now: Now) -> None:
    """Forget what is too old. Age counts from the newest span, so that recorded telemetry stays after a replay."""
    if not store.capabilities().age_retention:
        await asyncio.Event().wait()  # the store forgets by itself
    retention = Retention(int(config.retention.days * 86_400), config.retention.max_bytes)
    while True:
        await asyncio.sleep(RETAIN_EVERY)
        newest = await store.find(Query(Kind.SPAN, descending=True, limit=1))
        gone = await store.retain(retention, min(now(), newest[0]["@timestamp"]) if newest else now())
        if gone:
            log.info("retention", forgotten=gone)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
