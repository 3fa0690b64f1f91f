from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from processors.call_graph import call_graph
from processors.series import service_graph, span_metrics
from processors.series.cumulative import Counters, Histograms, SeriesBudget
from processors.series.points import points_of
from processors.series.service_graph import ServiceGraphMetrics, labels_of
from processors.series.span_metrics import SpanMetrics
from telemetry.metrics import Exemplar, MetricType, Temporality
from telemetry.spans import StatusCode
from tests.processors.traces import CLIENT, CONSUMER, PRODUCER, SERVER, span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.metrics import Metric

MS = 1_000_000


def series(metrics: Iterable[Metric]) -> dict[str, float]:
    """Points as Prometheus would show them, without the labels that say who speaks."""
    shown = {}
    for metric in metrics:
        for point in points_of(metric):
            labels = {key: value for key, value in point.series.labels if key not in {"job", "instance"}}
            shown[point.series.name + "{" + ",".join(f"{key}={value}" for key, value in labels.items()) + "}"] = point.value
    return shown


def test_the_service_graph_has_the_series_that_grafana_reads() -> None:
    db, kafka = {"db.system": "mysql", "db.name": "shop"}, {"messaging.system": "kafka"}
    graph = call_graph(
        [
            span(1, 0, "web", SERVER, 0, 500 * MS),
            span(2, 1, "web", CLIENT, 10 * MS, 310 * MS),
            span(3, 2, "cart", SERVER, 20 * MS, 120 * MS, status=StatusCode.ERROR),
            span(4, 3, "cart", CLIENT, 30 * MS, 40 * MS, attributes=db),
            span(5, 3, "cart", PRODUCER, 50 * MS, 60 * MS, attributes=kafka),
            span(6, 5, "mail", CONSUMER, 90 * MS, 100 * MS),
            span(7, 6, "mail", CLIENT, 91 * MS, 95 * MS),
        ]
    )
    metrics = ServiceGraphMetrics(start=5)
    metrics.add(graph.hops)
    found = series(metrics.metrics(time=9))
    who = "service_name=unknown_service"
    web = f"client=web,connection_type=,server=cart,{who}"
    assert found[f"traces_service_graph_request_total{{{web}}}"] == 1
    assert found[f"traces_service_graph_request_failed_total{{{web}}}"] == 1
    assert found[f"traces_service_graph_request_client_seconds_sum{{{web}}}"] == 0.3
    assert found[f"traces_service_graph_request_server_seconds_sum{{{web}}}"] == 0.1
    bucket = "traces_service_graph_request_client_seconds_bucket{client=web,connection_type=,le="
    assert [found[f"{bucket}{le},server=cart,{who}}}"] for le in ("0.2", "0.4", "+Inf")] == [0, 1, 1]
    virtual = f"client=cart,connection_type=database,server=mysql:shop,{who},virtual_node=server"
    assert found[f"traces_service_graph_request_total{{{virtual}}}"] == 1
    assert f"traces_service_graph_request_server_seconds_count{{{virtual}}}" not in found
    message = f"client=cart,connection_type=messaging_system,server=mail,{who}"
    assert found[f"traces_service_graph_request_messaging_system_seconds_sum{{{message}}}"] == 0.03
    user = f"client=user,connection_type=virtual_node,server=web,{who},virtual_node=client"
    assert found[f"traces_service_graph_request_total{{{user}}}"] == 1
    unpaired = f"client=mail,connection_type=virtual_node,server=unknown,{who},virtual_node=server"
    assert found[f"traces_service_graph_unpaired_spans_total{{{unpaired}}}"] == 1
    assert f"traces_service_graph_request_total{{{unpaired}}}" not in found


def test_a_service_that_only_its_caller_names_is_a_virtual_node() -> None:
    (hop,) = call_graph([span(1, 0, "web", CLIENT, 0, MS, attributes={"service.peer.name": "bank"})]).hops
    assert dict(labels_of(hop)) == {
        "client": "web",
        "server": "bank",
        "connection_type": "virtual_node",
        "virtual_node": "server",
    }


