"""What a series is about by its name, what matters of it, and what of it is scored."""

from __future__ import annotations

import math

import pytest

from processors.detectors.error_rate import LEAST_RATIO, SLOWEST, ErrorRateDetector, FailureRate
from processors.detectors.series import SeriesDetector, SeriesDetectorConfig, _goes_on, _kind, _matters, _unit
from processors.detectors.streaming import Scored
from processors.series import histogram
from telemetry.call_graph import Edge, EdgeKey, Node, NodeKind
from telemetry.errors import InputError
from telemetry.findings import AnomalyKind
from telemetry.metrics import Point, Series

SECOND = 1_000_000_000


def named(name: str, *, total: bool = False, **labels: str) -> Series:
    return Series(name, tuple(sorted(labels.items())), total)


@pytest.mark.parametrize(
    ("name", "unit", "least"),
    [
        ("wait_seconds", "s", 0.005),
        ("wait_seconds_sum", "1", 0.1),
        ("wait_milliseconds", "ms", 5.0),
        ("hit_ratio", "1", 0.1),
        ("cpu_percent", "%", 5.0),
        ("calls_per_second", "1/s", 0.5),
        ("heap_bytes", "By", 1e6),
        ("queue_length", "", 0.0),
    ],
)
def test_the_unit_of_a_series_and_what_never_matters_in_it(name: str, unit: str, least: float) -> None:
    assert (_unit(named(name)).unit, _unit(named(name)).least) == (unit, least)


@pytest.mark.parametrize(
    ("series", "kind"),
    [
        (named("edge_latency_p95_seconds"), AnomalyKind.LATENCY),
        (named("http_duration_seconds"), AnomalyKind.LATENCY),
        (named("service_self_time_seconds"), AnomalyKind.LATENCY),
        (named("http_error_latency_seconds"), AnomalyKind.LATENCY),
        (named("http_errors_total"), AnomalyKind.ERRORS),
        (named("failed_requests"), AnomalyKind.ERRORS),
        (named("edge_call_rate_per_second"), AnomalyKind.THROUGHPUT),
        (named("calls"), AnomalyKind.THROUGHPUT),
        (named("http_requests_total"), AnomalyKind.THROUGHPUT),
        (named("network_throughput"), AnomalyKind.THROUGHPUT),
        (named("heap_bytes"), AnomalyKind.METRIC),
        (named("http_duration_seconds_count", total=True), AnomalyKind.THROUGHPUT),
        (named("http_duration_seconds_count"), AnomalyKind.METRIC),
        (named("http_duration_seconds_sum", total=True), AnomalyKind.METRIC),
        (named("http_error_duration_seconds_count", total=True), AnomalyKind.ERRORS),
        (named("heap_count"), AnomalyKind.METRIC),
    ],
)
def test_the_kind_of_an_anomaly_is_that_of_its_series_name(series: Series, kind: AnomalyKind) -> None:
    assert _kind(series) is kind


def scored(expected: float) -> Scored:
    return Scored(1.0, 30.0, expected, 0.0, "")


@pytest.mark.parametrize(
    ("name", "seen", "expected", "matters"),
    [
        ("queue", 125.0, 100.0, False),
        ("queue", 125.1, 100.0, True),
        ("queue", 75.0, 100.0, False),
        ("queue", 74.9, 100.0, True),
        ("queue", -74.9, -100.0, True),
        ("latency_seconds", 0.0, 100.0, False),
        ("errors", 0.0, 100.0, False),
        ("requests", 0.0, 100.0, True),
        ("wait_seconds", 0.006, 0.001, False),
        ("wait_seconds", 0.0061, 0.001, True),
    ],
)
def test_what_is_within_a_quarter_or_the_least_distance_or_better_does_not_matter(
    name: str,
    seen: float,
    expected: float,
    matters: bool,  # noqa: FBT001 - a parameter
) -> None:
    assert _matters(named(name), seen, scored(expected), 0.25) == matters


