"""What the analysis concludes and what logs say, as series for rules to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.metrics import Point, Series

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.signals import Anomaly, Culprits

ANOMALY_SCORE = "spanloom_anomaly_score"
"""Gauge 0..1 by service, operation, kind, series, instance and environment, at the end of the anomaly's window."""
CULPRIT_SCORE = "spanloom_culprit_score"
"""Gauge by service, instance, rank ("1" is the likeliest) and environment, at the time of the ranking."""
LOG_RECORDS = "spanloom_log_records_total"
"""Counter by service, instance, severity and template."""
MAX_LOG_SERIES = 5000


def anomaly_points(anomalies: Iterable[Anomaly]) -> list[Point]:
    """One point an anomaly."""
    return [
        Point(
            _series(
                ANOMALY_SCORE,
                environment=anomaly.environment,
                instance=anomaly.instance,
                kind=anomaly.kind.value,
                operation=anomaly.operation,
                series=anomaly.series.name,
                service=anomaly.service,
            ),
            anomaly.end,
            anomaly.score,
        )
        for anomaly in anomalies
    ]


def culprit_points(culprits: Culprits) -> list[Point]:
    """One point a suspect of a ranking."""
    return [
        Point(
            _series(
                CULPRIT_SCORE,
                environment=culprits.environment,
                instance=suspect.instance,
                rank=str(rank),
                service=suspect.service,
            ),
            culprits.time,
            suspect.score,
        )
        for rank, suspect in enumerate(culprits.ranking, 1)
    ]


class LogCounts:
    """Counts log records since it was made; at most `MAX_LOG_SERIES` series, the rest is counted as `overflow`."""

    def __init__(self) -> None:
        self._counts: dict[Series, int] = {}

    def add(self, service: str, severity: str, template: str, instance: str = "") -> None:
        """Count one record. `template` names its log template, empty where none is known."""
        series = _series(LOG_RECORDS, service=service, severity=severity, template=template, instance=instance)
        if series not in self._counts and len(self._counts) >= MAX_LOG_SERIES:
            series = _series(LOG_RECORDS, service="overflow")
        self._counts[series] = self._counts.get(series, 0) + 1

    def points(self, time: int) -> list[Point]:
        """The counters as they stand."""
        return [Point(series, time, float(count)) for series, count in self._counts.items()]


def _series(name: str, **labels: str) -> Series:
    return Series(name, tuple(sorted((label, value) for label, value in labels.items() if value)))