def test_span_metrics_have_the_series_that_dashboards_read() -> None:
    metrics = SpanMetrics(start=5)
    metrics.add([span(1, 0, "web", SERVER, 0, 7 * MS, name="GET /cart/17", status=StatusCode.ERROR)])
    found = series(metrics.metrics(time=9))
    labels = "service_name=web,span_kind=SPAN_KIND_SERVER,span_name=GET /cart/{id},status_code=STATUS_CODE_ERROR"
    assert found[f"traces_span_metrics_calls_total{{{labels}}}"] == 1
    assert found[f"traces_span_metrics_duration_milliseconds_sum{{{labels}}}"] == 7
    bucket = "traces_span_metrics_duration_milliseconds_bucket{le="
    assert [found[f"{bucket}{le},{labels}}}"] for le in ("6", "8", "+Inf")] == [0, 1, 1]


def test_points_are_cumulative_from_the_start() -> None:
    metrics = SpanMetrics(start=5)
    metrics.add([span(1, 0, "web", SERVER, 0, 1)])
    metrics.metrics(time=9)
    metrics.add([span(2, 0, "web", SERVER, 0, 1)])
    calls, durations = metrics.metrics(time=10)
    assert [(point.start, point.time, point.value) for point in calls.points] == [(5, 10, 2)]
    assert durations.points[0].count == 2


@given(st.lists(st.one_of(st.floats(0, 20), st.sampled_from(service_graph.BOUNDS))))
def test_buckets_are_those_of_prometheus_own_client(values: list[float]) -> None:
    ours = Histograms(0, 10, service_graph.BOUNDS)
    theirs = Histogram("h", "", buckets=service_graph.BOUNDS, registry=CollectorRegistry())
    for value in values:
        ours.record((), value)
        theirs.observe(value)
    (metric,) = theirs.collect()
    cumulative = [sample.value for sample in metric.samples if sample.name == "h_bucket"]
    counts = ours.points(1)[0].buckets.counts if values else [0] * len(cumulative)  # type: ignore[union-attr] # just made
    assert list(np.cumsum(counts)) == cumulative


def test_series_beyond_the_limit_are_counted_together() -> None:
    counters, histograms = Counters(0, 2), Histograms(0, 2, (1.0,))
    for number in range(5):
        labels = (("span.name", str(number)),)
        counters.add(labels)
        histograms.record(labels, 0.5)
    assert next((point.attributes, point.value) for point in counters.points(1)) == ({"otel.metric.overflow": "true"}, 3)
    assert histograms.points(1)[0].count == 3
    assert len(counters.points(1)) == len(histograms.points(1)) == 3


def test_services_beyond_the_limit_are_counted_together() -> None:
    metrics = SpanMetrics(start=0)
    metrics.add(span(1, 0, f"s{number}", SERVER, 0, 1) for number in range(span_metrics.MAX_SERVICES + 2))
    assert metrics.overflow == 2
    (calls,) = [one for one in metrics.metrics(1) if (one.name, one.resource.service) == ("traces.span.metrics.calls", "other")]
    assert [(point.attributes, point.value) for point in calls.points] == [({"otel.metric.overflow": "true"}, 2)]


def test_a_hundred_thousand_services_make_a_page_of_bounded_size_that_counts_every_span() -> None:
    budget = SeriesBudget(2000)
    partitions = [SpanMetrics(0, f"partition-{number}", budget) for number in range(4)]
    for number in range(100_000):
        partitions[number % 4].add([span(1, 0, f"s{number}", SERVER, 0, 1)])
    metrics = [metric for partition in partitions for metric in partition.metrics(1)]
    calls = [point for metric in metrics if metric.name.endswith("calls") for point in metric.points]
    assert sum(int(point.value or 0) for point in calls) == 100_000
    assert sum(partition.samples for partition in partitions) <= 2000
    assert len(calls) <= 2000 // span_metrics.SAMPLES + len(partitions)


