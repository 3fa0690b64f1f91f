"""Every metric of every role, as a page: read from what the roles register."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from agent.metrics import AgentMetrics
from collectors.metrics import CollectorMetrics
from components.access.metrics import AccessMetrics
from components.sockets.connections import ConnectionMetrics
from dashboards.api.answers import Answers
from dashboards.api.happenings.events import Events
from dashboards.read_models.bounded_reads import BoundedReads
from dashboards.read_models.reader import Reader
from dashboards.search.log_tail import LogTail
from governance.metrics import ControlMetrics
from spanloom import clock
from spanloom.config import AlertingConfig, Config
from spanloom.process.stores import open_samples, open_store
from spanloom.reference.table import head, row
from spanloom.self_metrics.export import MetricsConfig, MetricsExporter
from spanloom.wiring import Pipeline

if TYPE_CHECKING:
    from prometheus_client.core import Metric

HEAD = """# Metrics

What each role shows at `/metrics`, on the port of the console or of the probes, in Prometheus' text format. This page is made
from what the roles register by `make docs`.

Beside these, the *assemble* stage shows the RED and service-graph metrics of the traffic itself, under the names that Tempo and
the Collector's connectors have made common: docs/call-graph.md. On Linux each process shows `process_resident_memory_bytes`,
`process_cpu_seconds_total` and their like.
"""

_EVERYTHING = AlertingConfig.model_validate(
    {
        "heartbeat_url": "http://127.0.0.1:9/",
        "alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}],
    }
)
"""With all that has metrics only where it is configured."""


def page() -> str:
    """The page of reference."""
    found = sorted(registered(), key=lambda metric: metric.name)
    rows = (row(f"`{_shown(metric)}`", metric.type, metric.documentation) for metric in found)
    return "\n".join([HEAD, head("metric", "type", ""), *rows, ""])


def _shown(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def registered() -> list[Metric]:
    """The metrics of all roles as they are right after a start, without samples of most."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_registered(Path(folder)))


async def _registered(folder: Path) -> list[Metric]:
    config = Config(data_dir=folder, log=f"log://{folder}/log", store=f"duckdb://{folder}/store", alerting=_EVERYTHING)
    registry = CollectorRegistry()
    store, samples = open_store(config), open_samples(config)
    try:
        Pipeline(config, store, clock.system, registry, samples=samples)
        LogTail(BoundedReads(store, registry=registry), clock.system, registry)
        Answers(clock.system, registry)
        Events(Reader(store), clock.system, registry)
        CollectorMetrics(registry, ConnectionMetrics(registry))
        MetricsExporter(MetricsConfig(), list, registry)
        for of_role in (AccessMetrics, AgentMetrics, ControlMetrics):
            of_role(registry)
        return list(registry.collect())
    finally:
        if samples is not None:
            await samples.close()
        await store.close()