@pytest.mark.parametrize(
    ("seen", "goes_on"),
    [(20.0, True), (30.0, True), (1000.0, True), (15.1, True), (15.0, False), (14.0, False), (-100.0, False)],
)
def test_an_anomaly_goes_on_while_the_value_is_nearer_to_its_first_than_to_the_expected(seen: float, goes_on: bool) -> None:  # noqa: FBT001 - a parameter
    assert _goes_on((scored(10.0), 20.0), seen) == goes_on


def test_a_fall_that_falls_further_goes_on() -> None:
    assert _goes_on((scored(10.0), 5.0), -100.0)
    assert not _goes_on((scored(10.0), 5.0), 9.0)


def test_points_that_are_late_or_of_a_bucket_are_not_scored() -> None:
    detector = SeriesDetector()
    queue, bucket = named("queue"), named("wait_seconds_bucket")
    for time, value in ((10, 1.0), (10, 2.0), (5, 2.0), (11, 1.0)):
        assert detector.add([Point(queue, time, value)]) == []
    assert detector.dropped() == {"series": 0, "points_late": 2}
    assert detector.score(Point(bucket, 1, 7.0)) == Scored(0.0, 0.0, 7.0, 0.0, "nothing to compare with")
    assert detector.score(Point(queue, 11, 7.0)).why == "nothing to compare with"
    assert len(detector) == 2


def test_of_a_total_the_growth_per_second_is_scored_and_reported() -> None:
    detector = SeriesDetector()
    series = named("bytes_total", total=True, service_name="pay", k8s_pod_name="pay-1", operation="GET")
    total = 0.5
    for number in range(100):
        total += 50.0 + number % 3
        assert detector.add([Point(series, number * 5 * SECOND, total)]) == []
    (found,) = detector.add([Point(series, 500 * SECOND, total + 50_000)])
    assert (found.start, found.end, found.seen) == (495 * SECOND, 500 * SECOND, 10_000.0)
    assert found.expected == pytest.approx(10.2, abs=0.1)
    assert (found.service, found.instance, found.operation, found.environment) == ("pay", "pay-1", "GET", "default")
    assert (found.kind, found.unit) == (AnomalyKind.METRIC, "")
    assert found.why.startswith("10000 where 10.2")
    assert detector.score(Point(series, 505 * SECOND, 3.0)).why == "nothing to compare with", "the counter began again"


def test_an_anomaly_takes_operation_and_instance_from_the_labels_that_have_them() -> None:
    detector = SeriesDetector()
    series = named("queue", span_name="GET /", instance="host:1", deployment_environment_name="staging")
    for number in range(50):
        detector.add([Point(series, number * SECOND, 10.0 + number % 3 + 0.5)])
    (found,) = detector.add([Point(series, 50 * SECOND, 1e6)])
    assert (found.operation, found.instance) == ("GET /", "host:1")
    assert found.start == 49 * SECOND


def test_from_where_on_a_change_matters_and_how_long_an_anomaly_lasts_are_settings() -> None:
    for change, count in ((0.25, 3), (1e6, 0)):
        detector = SeriesDetector(SeriesDetectorConfig(min_change=change, max_values=2))
        series = named("queue")
        for number in range(50):
            detector.add([Point(series, number * SECOND, 10.0 + number % 3 + 0.5)])
        found = [detector.add([Point(series, (50 + number) * SECOND, 1e6)]) for number in range(6)]
        assert sum(map(len, found)) == count


@pytest.mark.parametrize("bound", ["max_series", "max_text"])
def test_the_series_silent_longest_is_evicted(bound: str) -> None:
    def bounded() -> SeriesDetector:
        return SeriesDetector(max_series=2) if bound == "max_series" else SeriesDetector(max_text=2 * named("a").length)

    detector = bounded()
    for time, name in enumerate("abac"):
        detector.add([Point(named(name), time, 1.0)])
    assert (len(detector), detector.dropped()["series"]) == (2, 1)
    assert [name for name, *_ in detector.snapshot()["series"]] == ["a", "c"]
    again = bounded()
    again.restore(detector.snapshot())
    again.add([Point(named("d"), 9, 1.0)])
    assert [name for name, *_ in again.snapshot()["series"]] == ["c", "d"]


