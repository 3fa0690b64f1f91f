"""Stored telemetry as the points that rules and playbooks would have read at the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.durations import SECOND
from alerting.history import anomaly_history, culprit_history, hop_history, metric_history
from telemetry.documents import Kind

if TYPE_CHECKING:
    from spanloom.demo.pipeline import Pipeline
    from telemetry.metrics import Point

STEP = 5 * SECOND
"""How finely the service graph's series are made again from stored hops."""


async def stored_points(pipeline: Pipeline, since: int) -> list[Point]:
    """Points of stored metrics, anomalies, rankings and hops from a time on.

    Raises:
        PipelineError: the pipeline did not answer.
    """
    kinds = (Kind.METRIC, Kind.ANOMALY, Kind.CULPRIT, Kind.HOP)
    metrics, anomalies, culprits, hops = [await pipeline.find_all(kind, since) for kind in kinds]
    return metric_history(metrics) + anomaly_history(anomalies) + culprit_history(culprits) + hop_history(hops, STEP)
