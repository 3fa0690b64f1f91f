"""What the console costs the server: CPU-seconds of a first view of each answer and page, and of a page left open.

Run: python -m tests.benchmarks.console_cost [SPANS EDGES]

120,000 spans of 51 services and 20,000 edge documents in DuckDB, in the last 15 minutes. CPU time is that of the whole process,
DuckDB's threads and the asking included. A view is a first one: nothing is cached.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
from prometheus_client import CollectorRegistry

from dashboards.api.app import build_api
from dashboards.api.system import SystemParts
from dashboards.read_models.reader import Reader
from processors.series import histogram
from stores.duckdb.store import DuckDbStore
from telemetry.call_graph import Edge, EdgeKey, Node, NodeKind
from telemetry.documents import Document, edge_document
from telemetry.documents.signals import span_document
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind, StatusCode

if TYPE_CHECKING:
    from fastapi import FastAPI

SECOND = 10**9
NOW = 1_800_000_000 * SECOND
LENGTH = 890 * SECOND
SERVICES = [f"shop/service-{number:02}" for number in range(51)]
KINDS = 153
WINDOW = 5 * SECOND
ROUNDS = 5

ANSWERS = {
    "services": "/api/v1/services",
    "service": f"/api/v1/services/{SERVICES[7]}",
    "red": "/api/v1/red",
    "red with heatmap": f"/api/v1/red?service={SERVICES[7]}&heatmap=true",
    "map": "/api/v1/map",
    "freshness": "/api/v1/freshness",
    "incidents": "/api/v1/incidents",
    "anomalies": "/api/v1/anomalies",
    "rankings": "/api/v1/rankings",
    "system": "/api/v1/system",
    "traces": "/api/v1/traces",
    "traces by attribute": "/api/v1/traces?q=http.route%3D%22%2F1%22",
    "facets": "/api/v1/traces/facets",
    "heatmap of traces": "/api/v1/traces/heatmap",
    "logs": "/api/v1/logs",
    "service-map (old)": "/api/v1/service-map",
}

PAGES = {
    "Home": ("freshness", "incidents", "red", "services", "anomalies"),
    "Services": ("freshness", "services"),
    "Service": ("freshness", "service", "red with heatmap", "anomalies"),
    "Map": ("freshness", "map"),
    "Traces": ("freshness", "traces", "facets", "heatmap of traces"),
    "Incidents": ("freshness", "incidents", "rankings"),
    "System": ("freshness", "system"),
}

REFRESH = 30.0
"""Seconds between two refreshes of a page, as it is when nobody chooses."""


def documents(spans: int, edges: int) -> list[Document]:
    """What was stored of the time."""
    chance = random.Random(1)
    resources = [
        Resource(
            {
                "service.name": name.partition("/")[2],
                "service.namespace": "shop",
                "service.version": "1.2.3",
                "service.instance.id": f"{name}-{instance}",
                "telemetry.sdk.language": "python",
                "host.name": "node-1",
            }
        )
        for name in SERVICES
        for instance in range(2)
    ]
    found = []
    for number in range(spans):
        start = NOW - LENGTH + number * LENGTH // spans
        duration = int(chance.lognormvariate(16, 1))
        found.append(
            span_document(
                Span(
                    (number // 12).to_bytes(16, "big"),
                    number.to_bytes(8, "big"),
                    (number - 1).to_bytes(8, "big") if number % 12 else b"",
                    f"GET /items/{number % 5}",
                    SpanKind.SERVER if number % 2 else SpanKind.CLIENT,
                    start,
                    start + duration,
                    resources[number % len(resources)],
                    status=StatusCode.ERROR if number % 100 == 0 else StatusCode.UNSET,
                    attributes={"http.request.method": "GET", "http.route": f"/{number % 5}", "server.address": "10.0.0.7"},
                )
            )
        )
    nodes = [Node(NodeKind.SERVICE, name) for name in SERVICES]
    keys = [
        EdgeKey(nodes[number % 51], nodes[(number * 7 + number // 51 + 1) % 51], f"GET /items/{number % 5}", "http")
        for number in range(KINDS)
    ]
    for number in range(edges):
        window = NOW - LENGTH + number * LENGTH // edges
        durations = [chance.lognormvariate(-4, 1) for _ in range(chance.randrange(5, 40))]
        latency, total = histogram.histogram(durations), round(sum(durations) * SECOND)
        exemplars = tuple(chance.randbytes(16) for _ in range(4))
        failures = int(number % 50 == 0)
        edge = Edge(
            keys[number % KINDS], window - window % WINDOW, WINDOW, len(durations), failures, total, latency, total // 2,
            total // 4, exemplars, (4, 3, 2, 1),
        )  # fmt: skip
        found.append(edge_document(edge, number % 4, str(number)))
    return found


class Viewer:
    """Asks an app that has answered nothing yet, each time."""

    def __init__(self, store: DuckDbStore) -> None:
        self._store = store

    def app(self) -> FastAPI:
        registry = CollectorRegistry()
        return build_api(Reader(self._store, registry=registry), SystemParts(self._store, dict, registry), lambda: NOW)

    async def cost(self, app: FastAPI, paths: list[str]) -> tuple[float, int]:
        """CPU-seconds of these answers, and bytes."""
        size = 0
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://console") as client:
            begin = time.process_time()
            for response in await asyncio.gather(*(client.get(path, timeout=120) for path in paths)):
                if response.status_code != 200:
                    raise SystemExit(f"{response.url}: {response.status_code} {response.text[:200]}")
                size += len(response.content)
            return time.process_time() - begin, size


async def measure(spans: int, edges: int) -> None:
    """Fill a store, ask, print."""
    with tempfile.TemporaryDirectory() as folder:
        store = DuckDbStore(Path(folder) / "store.duckdb")
        made = documents(spans, edges)
        for first in range(0, len(made), 10_000):
            await store.write(made[first : first + 10_000])
        viewer = Viewer(store)
        say(f"{spans:,} spans, {len(SERVICES)} services, {edges:,} edge documents; CPU-s of a first view, least of {ROUNDS}")
        for name, paths in [*((name, [path]) for name, path in ANSWERS.items()), *_pages()]:
            await viewer.cost(viewer.app(), paths)  # what is imported or prepared once in a process
            costs = [await viewer.cost(viewer.app(), paths) for _ in range(ROUNDS)]
            least = min(cost for cost, _ in costs)
            kept = f"  left open, every {REFRESH:g} s: {least / REFRESH:.2%} of a core" if name.startswith("page") else ""
            say(f"{name:24} {least:6.3f} CPU-s {costs[0][1] / 1024:8.1f} KiB{kept}")
        await store.close()


def say(text: str) -> None:
    """A line of the report."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _pages() -> list[tuple[str, list[str]]]:
    return [(f"page {name}", [ANSWERS[answer] for answer in answers]) for name, answers in PAGES.items()]


if __name__ == "__main__":
    asyncio.run(measure(*(map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (120_000, 20_000))))
