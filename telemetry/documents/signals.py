"""The documents of spans, log records and metric points.

They follow the layout that Elastic's OpenTelemetry exporter writes (`otel` mapping mode): flat attribute names under
`attributes` and `resource.attributes`, ids in hex, durations in nanoseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from telemetry.documents.kinds import Body, Document, Kind, digest, plain, timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.logs import LogRecord
    from telemetry.metrics import Buckets, DataPoint, ExponentialBuckets, Metric
    from telemetry.resource import AttributeValue, Resource, Scope
    from telemetry.spans import Span

_SCALARS = frozenset({str, int, float, bool, type(None)})


def _attributes(attributes: Mapping[str, AttributeValue]) -> Body:
    if _SCALARS.issuperset(map(type, attributes.values())):  # nearly always: then they are not copied
        return attributes  # type: ignore[return-value] # bodies are read, not changed
    return {key: plain(value) for key, value in attributes.items()}


def _resource(resource: Resource) -> Body:
    body: Body = {"attributes": _attributes(resource.attributes)}
    if resource.schema_url:
        body["schema_url"] = resource.schema_url
    return body


def _scope(scope: Scope) -> Body:
    body: Body = {"name": scope.name}
    if scope.version:
        body["version"] = scope.version
    if scope.attributes:
        body["attributes"] = _attributes(scope.attributes)
    return body


_KIND_NAMES = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_STATUS_NAMES = ("Unset", "Ok", "Error")


def span_document(span: Span) -> Document:
    """A span. Id: trace id and span id; for a span that answers a call, which may share its id with the caller's, its side too.

    Up to version 0.1 it was trace id and span id for all: who compares with what is stored compares `Span.key`.

    Events lie inside as `events`. Elastic's exporter makes log documents of them; ours would be counted among the trace's logs.
    """
    body: Body = {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "name": span.name,
        "kind": _KIND_NAMES[span.kind],
        "start": span.start,
        "duration": span.duration,
        "status": {"code": _STATUS_NAMES[span.status]},
        "attributes": _attributes(span.attributes),
        "resource": _resource(span.resource),
        "scope": _scope(span.scope),
    }
    if span.parent_span_id:
        body["parent_span_id"] = span.parent_span_id.hex()
    if span.status_message:
        body["status"]["message"] = span.status_message
    if span.trace_state:
        body["trace_state"] = span.trace_state
    if span.links:
        body["links"] = [
            {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex(), "attributes": _attributes(link.attributes)}
            for link in span.links
        ]
    if span.events:
        body["events"] = [
            {"time": event.time, "name": event.name, "attributes": _attributes(event.attributes)} for event in span.events
        ]
    side = f".{digest(span.side)[:16]}" if span.side else ""
    return Document(Kind.SPAN, f"{body['trace_id']}{body['span_id']}{side}", span.start, body)


def log_document(record: LogRecord, arrived: int = 0, repetition: int = 0) -> Document:
    """A log record. OTLP gives it no id: it is the digest of its content and of its ordinal among equal records.

    One without a time is at that of its arrival, which is no part of the id: it comes again at another.
    """
    text = record.body if isinstance(record.body, str) else None
    body: Body = {
        "body": {"text": text} if text is not None else {"structured": plain(record.body)},
        "severity_number": record.severity,
        "severity_text": record.severity_text,
        "attributes": _attributes(record.attributes),
        "resource": _resource(record.resource),
        "scope": _scope(record.scope),
    }
    if record.trace_id:
        body["trace_id"] = record.trace_id.hex()
    if record.span_id:
        body["span_id"] = record.span_id.hex()
    if record.event_name:
        body["event_name"] = record.event_name
    time = record.time or record.observed_time
    content = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    if record.observed_time:  # when somebody saw it is no part of what it says
        body["observed_timestamp"] = timestamp(record.observed_time)
    return Document(Kind.LOG, digest(content, str(time), str(repetition)), time or arrived, body)


def metric_document(metric: Metric, point: DataPoint, arrived: int = 0, repetition: int = 0) -> Document:
    """One data point. Id: the digest of metric name, resource, scope, attributes and time.

    One without a time is at that of its arrival. Its id is then that of its content, and of its ordinal among equal points.
    """
    attributes, resource, scope = _attributes(point.attributes), _resource(metric.resource), _scope(metric.scope)
    body: Body = {
        "name": metric.name,
        "type": metric.type.value,
        "unit": metric.unit,
        "attributes": attributes,
        "resource": resource,
        "scope": scope,
    }
    if metric.temporality != "unspecified":
        body["temporality"] = metric.temporality.value
    if metric.monotonic:
        body["monotonic"] = True
    if point.start:
        body["start_timestamp"] = timestamp(point.start)
    if point.value is not None:
        body["value"] = point.value
    else:
        body |= {"count": point.count, "sum": point.total}
    if point.buckets is not None:
        body["buckets"] = _buckets(point.buckets)
    if point.quantiles:
        body["quantiles"] = [list(pair) for pair in point.quantiles]
    said = [metric.name, attributes, resource, scope, point.time]
    if not point.time:
        said += [body, repetition]
    return Document(Kind.METRIC, digest(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)), point.time or arrived, body)


def _buckets(buckets: Buckets | ExponentialBuckets) -> Body:
    return {name: plain(getattr(buckets, name)) for name in buckets.__slots__}
