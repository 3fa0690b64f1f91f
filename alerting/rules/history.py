"""Stored documents as the points that rules would have read at the time."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from alerting.promql.expression import LOOKBACK
from processors.detectors.log_templates import LogTemplates
from processors.series.derived import ANOMALY_SCORE, LOG_RECORDS, LogCounts, anomaly_points, culprit_points, severity_name
from processors.series.points import points_of
from processors.series.service_graph import ServiceGraphMetrics
from processors.series.span_metrics import SpanMetrics
from telemetry.documents import latest
from telemetry.documents.read_back import anomaly_from_body, hop_from_body, span_from_body
from telemetry.findings import CulpritRanking, Suspect
from telemetry.metrics import Buckets, DataPoint, Metric, MetricType, Temporality
from telemetry.resource import Resource, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from telemetry.documents import Body
    from telemetry.json_object import JsonObject
    from telemetry.metrics import Point

Item = TypeVar("Item")


def metric_history(bodies: Iterable[Body]) -> list[Point]:
    """Points of stored metrics, but for exponential histograms, which rules do not read."""
    return [point for body in bodies for point in points_of(metric_of(body))]


def anomaly_history(bodies: Iterable[Body]) -> list[Point]:
    """Points of stored anomalies."""
    return anomaly_points(map(anomaly_from_body, bodies))


def culprit_history(bodies: Iterable[Body]) -> list[Point]:
    """Points of stored rankings."""
    points: list[Point] = []
    for body in bodies:
        ranking = tuple(Suspect(item["service"], item["score"], item["instance"]) for item in body["ranking"])
        points += culprit_points(CulpritRanking(body["@timestamp"], body["environment"], body["opened_by"], ranking))
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
    metrics = ServiceGraphMetrics(counted[0][0] // step * step)
    return _readings(counted, step, until, lambda hop: metrics.add((hop,)), metrics.metrics)


def span_history(bodies: Iterable[Body], step: int, *, counted_after: int = 0, until: int = 0) -> list[Point]:
    """The span metrics of stored spans; arguments as of `hop_history`."""
    spans = list(map(span_from_body, bodies))
    if not spans:
        return []
    ends: dict[bytes, int] = {}
    for span in spans:
        ends[span.trace_id] = max(ends.get(span.trace_id, 0), span.end)
    counted = sorted(
        ((ends[span.trace_id] + counted_after, span) for span in spans),
        key=lambda item: (item[0], item[1].trace_id, item[1].span_id),
    )
    metrics = SpanMetrics(counted[0][0] // step * step)
    return _readings(counted, step, until, lambda span: metrics.add((span,)), metrics.metrics)


def log_history(bodies: Iterable[Body], step: int, *, until: int = 0) -> list[Point]:
    """The counters of stored log records; arguments as of `hop_history`.

    Templates are mined from all of them first, as the pipeline knew them from before; ids may be others than then.
    """
    lines = sorted(map(_line, bodies), key=itemgetter(0))
    if not lines:
        return []
    templates, counts = LogTemplates(), LogCounts()
    for _, (service, _, text, _) in lines:
        templates.add(service, text)

    def count(line: _Line) -> None:
        service, severity, text, instance = line
        counts.add(service, severity, templates.add(service, text), instance)

    return _sampled(lines, step, until, count, counts.points)


_Line = tuple[str, str, str, str]
"""Service, name of the severity, text, instance."""


def _line(body: Body) -> tuple[int, _Line]:
    resource, text = Resource(body["resource"]["attributes"]), body.get("body", {})
    line = text_of(text.get("text", text.get("structured")))
    return body["@timestamp"], (resource.service, severity_name(body["severity_number"]), line, resource.instance)


def _readings(
    counted: Sequence[tuple[int, Item]],
    step: int,
    until: int,
    add: Callable[[Item], None],
    metrics: Callable[[int], Iterable[Metric]],
) -> list[Point]:
    return _sampled(counted, step, until, add, lambda time: (point for metric in metrics(time) for point in points_of(metric)))


def _sampled(
    counted: Sequence[tuple[int, Item]],
    step: int,
    until: int,
    add: Callable[[Item], None],
    read: Callable[[int], Iterable[Point]],
) -> list[Point]:
    """Readings at each multiple of the step, of what was counted before; items in order of the time at which they count."""
    first, last = counted[0][0] // step * step, counted[-1][0]
    points: list[Point] = []
    following = 0
    for time in range(first + step, max(last + step, min(until, last + LOOKBACK)) + 1, step):
        while following < len(counted) and counted[following][0] < time:
            add(counted[following][1])
            following += 1
        points += read(time)
    return points


def notified_after(allowed_lateness: int) -> Callable[[Point], int]:
    """How long after its time each point reaches the rules, where windows wait so long (ns) for what comes late."""

    def delay(point: Point) -> int:
        name = point.series.name
        return allowed_lateness if name in {ANOMALY_SCORE, LOG_RECORDS} or name.startswith("traces_") else 0

    return delay


def metric_of(body: Body) -> Metric:
    """A stored metric, with the one point of its document."""
    kind = MetricType(body["type"])
    point = DataPoint(
        body["@timestamp"],
        attributes=body["attributes"],
        value=body.get("value"),
        count=body.get("count", 0),
        total=body.get("sum"),
        buckets=_buckets(body["buckets"]) if kind is MetricType.HISTOGRAM and "buckets" in body else None,
        quantiles=tuple((share, value) for share, value in body.get("quantiles", ())),
        flags=body.get("flags", 0),
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


def _buckets(body: JsonObject) -> Buckets:
    return Buckets(tuple(body["bounds"]), tuple(body["counts"]))
