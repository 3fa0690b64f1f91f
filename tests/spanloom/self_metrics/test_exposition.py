from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from processors.call_graph import call_graph
from processors.series.service_graph import ServiceGraphMetrics
from processors.series.span_metrics import SpanMetrics
from spanloom.self_metrics.exposition import families
from telemetry.metrics import DataPoint, Metric, MetricType
from telemetry.resource import Resource
from tests.processors.traces import CLIENT, SERVER, span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import Metric as Family

MS = 1_000_000


class Worker:
    """Two partitions, each of which saw a call of cart by web."""

    def collect(self) -> Iterable[Family]:
        metrics: list[Metric] = []
        for partition in ("partition-0", "partition-1"):
            spans = [
                span(1, 0, "web", SERVER, 0, 500 * MS),
                span(2, 1, "web", CLIENT, 10 * MS, 310 * MS, name='GET "/cart"'),
                span(3, 2, "cart", SERVER, 20 * MS, 120 * MS),
            ]
            graph = ServiceGraphMetrics(0, Resource({"service.name": "spanloom", "service.instance.id": partition}))
            graph.add(call_graph(spans).hops)
            counted = SpanMetrics(0, partition)
            counted.add(spans)
            metrics += [*graph.metrics(1), *counted.metrics(1)]
        skew = DataPoint(1, attributes={"host": "a", "other": "b"}, value=0.05)
        metrics.append(Metric("spanloom.clock.skew", MetricType.GAUGE, (skew,), Resource(), unit="s"))
        return families(metrics)


def text(*, openmetrics_format: bool = False) -> str:
    registry = CollectorRegistry()
    registry.register(Worker())
    return (openmetrics.generate_latest if openmetrics_format else generate_latest)(registry).decode()


def test_a_scraper_reads_the_series_that_dashboards_ask_for_from_both_formats() -> None:
    other = parse_openmetrics(text(openmetrics_format=True))  # type: ignore[no-untyped-call] # theirs
    for read in (list(parse(text())), list(other)):
        samples = [sample for family in read for sample in family.samples]
        calls = [s for s in samples if s.name == "traces_service_graph_request_total" and s.labels["server"] == "cart"]
        assert [(s.labels["client"], s.labels["instance"], s.value) for s in calls] == [
            ("web", "partition-0", 1.0),
            ("web", "partition-1", 1.0),
        ]
        spans = [s for s in samples if s.name == "traces_span_metrics_calls_total" and s.labels["span_name"] == 'GET "/cart"']
        assert [s.labels["collector_instance_id"] for s in spans] == ["partition-0", "partition-1"]
        client = [s for s in samples if s.name == "traces_service_graph_request_client_seconds_sum"]
        assert {s.value for s in client} == {0.3}
        assert [s.value for s in samples if s.name == "spanloom_clock_skew_seconds"] == [0.05]


def test_families_have_their_types() -> None:
    types = {family.name: family.type for family in parse(text())}
    assert types["traces_service_graph_request"] == "counter"
    assert types["traces_span_metrics_duration_milliseconds"] == "histogram"
    assert types["spanloom_clock_skew_seconds"] == "gauge"