def test_what_is_larger_than_all_room_is_kept_alone() -> None:
    detector = SeriesDetector(max_text=1)
    for name in ("long", "longer"):
        detector.add([Point(named(name), 0, 1.0)])
    assert [name for name, *_ in detector.snapshot()["series"]] == ["longer"]


def test_another_version_is_refused_and_the_present_state_stays() -> None:
    detector, failures, rate = SeriesDetector(), ErrorRateDetector(), FailureRate()
    detector.add([Point(named("a"), 0, 1.0)])
    with pytest.raises(InputError, match=r"^scores: snapshot version 1, this release reads 3$"):
        detector.restore({"version": 1})
    assert len(detector) == 1
    with pytest.raises(InputError, match=r"^failures: snapshot version None, this release reads 1$"):
        failures.restore({})
    with pytest.raises(InputError, match=r"^failures: snapshot version 2, this release reads 1$"):
        rate.restore({"version": 2})


def edge(callee: str, calls: int, failures: int, *, kind: NodeKind = NodeKind.SERVICE, environment: str = "default") -> Edge:
    key = EdgeKey(Node(NodeKind.SERVICE, "web"), Node(kind, callee), "GET", "http", environment)
    return Edge(key, 20 * SECOND, 10 * SECOND, calls, failures, 0, histogram.EMPTY)


def test_a_failure_rate_begins_with_half_of_twenty_and_learns_each_window() -> None:
    rate = FailureRate()
    first = rate.update(0, 100)
    assert (first.expected, first.surprise, first.score) == (0.025, 0.0, 0.0)
    assert rate.snapshot() == {"version": 1, "failures": 0.5, "calls": 120.0}
    second = rate.update(60, 100)
    assert second.expected == pytest.approx(0.5 / 120)
    assert second.score > 0.9
    assert rate.snapshot() == {"version": 1, "failures": 0.5 + 60 * SLOWEST, "calls": 120.0 + 100 * SLOWEST}
    assert second.spread == pytest.approx(math.sqrt(0.5 / 120 * (1 - 0.5 / 120) / 100))


def test_failures_are_reported_of_services_from_a_twentieth_of_their_calls_on() -> None:
    for failed in (49, 50):
        detector = ErrorRateDetector()
        for _ in range(50):
            assert detector.add([edge("pay", 1000, 0)]) == []
        found = detector.add([edge("pay", 1000, failed), edge("db", 1000, 1000, kind=NodeKind.DATABASE), edge("idle", 0, 0)])
        assert [anomaly.service for anomaly in found] == ["pay"] * (failed >= 1000 * LEAST_RATIO)
    (only,) = found
    assert (only.kind, only.start, only.end, only.unit, only.environment) == (
        AnomalyKind.ERRORS, 20 * SECOND, 30 * SECOND, "1", "default",
    )  # fmt: skip
    assert (only.seen, only.series.name) == (0.05, "spanloom_service_error_ratio")
    assert only.why == "50 of 1000 calls failed; usual is 0.0%; most of them web → pay GET"


def test_services_are_distinguished_by_environment_and_the_one_silent_longest_is_evicted() -> None:
    detector = ErrorRateDetector(max_services=2)
    detector.add([edge("a", 10, 0), edge("a", 10, 0, environment="staging")])
    detector.add([edge("a", 10, 0)])
    assert detector.dropped() == {"services": 0}
    detector.add([edge("b", 10, 0)])
    assert detector.dropped() == {"services": 1}
    saved = detector.snapshot()
    assert [name for name, _ in saved["services"]] == ["a", "b"]
    assert saved["environments"] == {}
    detector.add([edge("c", 10, 0, environment="staging")])
    again = ErrorRateDetector()
    again.restore(detector.snapshot())
    assert again.snapshot() == detector.snapshot()
    assert list(again.snapshot()["environments"]) == ["staging"]
