"""Stored telemetry as the points that rules and playbooks would have read at the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.durations import SECOND
from alerting.history import anomaly_history, culprit_history, hop_history, metric_history
from pipeline.assemble import AssembleConfig
from telemetry.documents import Kind

if TYPE_CHECKING:
    from spanloom.demo.pipeline import Pipeline
    from telemetry.metrics import Point

STEP = 5 * SECOND
"""How finely the service graph's series are made again from stored hops."""


_ASSEMBLE = AssembleConfig()
LATENESS = int(_ASSEMBLE.lateness * SECOND)
"""How long a window waits for what comes late, unless the pipeline is told otherwise: so much later rules see it."""
COUNTED_AFTER = int(_ASSEMBLE.quiet * SECOND) - LATENESS
"""A trace counts when it closes; the reading that bears a window's end is made when the window is sealed."""


async def stored_points(pipeline: Pipeline, since: int, until: int = 0) -> list[Point]:
    """Points of stored metrics, anomalies, rankings and hops from a time on; counters go on as they stand `until` then.

    Raises:
        PipelineError: the pipeline did not answer.
    """
    kinds = (Kind.METRIC, Kind.ANOMALY, Kind.CULPRIT, Kind.HOP)
    metrics, anomalies, culprits, hops = [await pipeline.find_all(kind, since) for kind in kinds]
    graph = hop_history(hops, STEP, counted_after=COUNTED_AFTER, until=until)
    return metric_history(metrics) + anomaly_history(anomalies) + culprit_history(culprits) + graph
