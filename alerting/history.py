"""Stored documents as the points that rules would have read at the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alerting.promql.expression import LOOKBACK
from alerting.signals import ANOMALY_SCORE, anomaly_points, culprit_points
from processors.points import points_of
from processors.service_graph_metrics import ServiceGraphMetrics
from telemetry.documents import latest
from telemetry.metrics import Buckets, DataPoint, Metric, MetricType, Temporality
from telemetry.resource import Resource
from telemetry.signals import Culprits, Suspect
from telemetry.stored import anomaly_from_body, hop_from_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from telemetry.documents import Body
    from telemetry.metrics import Point


def metric_history(bodies: Iterable[Body]) -> list[Point]:
    """Points of stored metrics, but for exponential histograms, which rules do not read."""
    return [point for body in bodies for point in points_of(_metric(body))]


def anomaly_history(bodies: Iterable[Body]) -> list[Point]:
    """Points of stored anomalies."""
    return anomaly_points(map(anomaly_from_body, bodies))


def culprit_history(bodies: Iterable[Body]) -> list[Point]:
    """Points of stored rankings."""
    points: list[Point] = []
    for body in bodies:
        ranking = tuple(Suspect(item["service"], item["score"], item["instance"]) for item in body["ranking"])
        points += culprit_points(Culprits(body["@timestamp"], body["environment"], body["opened_by"], ranking))
    return points


def hop_history(bodies: Iterable[Body], step: int, *, counted_after: int = 0, until: int = 0) -> list[Point]:
    """The service graph's series of stored hops, as they stood at each multiple of `step`. Times in ns.

    Args:
        bodies: of hops.
        step: between two readings.
        counted_after: how long after the end of its trace a hop is counted; less than 0 where readings are made later than
            the time they bear.
        until: readings go on so far, though no more than a lookback after the last hop.
    """
    hops = list(map(hop_from_body, latest(bodies)))
    if not hops:
        return []
    ends: dict[bytes, int] = {}
    for hop in hops:
        ends[hop.trace_id] = max(ends.get(hop.trace_id, 0), hop.end)
    counted = sorted(((ends[hop.trace_id] + counted_after, hop) for hop in hops), key=lambda item: (item[0], item[1].id))
    start, last = counted[0][0] // step * step, counted[-1][0]
    metrics = ServiceGraphMetrics(start)
    points: list[Point] = []
    following = 0
    for time in range(start + step, max(last + step, min(until, last + LOOKBACK)) + 1, step):
        while following < len(counted) and counted[following][0] < time:
            metrics.add((counted[following][1],))
            following += 1
        points += [point for metric in metrics.metrics(time) for point in points_of(metric)]
    return points


def told_after(lateness: int) -> Callable[[Point], int]:
    """How long after its time each point reaches the rules, where windows wait so long (ns) for what comes late."""

    def delay(point: Point) -> int:
        name = point.series.name
        return lateness if name == ANOMALY_SCORE or name.startswith("traces_service_graph_") else 0

    return delay


def _metric(body: Body) -> Metric:
    kind = MetricType(body["type"])
    point = DataPoint(
        body["@timestamp"],
        attributes=body["attributes"],
        value=body.get("value"),
        count=body.get("count", 0),
        total=body.get("sum"),
        buckets=_buckets(body["buckets"]) if kind is MetricType.HISTOGRAM and "buckets" in body else None,
        quantiles=tuple((share, value) for share, value in body.get("quantiles", ())),
    )
    return Metric(
        body["name"],
        kind,
        (point,),
        Resource(body["resource"]["attributes"]),
        unit=body["unit"],
        temporality=Temporality(body.get("temporality", "unspecified")),
        monotonic=body.get("monotonic", False),
    )


def _buckets(body: dict[str, Sequence[Any]]) -> Buckets:
    return Buckets(tuple(body["bounds"]), tuple(body["counts"]))
