"""What the analysis concludes and what logs say, as series for rules to read."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from components.durations import HOUR
from telemetry.environment import DEFAULT_ENVIRONMENT, environment_labels
from telemetry.metrics import Point, Series
from telemetry.resource import service_labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.findings import Anomaly, CulpritRanking

ANOMALY_SCORE = "spanloom_anomaly_score"
"""Gauge 0..1 by service, operation, kind, series, instance and environment, at the end of the anomaly's window."""
CULPRIT_SCORE = "spanloom_culprit_score"
"""Gauge by service, instance, rank ("1" is the likeliest) and environment, at the time of the ranking."""
LOG_RECORDS = "spanloom_log_records_total"
"""Counter by service, instance, severity, template and environment."""
SEVERITIES = ("", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""Names of the ranges of four severity numbers each (OpenTelemetry log data model)."""
MAX_LOG_SERIES = 5000
SILENT = HOUR
"""How long a series of log records has been silent that may be evicted: as long as rules can look back."""


def anomaly_points(anomalies: Iterable[Anomaly]) -> list[Point]:
    """One point an anomaly."""
    return [
        Point(
            _series(
                ANOMALY_SCORE,
                instance=anomaly.instance,
                kind=anomaly.kind.value,
                operation=anomaly.operation,
                series=anomaly.series.name,
                service=anomaly.service,
                **dict(environment_labels(anomaly.environment)),
            ),
            anomaly.end,
            anomaly.score,
        )
        for anomaly in anomalies
    ]


def culprit_points(culprits: CulpritRanking) -> list[Point]:
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


def severity_name(number: int) -> str:
    """The range of an OTLP severity number, which may be any number."""
    return SEVERITIES[max(0, min((number + 3) // 4, 6))]


class LogCounts:
    """Counts log records since it was made: at most `MAX_LOG_SERIES` series.

    Beyond, one that was silent for `SILENT` makes room, as if its process had restarted; where none was, what is new is
    counted as `overflow`.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[Series, tuple[int, int]] = OrderedDict()  # count and time of the last record, oldest first
        self._time = 0

    def add(
        self, service: str, severity: str, template: str, instance: str = "", environment: str = DEFAULT_ENVIRONMENT
    ) -> None:
        """Count one record. `template` names its log template, empty where none is known."""
        of = dict(environment_labels(environment))
        series = _series(LOG_RECORDS, service=service, severity=severity, template=template, instance=instance, **of)
        if series not in self._counts and len(self._counts) >= MAX_LOG_SERIES:
            if self._time - next(iter(self._counts.values()))[1] >= SILENT:
                self._counts.popitem(last=False)
            else:
                series = _series(LOG_RECORDS, service="overflow")
        count, _ = self._counts.pop(series, (0, 0))
        self._counts[series] = count + 1, self._time

    def points(self, time: int) -> list[Point]:
        """The counters as they stand at a time, ns."""
        if not self._time:  # what came before the first reading came just before it
            self._counts = OrderedDict((series, (count, time)) for series, (count, _) in self._counts.items())
        self._time = time
        return [Point(series, time, float(count)) for series, (count, _) in self._counts.items()]


def _series(name: str, *, service: str, **labels: str) -> Series:
    labels |= dict(service_labels(service))
    return Series(name, tuple(sorted((label, value) for label, value in labels.items() if value)))