def test_calls_between_any_number_of_services_have_bounded_series_and_are_all_counted() -> None:
    budget = SeriesBudget(100)
    counters, histograms = Counters(0, 1000, budget), Histograms(0, 1000, (1.0,), budget)
    for number in range(500):
        counters.add((("client", f"c{number}"),))
        histograms.record((("client", f"c{number}"),), 0.5)
    assert counters.samples + histograms.samples <= 100
    assert sum(int(point.value or 0) for point in counters.points(1)) == 500
    assert sum(int(point.value or 0) for point in histograms.numbers(1)) == 500
    assert budget.overflow > 0


def test_a_histogram_that_is_there_counts_on_when_no_other_may_begin() -> None:
    budget = SeriesBudget(4)
    histograms = Histograms(0, 1000, (1.0,), budget)
    for value in (0.5, 1.0, 2.0):
        histograms.record((("service", "a"),), value)
    assert (len(histograms), histograms.samples, budget.overflow) == (1, 4, 0)
    histograms.record((("service", "b"),), 0.5)
    assert budget.overflow == 1
    assert (("service", "b"),) not in histograms


def test_what_a_partition_gives_back_others_may_use() -> None:
    budget = SeriesBudget(1)
    first = Counters(0, 10, budget)
    first.add((("a", "1"),))
    budget.give_back(first.samples)
    second = Counters(0, 10, budget)
    second.add((("a", "2"),))
    assert [point.attributes for point in second.points(1)] == [{"a": "2"}]


def test_span_metrics_are_bounded_over_all_services_and_beyond_is_counted_together() -> None:
    metrics = SpanMetrics(start=0)
    names = span_metrics.MAX_SERIES + 7
    services = span_metrics.MAX_TOTAL // span_metrics.MAX_SERIES + 3
    for service in range(services):
        metrics.add(span(1, 0, f"s{service}", SERVER, 0, 1, name=f"operation-{chr(97 + n // 26)}{n}") for n in range(names))
    found = [point for metric in metrics.metrics(time=1) if metric.name.endswith("calls") for point in metric.points]
    beyond = [point for point in found if "otel.metric.overflow" in point.attributes]
    assert sum(int(point.value or 0) for point in found) == names * services
    assert len(found) - len(beyond) == span_metrics.MAX_TOTAL
    assert len(beyond) == span_metrics.MAX_TOTAL // span_metrics.MAX_SERIES + 1, "of services that were full, and of the others"


def test_counters_of_two_that_count_the_same_service_are_distinguished() -> None:
    found = set()
    for instance in ("partition-0", "partition-1"):
        metrics = SpanMetrics(0, instance)
        metrics.add([span(1, 0, "web", SERVER, 0, 1)])
        found |= set(series(metrics.metrics(time=1)))
    assert sum("calls_total" in name for name in found) == 2


def test_metrics_of_spans_say_what_they_are() -> None:
    metrics = SpanMetrics(start=5)
    metrics.add([span(1, 0, "web", SERVER, 0, 500 * MS)])
    said = [
        (found.name, found.type, found.unit, found.description, found.temporality, found.monotonic, found.resource.attributes)
        for found in metrics.metrics(9)
    ]
    assert said == [
        ("traces.span.metrics.calls", MetricType.SUM, "", "Spans", Temporality.CUMULATIVE, True, {"service.name": "web"}),
        (
            "traces.span.metrics.duration", MetricType.HISTOGRAM, "ms", "Duration of spans", Temporality.CUMULATIVE, False,
            {"service.name": "web"},
        ),
    ]  # fmt: skip


def test_a_duration_ties_its_metric_to_the_span_and_names_who_counted() -> None:
    metrics, one = SpanMetrics(5, "partition-3"), span(1, 0, "web", SERVER, 0, 500 * MS)
    metrics.add([one])
    calls, durations = metrics.metrics(9)
    (duration,) = durations.points
    assert duration.exemplars == (Exemplar(one.end, 500.0, one.trace_id, one.span_id),)
    for point in (*calls.points, duration):
        assert (point.attributes["collector.instance.id"], point.attributes["span.name"]) == ("partition-3", "work")
