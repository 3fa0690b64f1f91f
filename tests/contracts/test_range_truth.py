"""Over a day of traffic the console's numbers are those of a count over all documents, whatever the range, in every store."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import FastAPI

from dashboards.api import routes
from dashboards.api.answers import Answers
from dashboards.api.calls.routes import call_routes
from dashboards.read_models.reader import Reader
from processors.assembly.edges import merge, subtract
from processors.series import histogram
from telemetry.call_graph import Edge, EdgeKey, Node, NodeKind
from telemetry.documents import Document, Kind, edge_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from stores.store import Store

SECOND = 1_000_000_000
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
MIDNIGHT = 1_700_006_400 * SECOND
NOW = MIDNIGHT + 24 * HOUR
WINDOW = 5 * SECOND
SERVICES = [f"shop/s{number}" for number in range(6)]

RANGES = {
    "the day": (MIDNIGHT, NOW),
    "an hour that begins and ends anywhere": (MIDNIGHT + 3 * HOUR + 7 * SECOND, MIDNIGHT + 4 * HOUR + 11 * SECOND),
    "the last 15 minutes": (None, None),
    "before everything": (MIDNIGHT - HOUR, MIDNIGHT - MINUTE),
}


def day() -> tuple[list[Edge], list[Document]]:
    """Edges of a window every few minutes, in two partitions, with corrections; and spans, of services without calls too."""
    chance = random.Random(7)
    edges: list[Edge] = []
    kinds = [
        EdgeKey(Node(NodeKind.SERVICE, caller), Node(NodeKind.SERVICE, callee), f"GET /{number % 3}", "http", environment)
        for environment in ("default", "staging")
        for number, (caller, callee) in enumerate(
            (caller, callee) for caller in SERVICES for callee in SERVICES if callee > caller
        )
        if environment == "default" or number < 4
    ]
    kinds.append(EdgeKey(Node(NodeKind.SERVICE, SERVICES[5]), Node(NodeKind.DATABASE, "sql"), "SELECT", "sql"))
    for start in range(MIDNIGHT, NOW, 8 * MINUTE):
        for place, key in enumerate(kinds):
            if place % 5 == start // (8 * MINUTE) % 5:
                continue  # not everything is called all the time
            durations = [chance.lognormvariate(-3 + place / 10, 1) for _ in range(chance.randrange(1, 9))]
            edges.append(edge(key, start + place % 3 * WINDOW, durations, chance.randrange(2)))
            if chance.random() < 0.2:
                less = edge(key, start + place % 3 * WINDOW, durations[:-1], 0)
                edges.append(subtract(less, edges[-1]))
    documents = [edge_document(one, number % 2, str(number)) for number, one in enumerate(edges)]
    for number in range(1500):
        service = "batch" if number % 50 == 0 else SERVICES[number % 6]
        namespace, _, name = service.rpartition("/")
        attributes = {"service.name": name, "service.instance.id": f"i{number % 2}", "service.version": f"1.{number // 900}"}
        body = {
            "trace_id": f"{number:032x}",
            "environment": "default",
            "resource": {"attributes": attributes | ({"service.namespace": namespace} if namespace else {})},
            "name": "work",
            "status": {"code": "Error" if number % 7 == 0 else "Unset"},
        }
        documents.append(Document(Kind.SPAN, f"{number:048x}", MIDNIGHT + number * 57 * SECOND, body))
    return edges, documents


def edge(key: EdgeKey, start: int, durations: list[float], failures: int) -> Edge:
    total = sum(round(duration * SECOND) for duration in durations)
    failures = min(failures, len(durations))
    return Edge(key, start, WINDOW, len(durations), failures, total, histogram.histogram(durations), total // 2, total // 4)


def api_of(store: Store) -> httpx2.AsyncClient:
    app = FastAPI()
    app.include_router(call_routes(Reader(store).reads, Answers(lambda: NOW), lambda: NOW))
    routes.answer_errors(app)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://console", timeout=120)


def added(edges: Iterable[Edge], by: Callable[[Edge], object]) -> dict[Any, Edge]:
    groups: dict[object, list[Edge]] = defaultdict(list)
    for one in edges:
        groups[by(one)].append(one)
    return {key: reduce(merge, group) for key, group in groups.items()}


def same(stats: dict[str, Any], expected: Edge | None, seconds: float) -> None:
    calls, failures = (expected.calls, expected.failures) if expected else (0, 0)
    assert (stats["calls"], stats["failures"]) == (calls, failures)
    assert stats["rate"] == pytest.approx(calls / seconds)
    assert stats["error_rate"] == (pytest.approx(failures / calls) if calls else None)
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        quantile = histogram.quantile(expected.latency, share) if expected and calls else None
        assert stats[name] == (pytest.approx(quantile * SECOND, abs=1) if quantile is not None else None)
    assert stats["mean"] == (pytest.approx(expected.latency_sum / calls, abs=1) if expected and calls else None)


@dataclass
class Day:
    """The documents of a day, and who asks the API about it."""

    edges: list[Edge]
    documents: list[Document]
    client: httpx2.AsyncClient

    async def get(self, path: str, **asked: Any) -> Any:
        response = await self.client.get(path, params=asked)
        assert response.status_code == 200, response.text
        return response.json()

    def within(self, answer: dict[str, Any], environment: str) -> tuple[list[Edge], float]:
        """What an answer has to be about, and for how many seconds."""
        since, until = answer["since"], answer["until"]
        found = [one for one in self.edges if since <= one.start < until and environment in {"", one.key.environment}]
        return found, (until - since) / SECOND

    def spans(self, answer: dict[str, Any], environment: str) -> Counter[str]:
        counts: Counter[str] = Counter()
        for document in self.documents:
            if document.kind is Kind.SPAN and answer["since"] <= document.time < answer["until"] and environment != "staging":
                resource = document.body["resource"]["attributes"]
                namespace = resource.get("service.namespace")
                counts[f"{namespace}/{resource['service.name']}" if namespace else resource["service.name"]] += 1
        return counts

    def deploys(self) -> dict[tuple[str, str], int]:
        """The first span of each service in its second version."""
        first: dict[tuple[str, str], int] = {}
        for document in self.documents:
            resource = document.body["resource"]["attributes"] if document.kind is Kind.SPAN else {}
            if resource.get("service.version") == "1.1":
                names = (resource.get("service.namespace"), resource["service.name"])
                first.setdefault(("/".join(filter(None, names)), "1.1"), document.time)
        return first


@pytest.fixture
async def stored_day(store: Store) -> AsyncIterator[Day]:
    edges, documents = day()
    for first in range(0, len(documents), 400):
        written = await store.write(documents[first : first + 400])
        assert not written.rejected
    await store.refresh([Kind.EDGE, Kind.SPAN])
    async with api_of(store) as client:
        yield Day(edges, documents, client)


async def test_every_number_of_calls_is_that_of_a_count_over_all_documents(stored_day: Day) -> None:
    for since, until in RANGES.values():
        for environment in ("", "staging"):
            asked: dict[str, Any] = {"since": since, "until": until} if since else {}
            asked |= {"environment": environment} if environment else {}
            await check_services(stored_day, environment, asked)
            await check_map(stored_day, environment, asked)
            await check_series(stored_day, environment, asked)
    await check_service(stored_day, SERVICES[3])


async def check_services(of: Day, environment: str, asked: dict[str, Any]) -> None:
    shown = await of.get("/api/v1/services", **asked)
    assert shown["since"] <= asked.get("since", NOW - 15 * MINUTE)
    assert shown["until"] >= asked.get("until", NOW)
    edges, seconds = of.within(shown, environment)
    spans = of.spans(shown, environment)
    to_services = (one for one in edges if one.key.callee.kind is NodeKind.SERVICE)
    received = added(to_services, lambda one: (one.key.environment, one.key.callee.name))
    found = {(one["environment"], one["name"]): one for one in shown["services"]}
    assert set(found) == {*received, *(("default", name) for name in spans)}
    for place, one in found.items():
        same(one, received.get(place), seconds)
        assert one["spans"] == (spans[one["name"]] if one["environment"] == "default" else 0)
        assert sum(count or 0 for count in one["sparkline"]["calls"]) == one["calls"]
    came_up = of.deploys() if shown["since"] <= MIDNIGHT and shown["until"] >= NOW and environment != "staging" else {}
    assert {(one["service"], one["version"]): one["first_seen"] for one in shown["deploys"]} == came_up


async def check_map(of: Day, environment: str, asked: dict[str, Any]) -> None:
    shown = await of.get("/api/v1/map", **asked)
    edges, seconds = of.within(shown, environment)
    ends = added(edges, lambda one: (one.key.environment, one.key.caller.name, one.key.callee.name))
    found = {(one["environment"], one["caller"]["name"], one["callee"]["name"]): one for one in shown["edges"]}
    assert set(found) == {key for key, one in ends.items() if one.calls}
    for key, one in found.items():
        same(one["stats"], ends[key], seconds)


async def check_series(of: Day, environment: str, asked: dict[str, Any]) -> None:
    shown = await of.get("/api/v1/red", **asked, heatmap=True)
    edges, seconds = of.within(shown, environment)
    step = shown["step"]
    inside = [one for one in edges if one.key.callee.kind is NodeKind.SERVICE]
    steps = added(inside, lambda one: one.start - one.start % step)
    assert shown["times"] == list(range(shown["since"], shown["until"], step))
    for place, start in enumerate(shown["times"]):
        one = steps.get(start)
        assert shown["calls"][place] == (one.calls if one else None)
        assert shown["failures"][place] == (one.failures if one else None)
        p95 = histogram.quantile(one.latency, 0.95) if one and one.calls else None
        assert shown["p95"][place] == (pytest.approx(p95 * SECOND, abs=1) if p95 is not None else None)
        assert sum(shown["heatmap"]["counts"][place]) == (one.calls if one else 0)
    same(shown["total"], added(inside, lambda _: 0).get(0), seconds)


async def check_service(of: Day, name: str) -> None:
    shown = await of.get(f"/api/v1/services/{name}", since=MIDNIGHT, until=NOW, environment="default")
    edges, seconds = of.within(shown, "default")
    calls = added(edges, lambda one: (one.key.caller.name, one.key.callee.name))
    for one in shown["upstream"]:
        same(one, calls[one["node"]["name"], name], seconds)
    for one in shown["downstream"]:
        same(one, calls[name, one["node"]["name"]], seconds)
    assert (len(shown["upstream"]), len(shown["downstream"])) == (3, 2)
    assert sum(one["calls"] for one in shown["operations"]) == shown["stats"]["calls"]
    spans = of.spans(shown, "default")[name]
    assert spans == shown["spans"]
    assert spans == sum(one["spans"] for one in shown["instances"]) == sum(one["spans"] for one in shown["versions"])
    assert sum(one["count"] for one in shown["exceptions"]) == shown["error_spans"]
    assert {one["version"] for one in shown["versions"]} == {"1.0", "1.1"}
