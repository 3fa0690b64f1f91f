"""Stored documents as the points that rules would have read at the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alerting.signals import anomaly_points, culprit_points
from processors.points import points_of
from processors.service_graph_metrics import ServiceGraphMetrics
from telemetry.documents import latest
from telemetry.metrics import Buckets, DataPoint, Metric, MetricType, Temporality
from telemetry.resource import Resource
from telemetry.signals import Culprits, Suspect
from telemetry.stored import anomaly_from_body, hop_from_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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


def hop_history(bodies: Iterable[Body], step: int) -> list[Point]:
    """The service graph's series of stored hops, as they stood at each multiple of `step` (ns)."""
    hops = sorted(map(hop_from_body, latest(bodies)), key=lambda hop: (hop.end, hop.id))
    if not hops:
        return []
    start = hops[0].end // step * step
    metrics = ServiceGraphMetrics(start)
    points: list[Point] = []
    following = 0
    for time in range(start + step, hops[-1].end + step + 1, step):
        while following < len(hops) and hops[following].end < time:
            metrics.add((hops[following],))
            following += 1
        points += [point for metric in metrics.metrics(time) for point in points_of(metric)]
    return points


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
