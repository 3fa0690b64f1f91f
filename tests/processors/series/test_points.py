"""Names and labels as OpenTelemetry's "Prometheus and OpenMetrics Compatibility" gives them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.series.points import label_name, points_of, prometheus_name, unit_of
from telemetry.metrics import NO_RECORDED_VALUE, Buckets, DataPoint, Metric, MetricType, Temporality, is_stale
from telemetry.resource import Resource

SHOP = Resource(
    {"service.name": "shop", "service.namespace": "eu", "service.instance.id": "shop-1", "k8s.pod.name": "shop-1-x"}
)
OF_SHOP = {
    "service_name": "shop",
    "service_namespace": "eu",
    "job": "eu/shop",
    "instance": "shop-1",
    "k8s_pod_name": "shop-1-x",
}


@pytest.mark.parametrize(
    ("name", "unit", "monotonic", "expected"),
    [
        ("http.server.request.duration", "s", False, "http_server_request_duration_seconds"),
        ("process.memory.usage", "By", False, "process_memory_usage_bytes"),
        ("http.requests", "{request}", True, "http_requests_total"),
        ("requests_total", "", True, "requests_total"),
        ("network.io", "By/s", False, "network_io_bytes_per_second"),
        ("network.io", "By/parsec", False, "network_io_bytes_per_parsec"),
        ("cpu.utilization", "1", False, "cpu_utilization_ratio"),
        ("latency_seconds", "s", False, "latency_seconds"),
        ("a..b--c", "", False, "a_b_c"),
        ("2xx", "", False, "_2xx"),
    ],
)
def test_names_follow_the_specification(name: str, unit: str, *, monotonic: bool, expected: str) -> None:
    assert prometheus_name(name, unit, monotonic=monotonic) == expected


def test_a_label_that_begins_with_a_digit_says_that_it_is_a_key() -> None:
    assert (label_name("http.route"), label_name("4xx")) == ("http_route", "key_4xx")


@given(st.text(), st.text(), st.text())
def test_any_text_gives_names_that_prometheus_accepts(name: str, unit: str, per: str) -> None:
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", label_name(name))
    assert re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", prometheus_name(name, f"{unit}/{per}", monotonic=False))


def test_a_gauge_is_a_point_with_its_own_labels_and_those_of_who_speaks() -> None:
    metric = Metric("queue.length", MetricType.GAUGE, (DataPoint(7, attributes={"queue": "mail", "n": 1}, value=3),), SHOP)
    (point,) = points_of(metric)
    assert (point.series.name, point.time, point.value) == ("queue_length", 7, 3.0)
    assert dict(point.series.labels) == OF_SHOP | {"queue": "mail", "n": "1"}
    assert point.series.labels == tuple(sorted(point.series.labels))


def test_a_histogram_is_its_buckets_running_up_its_sum_and_its_count() -> None:
    data = DataPoint(7, count=6, total=1.5, buckets=Buckets((0.1, 1.0), (3, 2, 1)))
    found = list(points_of(Metric("wait", MetricType.HISTOGRAM, (data,), SHOP, unit="s")))
    assert {point.series.name: point.value for point in found if not point.series.label("le")} == {
        "wait_seconds_count": 6.0,
        "wait_seconds_sum": 1.5,
    }
    assert {point.series.label("le"): point.value for point in found if point.series.label("le")} == {
        "0.1": 3.0,
        "1": 5.0,
        "+Inf": 6.0,
    }


def test_only_a_sum_that_runs_up_for_ever_is_a_total() -> None:
    for temporality, monotonic, name in (
        (Temporality.CUMULATIVE, True, "thread_count_total"),
        (Temporality.CUMULATIVE, False, "thread_count"),
        (Temporality.DELTA, True, "thread_count"),
    ):
        data = (DataPoint(1, value=1),)
        metric = Metric("thread.count", MetricType.SUM, data, SHOP, temporality=temporality, monotonic=monotonic)
        (point,) = points_of(metric)
        assert (point.series.name, point.series.total) == (name, name == "thread_count_total")


@pytest.mark.parametrize("temporality", [Temporality.CUMULATIVE, Temporality.DELTA])
def test_count_and_sum_of_a_histogram_are_totals_if_it_is_cumulative(temporality: Temporality) -> None:
    data = DataPoint(7, count=6, total=1.5)
    found = points_of(Metric("wait", MetricType.HISTOGRAM, (data,), SHOP, temporality=temporality))
    assert [point.series.total for point in found] == [temporality is Temporality.CUMULATIVE] * 2


def test_a_summary_is_its_quantiles() -> None:
    data = DataPoint(7, count=2, total=3.0, quantiles=((0.5, 1.0), (0.99, 2.0)))
    found = {
        (point.series.name, point.series.label("quantile")): point.value
        for point in points_of(Metric("w", MetricType.SUMMARY, (data,), SHOP))
    }
    assert found == {("w_count", ""): 2.0, ("w_sum", ""): 3.0, ("w", "0.5"): 1.0, ("w", "0.99"): 2.0}


def test_a_point_without_a_value_makes_all_series_of_its_distribution_stale() -> None:
    gone = DataPoint(7, buckets=Buckets((0.1,), (0, 0)), flags=NO_RECORDED_VALUE)
    found = {
        (point.series.name, point.series.label("le")): point
        for point in points_of(Metric("w", MetricType.HISTOGRAM, (gone,), SHOP))
    }
    assert found.keys() == {("w_count", ""), ("w_sum", ""), ("w_bucket", "0.1"), ("w_bucket", "+Inf")}
    assert all(is_stale(point.value) and point.time == 7 for point in found.values())


@pytest.mark.parametrize("unit", ["s", "ms", "By", "%", "1/s", "Hz"])
def test_the_unit_of_a_series_is_read_back_from_its_name(unit: str) -> None:
    assert unit_of(prometheus_name("load", unit, monotonic=False)) == unit
    assert unit_of(prometheus_name("load", unit, monotonic=True)) == unit


def test_a_name_without_a_unit_has_none() -> None:
    assert unit_of("up") == ""
    assert unit_of("disk_usage_ratio") == "1"
