from __future__ import annotations

from dataclasses import replace

import pytest

from processors.assembly.edges import aggregate
from processors.detectors.describe import describe
from processors.detectors.edge_series import CALL_RATE, LATENCY, SELF_TIME, edge_points
from processors.detectors.series import SeriesDetector
from processors.series.points import points_of
from telemetry.call_graph import Hop, Node, NodeKind
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.metrics import DataPoint, Metric, MetricType, Series
from telemetry.resource import Resource

SECOND, MS = 1_000_000_000, 1_000_000
SHOP, BANK = Node(NodeKind.SERVICE, "shop"), Node(NodeKind.SERVICE, "bank")


def anomaly(name: str, seen: float, expected: float, unit: str, labels: dict[str, str], score: float = 0.82) -> Anomaly:
    series = Series(name, tuple(sorted(labels.items())))
    kind = AnomalyKind.METRIC
    return Anomaly(kind, series, "bank", 0, 5, score, expected, seen, unit, "", instance=labels.get("k8s_pod_name", ""))


CALL = {"client": "shop", "operation": "POST /pay", "server": "bank"}


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (
            anomaly(LATENCY, 0.5869, 0.0499, "s", CALL),
            "p95 of shop → bank POST /pay: 587 ms, baseline 49.9 ms (11.8x); score 0.82",
        ),
        (
            anomaly(CALL_RATE, 3.0, 40.0, "1/s", CALL),
            "calls shop → bank POST /pay: 3/s, baseline 40/s (8%); score 0.82",
        ),
        (
            anomaly(SELF_TIME, 0.0726, 0.00744, "s", {"service": "bank"}),
            "self time of bank per call: 72.6 ms, baseline 7.44 ms (9.76x); score 0.82",
        ),
        (
            anomaly("memory_usage_percent", 69.9, 0.0, "%", {"k8s_pod_name": "bank-7"}, 1.0),
            "memory_usage_percent of bank (bank-7): 69.9%, baseline 0%; score 1.00",
        ),
    ],
)
def test_an_anomaly_says_what_how_much_the_baseline_and_the_score(found: Anomaly, why: str) -> None:
    assert describe([found])[0].why == why


@pytest.mark.parametrize("name", [CALL_RATE, LATENCY, SELF_TIME])
def test_a_metric_that_somebody_sends_under_one_of_our_names_is_reported_as_any_metric(name: str) -> None:
    metric = Metric(name, MetricType.GAUGE, (DataPoint(1, attributes={"service_name": ""}, value=1),), Resource())
    (point,) = points_of(metric)
    found = replace(anomaly(name, 2.0, 1.0, "s", {}), series=point.series)
    (reported,) = describe([found], aggregate(calls(0, 20), 5 * SECOND).values())
    assert reported.why.startswith(f"{name} of bank: 2 s")
    assert reported.trace_ids == ()


def calls(window: int, milliseconds: int) -> list[Hop]:
    """Five calls of the bank in a window, each of a trace of its own, the last of them the slowest."""
    return [
        Hop(
            bytes([window, number]).rjust(16, b"\0"),
            bytes([window, number]).rjust(8, b"\0"),
            SHOP,
            BANK,
            "POST /pay",
            "http",
            window * 5 * SECOND,
            0,
            client_duration=(milliseconds + number) * MS,
            server_duration=milliseconds * MS,
            self_time=milliseconds * MS,
        )
        for number in range(5)
    ]


def test_a_latency_anomaly_names_the_slowest_traces_of_its_window() -> None:
    scorer, reported = SeriesDetector(), []
    for window in range(40):
        edges = list(aggregate(calls(window, 400 if window == 35 else 20 + window % 3), 5 * SECOND).values())
        reported += describe(scorer.add(edge_points(edges)), edges)
    assert {item.series.name for item in reported} == {LATENCY, SELF_TIME}
    for item in reported:
        assert item.trace_ids[0] == bytes([35, 4]).rjust(16, b"\0")
        assert " ms, baseline 2" in item.why
