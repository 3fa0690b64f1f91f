"""Exemplars of stored metrics, by their series' names in Prometheus and in the form of its documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest
from starlette.applications import Starlette

from alerting.prometheus_api import exemplars
from alerting.prometheus_api.routes import PrometheusApi
from alerting.rules.engine import AlertEngine
from components.durations import MINUTE, SECOND
from stores.duckdb.store import DuckDbStore
from telemetry.documents.signals import metric_document
from telemetry.metrics import Buckets, DataPoint, Exemplar, Metric, MetricType, Temporality
from telemetry.resource import Resource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from telemetry.documents import Document

NOW = 1_800_000_000 * SECOND
PAYMENT = Resource({"service.name": "payment", "service.instance.id": "payment-1"})
SLOW, QUICK, OLD = (bytes([number]) * 16 for number in (1, 2, 3))
SPAN = bytes(range(8))


def documents() -> list[Document]:
    """A histogram and a counter of one service, as its SDK sends them each minute, and the histogram in another environment."""
    made = []
    for ago, seen in ((10 * MINUTE, [(OLD, 0.04)]), (0, [(QUICK, 0.04), (SLOW, 0.7)])):
        time = NOW - ago
        found = tuple(Exemplar(time - 5 * SECOND, value, trace, SPAN, {"cache.hit": False}) for trace, value in seen)
        buckets = Buckets((0.05, 0.5), (4, 5, 1))
        point = DataPoint(time, attributes={"http.route": "/buy"}, count=10, total=3.0, buckets=buckets, exemplars=found)
        for resource in (PAYMENT, Resource({**PAYMENT.attributes, "deployment.environment.name": "staging"})):
            metric = Metric(
                "http.server.request.duration",
                MetricType.HISTOGRAM,
                (point,),
                resource,
                unit="s",
                temporality=Temporality.CUMULATIVE,
            )
            made.append(metric_document(metric, point))
    one = DataPoint(NOW, value=7, exemplars=(Exemplar(NOW - SECOND, 1, SLOW),))
    counter = Metric("orders", MetricType.SUM, (one,), PAYMENT, temporality=Temporality.CUMULATIVE, monotonic=True)
    return [*made, metric_document(counter, one)]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    store = DuckDbStore(tmp_path / "store.duckdb")
    await store.write(documents())
    engines = {"default": AlertEngine([]), "staging": AlertEngine([])}
    api = PrometheusApi(lambda: engines, lambda: NOW, "1", metrics=store)
    transport = httpx2.ASGITransport(app=Starlette(routes=api.routes()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://console") as asking:
        yield asking
    await store.close()


async def ask(client: httpx2.AsyncClient, query: str, **more: str | int) -> httpx2.Response:
    params: dict[str, str | int] = {"query": query, "start": NOW // SECOND - 300, "end": NOW // SECOND}
    params |= more
    return await client.get("/prometheus/api/v1/query_exemplars", params=params)


OF_HISTOGRAM = {
    "__name__": "http_server_request_duration_seconds_bucket",
    "http_route": "/buy",
    "instance": "payment-1",
    "job": "payment",
    "service_name": "payment",
}


def seen(trace: bytes, value: str) -> dict[str, object]:
    """As https://prometheus.io/docs/prometheus/latest/querying/api/#querying-exemplars has one."""
    labels = {"cache_hit": "false", "trace_id": trace.hex(), "span_id": SPAN.hex()}
    return {"labels": labels, "value": value, "timestamp": NOW // SECOND - 5.0}


async def test_those_of_a_histogram_belong_to_the_buckets_of_their_values(client: httpx2.AsyncClient) -> None:
    query = "histogram_quantile(0.9, sum by (le) (rate(http_server_request_duration_seconds_bucket[5m])))"
    answer = await ask(client, query)
    assert answer.json() == {
        "status": "success",
        "data": [
            {"seriesLabels": OF_HISTOGRAM | {"le": "+Inf"}, "exemplars": [seen(SLOW, "0.7")]},
            {"seriesLabels": OF_HISTOGRAM | {"le": "0.05"}, "exemplars": [seen(QUICK, "0.04")]},
        ],
    }


async def test_one_of_a_counter_belongs_to_its_series(client: httpx2.AsyncClient) -> None:
    (series,) = (await ask(client, 'rate(orders_total{job="payment"}[1m])')).json()["data"]
    assert series["seriesLabels"]["__name__"] == "orders_total"
    assert series["exemplars"] == [{"labels": {"trace_id": SLOW.hex()}, "value": "1", "timestamp": NOW // SECOND - 1.0}]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('{__name__=~"http_.*|orders_total"}', 3),
        ("http_server_request_duration_seconds_bucket or orders_total", 3),
        ('http_server_request_duration_seconds_bucket{le="0.05"}', 1),
        ('http_server_request_duration_seconds_bucket{job="cart"}', 0),
        ("http_server_request_duration_seconds_count", 0),
        ("nothing_total", 0),
        ("vector(1)", 0),
    ],
    ids=["by pattern", "two selectors", "one bucket", "another service", "the count has none", "unknown", "no selector"],
)
async def test_selectors_choose_series(client: httpx2.AsyncClient, query: str, found: int) -> None:
    assert sum(len(series["exemplars"]) for series in (await ask(client, query)).json()["data"]) == found


async def test_time_and_environment_choose_exemplars(client: httpx2.AsyncClient) -> None:
    name = "http_server_request_duration_seconds_bucket"
    old = (await ask(client, name, start=0, end=NOW // SECOND - 60)).json()["data"]
    assert [one["labels"]["trace_id"] for series in old for one in series["exemplars"]] == [OLD.hex()]
    staging = (await ask(client, name, environment="staging")).json()["data"]
    assert [series["seriesLabels"]["deployment_environment_name"] for series in staging] == ["staging", "staging"]


@pytest.mark.parametrize(
    ("query", "more", "reason"),
    [("rate(", {}, "query"), ("orders_total", {"start": 10, "end": 5}, "end timestamp must not be before start time")],
    ids=["query", "times"],
)
async def test_what_is_asked_wrongly_is_a_400(
    client: httpx2.AsyncClient, query: str, more: dict[str, int], reason: str
) -> None:
    answer = await ask(client, query, **more)
    assert answer.status_code == 400
    assert (answer.json()["status"], answer.json()["errorType"]) == ("error", "bad_data")
    assert reason in answer.json()["error"]


async def test_beyond_a_bound_the_newest_are_returned_with_a_warning(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exemplars, "MAX_EXEMPLARS", 1)
    answer = (await ask(client, '{job="payment"}')).json()
    assert [series["seriesLabels"]["__name__"] for series in answer["data"]] == ["orders_total"]
    assert answer["warnings"] == ["the newest 1 of 3 exemplars are returned"]
    monkeypatch.setattr(exemplars, "MAX_METRICS", 1)
    assert "the first 1 of 2 metrics were looked at: name one" in (await ask(client, '{job="payment"}')).json()["warnings"]
