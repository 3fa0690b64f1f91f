"""Over a day, what is counted beside the lists of traces, logs, anomalies, incidents and alerts is what Python counts."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from alerting.alert_state import AlertChange, AlertState, fingerprint
from dashboards.api.app import build_api
from dashboards.api.system import SystemParts
from dashboards.read_models.reader import Reader
from telemetry.documents import Document, Kind, anomaly_document
from telemetry.documents.signals import log_document, span_document
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.logs import LogRecord
from telemetry.metrics import Series
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind, StatusCode
from tests.dashboards import shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stores.store import Store

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
MIDNIGHT = 1_700_006_400 * SECOND
NOW = MIDNIGHT + 24 * HOUR
SERVICES = [Resource({"service.name": f"s{number}", "deployment.environment.name": "live"}) for number in range(5)]

RANGES = {
    "the day": (MIDNIGHT, NOW),
    "an hour that begins anywhere": (MIDNIGHT + 3 * HOUR + 7 * SECOND, MIDNIGHT + 4 * HOUR + 12 * SECOND),
    "before everything": (MIDNIGHT - 2 * HOUR, MIDNIGHT - HOUR),
}


def day() -> list[Document]:
    """Traces of three spans, lines, anomalies, and changes of alerts and incidents, spread over it."""
    chance = random.Random(11)
    found = []
    for number in range(1_200):
        start = MIDNIGHT + number * 72 * SECOND
        span = Span(
            (number // 3 + 1).to_bytes(16, "big"),
            (number + 1).to_bytes(8, "big"),
            b"" if number % 3 == 0 else number.to_bytes(8, "big"),
            f"step {number % 4}",
            SpanKind.SERVER,
            start,
            start + int(chance.lognormvariate(17, 1)),
            SERVICES[chance.randrange(5)],
            status=StatusCode.ERROR if chance.random() < 0.1 else StatusCode.UNSET,
        )
        found.append(span_document(span))
    for number in range(600):
        severity = chance.choice([9, 13, 17])
        line = LogRecord(MIDNIGHT + number * 144 * SECOND, f"line {number}", SERVICES[number % 5], severity=severity)
        found.append(log_document(line))
    for number in range(60):
        time = MIDNIGHT + number * 1_440 * SECOND
        series = Series("latency", (("service", f"s{number % 5}"),))
        seen = Anomaly(AnomalyKind.LATENCY, series, f"s{number % 5}", time, time + 5 * SECOND, 0.9, 0.1, 0.9, "s", "slow")
        found.append(anomaly_document(seen))
        labels = {"alertname": "Slow", "service": f"s{number % 5}", "number": str(number // 2)}
        state = (AlertState.FIRING, AlertState.RESOLVED)[number % 2]
        change = AlertChange(fingerprint(labels), state, labels, {}, 0.4, time, time, time, 0, "shop", "p95 > 0.2")
        found.append(change.document())
    repair = next(one for one in shop.documents() if one.kind is Kind.INCIDENT)
    for number in range(40):
        body = repair.body | {"id": f"incident-{number // 2}", "revision": number % 2 + 1, "opened": MIDNIGHT}
        found.append(replace(repair, id=f"incident-{number}", time=MIDNIGHT + number * 2_000 * SECOND, body=body))
    return found


@dataclass
class Day:
    """What is stored, and who asks the API about it."""

    documents: list[Document]
    client: httpx2.AsyncClient

    async def get(self, path: str, since: int, until: int, **more: str | int) -> httpx2.Response:
        response = await self.client.get(f"/api/v1/{path}", params={"since": since, "until": until, **more})
        assert response.status_code == 200, response.text
        return response

    def within(self, kind: Kind, since: int, until: int) -> list[Document]:
        return [one for one in self.documents if one.kind is kind and since <= one.time < until]


@pytest.fixture
async def stored(store: Store) -> AsyncIterator[Day]:
    documents = day()
    for first in range(0, len(documents), 500):
        assert not (await store.write(documents[first : first + 500])).rejected
    await store.refresh([Kind.SPAN, Kind.LOG, Kind.ANOMALY, Kind.ALERT, Kind.INCIDENT])
    registry = CollectorRegistry()
    app = build_api(Reader(store, registry=registry), SystemParts(store, dict, registry), lambda: NOW)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://console", timeout=120) as client:
        yield Day(documents, client)


async def test_every_count_beside_a_list_is_that_of_all_documents(stored: Day) -> None:
    for since, until in RANGES.values():
        await check_traces(stored, since, until)
        await check_lines(stored, since, until)
        await check_happenings(stored, since, until)


async def check_traces(of: Day, since: int, until: int) -> None:
    spans = [one.body for one in of.within(Kind.SPAN, since, until)]
    found = (await of.get("traces", since, until, limit=200)).json()
    ids = {body["trace_id"] for body in spans}
    assert found["total_exact"]
    assert found["total"] == len(ids)
    assert len(found["traces"]) == min(200, len(ids))
    assert {row["trace_id"] for row in found["traces"]} <= ids
    facets = (await of.get("traces/facets", since, until)).json()
    assert facets["spans"] == len(spans)
    shown = {facet["field"]: {value["value"]: value["spans"] for value in facet["values"]} for facet in facets["facets"]}
    assert shown["service"] == Counter(body["resource"]["attributes"]["service.name"] for body in spans)
    assert shown["operation"] == Counter(body["name"] for body in spans)
    assert shown["status"] == Counter(body["status"]["code"] for body in spans)
    heatmap = (await of.get("traces/heatmap", since, until)).json()
    assert heatmap["spans"] == sum(map(sum, heatmap["counts"])) == len(spans)
    for column, counts in enumerate(heatmap["counts"]):
        begin = heatmap["since"] + column * heatmap["step"]
        own = [body["duration"] for body in spans if begin <= body["start"] < begin + heatmap["step"]]
        bounds = heatmap["durations"]
        rows = Counter(max(row for row, bound in enumerate(bounds[:-1]) if bound <= max(value, bounds[0])) for value in own)
        assert counts == [rows[row] for row in range(len(bounds) - 1)]


async def check_lines(of: Day, since: int, until: int) -> None:
    lines = of.within(Kind.LOG, since, until)
    assert (await of.get("logs", since, until)).json()["total"] == len(lines)
    errors = sum(one.body["severity_number"] >= 17 for one in lines)
    assert (await of.get("logs", since, until, q="severity>=error")).json()["total"] == errors
    histogram = (await of.get("logs/histogram", since, until)).json()
    assert sum(sum(one["counts"]) for one in histogram["series"]) == len(lines)
    assert (await of.get("logs/templates", since, until)).json()["total"] == len(lines)


async def check_happenings(of: Day, since: int, until: int) -> None:
    anomalies = (await of.get("anomalies", since, until)).json()
    assert anomalies["total"] == len(of.within(Kind.ANOMALY, anomalies["since"], anomalies["until"]))
    incidents = (await of.get("incidents", since, until)).json()
    assert incidents["total"] == len({one.body["id"] for one in of.within(Kind.INCIDENT, since, until)})
    alerts = (await of.get("find", since, until, kind="alert", limit=1_000)).json()
    assert len(alerts) == len(of.within(Kind.ALERT, since, until))
