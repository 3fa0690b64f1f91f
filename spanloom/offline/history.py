"""Stored telemetry as the points that rules and playbooks would have read at the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.rules.history import anomaly_history, culprit_history, hop_history, log_history, metric_history, span_history
from components.durations import SECOND
from pipeline.assembling.config import AssembleConfig
from pipeline.assembling.trace_telemetry import SPAN_METRICS_EVERY
from processors.series.derived import LOG_RECORDS
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from spanloom.api_client import ApiClient
    from telemetry.metrics import Point

STEP = 5 * SECOND
"""How finely the service graph's series are made again from stored hops."""


_ASSEMBLE = AssembleConfig()
LATENESS = int(_ASSEMBLE.lateness * SECOND)
"""How long a window waits for what comes late, unless configured otherwise: so much later rules see it."""
COUNTED_AFTER = int(_ASSEMBLE.quiet * SECOND) - LATENESS
"""A trace counts when it closes; the reading that bears a window's end is made when the window is sealed."""


SPAN_STEP, LOG_STEP = SPAN_METRICS_EVERY, 10 * SECOND
"""How often the pipeline sends the span metrics, and the counters of log records."""
_SPAN_METRICS = ("calls_total", *(f"duration_milliseconds_{part}" for part in ("bucket", "count", "sum")))


async def stored_points(
    pipeline: ApiClient, since: int, until: int = 0, reads: Callable[[str], bool] = lambda _name: False
) -> list[Point]:
    """Points of stored metrics, anomalies, rankings and hops from a time on; counters go on as they stand `until` then.

    Args:
        pipeline: has them.
        since: nanoseconds.
        until: nanoseconds.
        reads: whether a metric is asked for that needs every span or every log record to make again.

    Raises:
        PipelineError: the pipeline did not answer.
    """
    kinds = (Kind.METRIC, Kind.ANOMALY, Kind.CULPRIT, Kind.HOP)
    metrics, anomalies, culprits, hops = [await pipeline.find_all(kind, since) for kind in kinds]
    graph = hop_history(hops, STEP, counted_after=COUNTED_AFTER, until=until)
    points = metric_history(metrics) + anomaly_history(anomalies) + culprit_history(culprits) + graph
    if any(reads(f"traces_span_metrics_{name}") for name in _SPAN_METRICS):
        spans = await pipeline.find_all(Kind.SPAN, since)
        points += span_history(spans, SPAN_STEP, counted_after=COUNTED_AFTER, until=until)
    if reads(LOG_RECORDS):
        points += log_history(await pipeline.find_all(Kind.LOG, since), LOG_STEP, until=until)
    return points
