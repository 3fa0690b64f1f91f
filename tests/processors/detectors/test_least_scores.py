"""What scores exactly what is asked for is an anomaly, and what scores the next lower number is none; so with its share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from processors.detectors.error_rate import ErrorRateDetector, ErrorRateDetectorConfig
from processors.detectors.log_windows import LogSource, LogWindow, LogWindows
from processors.detectors.logs import ERROR_RATIO, LogDetector, LogDetectorConfig
from processors.detectors.series import SeriesDetector, SeriesDetectorConfig
from processors.series import histogram
from telemetry.call_graph import Edge, EdgeKey, Node, NodeKind
from telemetry.findings import Anomaly
from telemetry.metrics import Point, Series

SECOND = 1_000_000_000

Judge = Callable[[float, float], list[Anomaly]]
"""The anomalies of a least score and a least share."""


def series(min_score: float, min_share: float) -> list[Anomaly]:
    """A gauge that doubles after it was steady."""
    detector = SeriesDetector(SeriesDetectorConfig(min_score=min_score, min_change=min_share))
    values = [10.0 + number % 3 / 4 for number in range(100)] + [20.0]
    return detector.add(Point(Series("depth"), number * SECOND, value) for number, value in enumerate(values))


def errors(min_score: float, min_share: float) -> list[Anomaly]:
    """A service of which half of the calls fail after none did."""
    key = EdgeKey(Node(NodeKind.SERVICE, "web"), Node(NodeKind.SERVICE, "pay"), "POST", "http")
    calls = Edge(key, 0, 10 * SECOND, 64, 0, 0, histogram.EMPTY)
    detector = ErrorRateDetector(ErrorRateDetectorConfig(min_score=min_score, min_ratio=min_share))
    windows = [[replace(calls, start=n * 10 * SECOND, failures=32 if n == 20 else 0)] for n in range(21)]
    return detector.consume(windows, 0)


def log_errors(min_score: float, min_share: float) -> list[Anomaly]:
    """A service of which half of the lines are errors after none was."""
    lines, source = LogWindows(), LogSource("pay")
    template = lines.add("pay", 0, 9, "paid", now=SECOND)
    detector = LogDetector(LogDetectorConfig(min_score=min_score, min_error_ratio=min_share), lines)
    windows = []
    for number in range(21):
        window = LogWindow(number * 10 * SECOND, 10 * SECOND)
        window.lines[source, template] = 64
        if number == 20:
            window.errors[source] = window.error_lines[source, template] = 32
        windows.append(window)
    return [anomaly for anomaly in detector.consume(windows, 0) if anomaly.series.name == ERROR_RATIO]


@pytest.mark.parametrize("judge", [series, errors, log_errors])
def test_a_score_counts_from_exactly_what_is_asked_for_on(judge: Judge) -> None:
    (anomaly,) = judge(0.01, 0.2)
    assert 0.3 < anomaly.score < 1.0
    assert judge(anomaly.score, 0.2) == [anomaly]
    assert judge(math.nextafter(anomaly.score, 1.0), 0.2) == []


@pytest.mark.parametrize("judge", [errors, log_errors])
def test_a_share_of_failures_counts_from_exactly_what_is_asked_for_on(judge: Judge) -> None:
    (anomaly,) = judge(0.01, 0.5)
    assert anomaly.seen == 0.5
    assert judge(0.01, math.nextafter(0.5, 1.0)) == []
