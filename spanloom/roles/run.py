"""The roles of one process: what starts, in which order, and its status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.agent import TrafficAgent
from spanloom import clock
from spanloom.access.build import require_authentication
from spanloom.config import ConsoleConfig
from spanloom.process.banner import next_steps, on_terminal
from spanloom.process.data_folder import owned
from spanloom.process.store_file import is_shared
from spanloom.roles.needs import require_shared
from spanloom.roles.process import Process
from spanloom.wiring import STAGES, Log, Pipeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spanloom.clock import Now
    from spanloom.config import Config


async def run_roles(
    config: Config, now: Now, stages: Sequence[str] = STAGES, *, collect: bool = True, console: bool = True, alerts: bool = True
) -> int:
    """Collector, pipeline and console in one process until SIGTERM, SIGINT or a crash; returns the exit code.

    Raises:
        ConfigError: others can reach its console, and nobody could prove who they are.
    """
    if console:
        require_authentication(config)
    async with owned(config.data_dir), Process(config) as process:
        store = await process.store(now)
        samples = process.samples() if "act" in stages and alerts else None
        steering = process.steering() if console and config.control.enabled else None
        pipeline = Pipeline(config, store, now, process.registry, stages, alerts=alerts, samples=samples, steering=steering)
        await process.run(pipeline)
        process.export(pipeline)
        endpoints = await process.receive(pipeline) if collect else {}
        if console:
            routes = [*pipeline.routes(), *(await process.govern(now, store, pipeline) if config.control.enabled else ())]
            url = await process.serve_console(store, lambda: status(pipeline), now, routes)
            on_terminal(next_steps(endpoints, url, default_url=url == ConsoleConfig().url))
        await process.wait()
    return process.exit_code


async def run_worker(config: Config, now: Now, stages: Sequence[str]) -> int:
    """Stages of the pipeline alone, with probes.

    Raises:
        ConfigError: others can reach it, it repairs, and nobody could prove who they are.
    """
    require_shared(config, "worker", "log", "store")
    if "act" in stages:  # the others offer health and counters alone
        require_authentication(config)
    async with Process(config) as process:
        samples = process.samples() if "act" in stages else None
        pipeline = Pipeline(config, await process.store(now), now, process.registry, stages, samples=samples)
        await process.run(pipeline)
        process.export(pipeline)
        await process.serve_probes(lambda: status(pipeline), now, pipeline.routes())
        await process.wait()
    return process.exit_code


async def run_collector(config: Config) -> int:
    """The receivers alone, with probes; they write to Kafka."""
    require_shared(config, "collector", "log")
    async with Process(config) as process:
        shared_log = Log(config)
        await process.run(shared_log)
        await process.receive(shared_log)
        await process.serve_probes(dict, clock.system)
        await process.wait()
    return process.exit_code


async def run_console(config: Config, now: Now) -> int:
    """The console and the API alone; they read the store.

    Raises:
        ConfigError: others can reach it, and nobody could prove who they are.
    """
    require_shared(config, "console", "store")
    require_authentication(config)
    async with Process(config) as process:
        await process.serve_console(await process.store(now), dict, now)
        await process.wait()
    return process.exit_code


async def run_control(config: Config, now: Now) -> int:
    """The control plane alone, with its API and probes. A store that is shared has the alerts and calls that it judges by.

    Raises:
        ConfigError: others can reach its API, and nobody could prove who they are.
    """
    require_authentication(config)
    async with Process(config) as process:
        store = await process.store(now, needed=False) if is_shared(config.store_url) else None
        routes = await process.govern(now, store)
        await process.serve_probes(dict, now, routes)
        await process.wait()
    return process.exit_code


async def run_agent(config: Config, now: Now) -> int:
    """Envoy beside an application, with probes."""
    async with Process(config) as process:
        guarded = TrafficAgent(config.agent, config.data_dir / "agent", now, process.registry, process.health)
        await process.guard(guarded)
        await process.serve_probes(guarded.status, now)
        await process.wait()
    return process.exit_code


def status(pipeline: Pipeline) -> dict[str, object]:
    """What `/api/v1/status` says: counters since the start of the process."""
    counters = {name: value for name, (_, value) in pipeline.metrics.counters().items()}
    counters["spans_stored"] = pipeline.assemble.counts.spans_stored if pipeline.assemble is not None else 0
    counters["traces_stored"] = counters.get("traces", 0)
    in_flight = {name: offsets.in_flight for name, offsets in pipeline.offsets.items()}
    counters["held_records"] = sum(in_flight.values())
    stalled = [
        {"topic": tp.topic, "partition": tp.partition, "offset": stall.offset, "cause": stall.cause.value}
        for tp, stall in pipeline.stalls.stalled.items()
    ]
    return {**counters, "lag": pipeline.lag.by_topic(), "in_flight": in_flight, "stalled": stalled}
