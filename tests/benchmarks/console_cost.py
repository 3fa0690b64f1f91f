"""What the console costs the server: CPU-seconds of a first view of each answer and page, and of a page left open.

Run: python -m tests.benchmarks.console_cost [SPANS EDGES [MINUTES]]

120,000 spans of 51 services and 20,000 edge documents in DuckDB, in the last 15 minutes or so many. CPU time is that of the
whole process, DuckDB's threads and the asking included. A view is a first one: no answer is cached. A page left open follows
the event stream and asks again every 30 s for what new data has changed; the data is written before, and not counted.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import httpx2
from prometheus_client import CollectorRegistry

from dashboards.api.app import build_api
from dashboards.api.happenings.events import Events
from dashboards.api.system import SystemParts
from dashboards.read_models.reader import Reader
from processors.series import histogram
from stores.duckdb.store import DuckDbStore
from telemetry.call_graph import Edge, EdgeKey, Node, NodeKind
from telemetry.documents import Document, edge_document
from telemetry.logs import LogRecord
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind, StatusCode
from tests.dashboards import shop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Iterable, Mapping

    from fastapi import FastAPI

SECOND = 10**9
NOW = 1_800_000_000 * SECOND
MINUTES = 15
SPARE = 10 * SECOND
"""Between the last data and the end of what is asked for."""

SERVICES = [f"shop/service-{number:02}" for number in range(51)]
KINDS = 153
NODES = [Node(NodeKind.SERVICE, name) for name in SERVICES]
KEYS = [
    EdgeKey(NODES[number % 51], NODES[(number * 7 + number // 51 + 1) % 51], f"GET /items/{number % 5}", "http")
    for number in range(KINDS)
]
RESOURCES = [
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
OF_A_TRACE = 12
WINDOW = 5 * SECOND
ROUNDS = 5

REFRESH, LOOK, SELDOM = 30.0, 5.0, 60.0
"""Seconds between two readings of new data, as nobody has chosen otherwise; between two looks of the stream at the store, which
serve all viewers; and between two readings of the environments."""

FOLLOWED = 0.0
"""Of what the stream says, or of what is asked for once: it is not asked for again."""

LOOK_MEASURED, LOOKS = 0.5, 20
"""Seconds between the looks that are measured, and their number."""

SERVICE = SERVICES[7]

SHELL = {"freshness": FOLLOWED, "session": FOLLOWED, "environments?{range}": SELDOM}
"""What every page asks for, and seconds until it asks again."""

QUERY = "&q=http.route%3D%22%2F1%22"
TRACE = (500).to_bytes(16, "big").hex()

PAGES: dict[str, dict[str, float]] = {
    "Home": {
        "incidents?state=open": FOLLOWED,
        "incidents?{range}&state=all": FOLLOWED,
        "red?{range}": REFRESH,
        "services?{range}": REFRESH,
        "anomalies?{range}&limit=200": REFRESH,
    },
    "Services": {"services?{range}": REFRESH},
    "Service": {
        f"services/{SERVICE}?{{range}}": REFRESH,
        f"red?{{range}}&service={SERVICE}&heatmap=true": REFRESH,
        f"anomalies?{{range}}&service={SERVICE}&limit=100": REFRESH,
    },
    "Map": {"map?{range}": REFRESH},
    "Traces": {
        "traces?{range}&limit=50": REFRESH,
        "traces/facets?{range}": REFRESH,
        "traces/heatmap?{range}": REFRESH,
    },
    "Traces of a query": {
        "traces?{range}&limit=50" + QUERY: REFRESH,
        "traces/facets?{range}" + QUERY: REFRESH,
        "traces/heatmap?{range}" + QUERY: REFRESH,
    },
    "Trace": {f"traces/{TRACE}": FOLLOWED},
    "Logs": {"logs?{range}&limit=100": REFRESH, "logs/histogram?{range}": REFRESH},
    "Metrics": {},
    "Incidents": {"incidents?state=open&limit=200": FOLLOWED, "incidents?{range}&state=closed&limit=200": FOLLOWED},
    "Incident": {"incidents/incident-1": FOLLOWED},
    "Alerts": {
        "alerts?limit=2000": FOLLOWED,
        "incidents?{range}&state=open": FOLLOWED,
    },
    "Rules": {},
    "Fleet": {},
    "System": {"status": REFRESH, "system": REFRESH},
}
"""What the first view of a page asks of /api/v1 beside, and seconds until it asks again: `test_first_views.py` compares it with
a browser. Rules, agents, alerts that stand and expressions of metrics are not asked of the store, and are not here."""


def documents(spans: int, edges: int, minutes: int = MINUTES) -> list[Document]:
    """What was stored of the time."""
    chance, length = random.Random(1), minutes * 60 * SECOND - SPARE
    return [
        *(
            document
            for first in range(0, spans, OF_A_TRACE)
            for document in trace(first, NOW - length + first * length // spans, chance)
        ),
        *(edge_window(number, NOW - length + number * length // edges, chance) for number in range(edges)),
        *shop.signal_documents(),
    ]


def trace(first: int, begin: int, chance: random.Random) -> list[Document]:
    """Twelve spans, each called by the one before, what is stored of their trace, and a line of log."""
    trace_id = (first // OF_A_TRACE).to_bytes(16, "big")
    found: list[Span] = []
    for number in range(first, first + OF_A_TRACE):
        start = begin + (number - first) * 7_000_000
        found.append(
            Span(
                trace_id,
                number.to_bytes(8, "big") if number else bytes([255] * 8),
                found[-1].span_id if found else b"",
                f"GET /items/{number % 5}",
                SpanKind.SERVER if number % 2 else SpanKind.CLIENT,
                start,
                start + int(chance.lognormvariate(16, 1)),
                RESOURCES[number % len(RESOURCES)],
                status=StatusCode.ERROR if number % 100 == 0 else StatusCode.UNSET,
                attributes={"http.request.method": "GET", "http.route": f"/{number % 5}", "server.address": "10.0.0.7"},
            )
        )
    line = LogRecord(
        found[0].start, f"answered {first}", found[0].resource, severity=9, severity_text="INFO", trace_id=trace_id
    )
    stored, _ = shop.trace_documents(shop.Trace(trace_id, found, [line]))
    return stored


def edge_window(number: int, window: int, chance: random.Random) -> Document:
    """The hops of one edge in five seconds."""
    durations = [chance.lognormvariate(-4, 1) for _ in range(chance.randrange(5, 40))]
    latency, total = histogram.histogram(durations), round(sum(durations) * SECOND)
    exemplars = tuple(chance.randbytes(16) for _ in range(4))
    calls, failures = len(durations), int(number % 50 == 0)
    edge = Edge(
        KEYS[number % KINDS], window - window % WINDOW, WINDOW, calls, failures, total, latency, total // 2, total // 4,
        exemplars, (4, 3, 2, 1),
    )  # fmt: skip
    return edge_document(edge, number % 4, str(number))


class Viewer:
    """Asks an app about so many minutes until its time.

    Attributes:
        now: moves on where new data comes.
    """

    def __init__(self, store: DuckDbStore, spans: int, edges: int, minutes: int = MINUTES) -> None:
        self.store, self.now, self.minutes = store, NOW, minutes
        self.spans, self.edges = spans * MINUTES // minutes, edges * MINUTES // minutes

    def reader(self) -> Reader:
        """One that has read nothing yet."""
        return Reader(self.store, registry=CollectorRegistry())

    def app(self) -> FastAPI:
        """One that has answered nothing yet."""
        return build_api(self.reader(), SystemParts(self.store, dict, CollectorRegistry()), lambda: self.now)

    async def cost(self, app: FastAPI, paths: Iterable[str]) -> float:
        """CPU-seconds of these answers, asked for at once."""
        between = f"since={self.now - self.minutes * 60 * SECOND}&until={self.now}"
        urls = [f"/api/v1/{path.format(range=between)}" for path in paths]
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://console") as client:
            begin = time.process_time()
            for response in await asyncio.gather(*(client.get(url, timeout=120) for url in urls)):
                if response.status_code != 200:
                    raise SystemExit(f"{response.url}: {response.status_code} {response.text[:200]}")
            return time.process_time() - begin

    async def first_view(self, paths: Collection[str]) -> float:
        """The least of ROUNDS, after one that imports and prepares what a process does once."""
        return min([await self.cost(self.app(), paths) for _ in range(ROUNDS + 1)][1:])

    async def news(self, chance: random.Random) -> None:
        """What so many seconds bring, as often as in the time before."""
        traces, edges = self.spans // OF_A_TRACE, self.edges
        begin, first = self.now, (self.now - NOW) // SECOND * 1_000_000 + 1_000_000_000
        self.now += int(REFRESH) * SECOND
        made = [
            document
            for number in range(traces // 30)
            for document in trace(first + number * OF_A_TRACE, begin + number * 89_000_000, chance)
        ]
        made += [edge_window(first + number, begin + number * 44_000_000, chance) for number in range(edges // 30)]
        await self.store.write(made)

    async def left_open(self, paths: Mapping[str, float]) -> float:
        """CPU-seconds a second, without the looks of the stream."""
        app, chance = self.app(), random.Random(2)
        await self.cost(app, paths)
        each = {every: [path for path, own in paths.items() if own == every] for every in set(paths.values()) - {FOLLOWED}}
        share = 0.0
        for every, asked in each.items():
            costs = []
            for _ in range(ROUNDS):
                await self.news(chance)
                costs.append(await self.cost(app, asked))
            share += min(costs) / every
        return share

    async def looks(self) -> float:
        """CPU-seconds of one look of the event stream at the store."""
        events = Events(self.reader(), lambda: self.now, every=LOOK_MEASURED)
        listening = events.listen("")
        await anext(listening)
        await asyncio.sleep(LOOK_MEASURED / 2)
        begin = time.process_time()
        await asyncio.sleep(LOOKS * LOOK_MEASURED)
        spent = time.process_time() - begin
        await cast("AsyncGenerator[bytes]", listening).aclose()
        return spent / LOOKS


async def measure(spans: int, edges: int, minutes: int = MINUTES) -> None:
    """Fill a store, ask, print."""
    with tempfile.TemporaryDirectory() as folder:
        store = DuckDbStore(Path(folder) / "store.duckdb")
        made = documents(spans, edges, minutes)
        for first in range(0, len(made), 10_000):
            await store.write(made[first : first + 10_000])
        del made
        viewer = Viewer(store, spans, edges, minutes)
        say(f"{spans:,} spans, {len(SERVICES)} services, {edges:,} edge documents in {minutes:,} minutes")
        say(f"CPU-s of a first view, least of {ROUNDS}")
        look = await viewer.looks()
        say(f"a look of the event stream {look:6.3f} CPU-s, {look / LOOK:.2%} of a core for all viewers together")
        for path in dict.fromkeys(path for paths in PAGES.values() for path in {**SHELL, **paths}):
            say(f"{path.replace('?{range}', ''):60} {await viewer.first_view([path]):6.3f} CPU-s")
        for name, paths in PAGES.items():
            asked = {**SHELL, **paths}
            view, share = await viewer.first_view(asked), await viewer.left_open(asked) + look / LOOK
            over = "" if view < 0.1 and share < 0.01 else "  OVER"
            say(f"page {name:20} {view:6.3f} CPU-s  left open {share:.2%} of a core{over}")
        await store.close()


def say(text: str) -> None:
    """A line of the report."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(measure(*(map(int, sys.argv[1:4]) if len(sys.argv) > 2 else (120_000, 20_000))))
