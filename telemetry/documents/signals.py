"""The documents of spans, log records and metric points.

They follow the layout that Elastic's OpenTelemetry exporter writes (`otel` mapping mode): flat attribute names under
`attributes` and `resource.attributes`, ids in hex, durations in nanoseconds. What counts as part of an id has not changed since
the first release, so that what comes again after an upgrade makes no second document.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from telemetry.attributes import HTTP_STATUS_CODE
from telemetry.documents.encoded_attributes import EncodedAttributes
from telemetry.documents.kinds import Body, Document, Kind, digest, plain, timestamp
from telemetry.spans import NONE_DROPPED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.logs import LogRecord
    from telemetry.metrics import Buckets, DataPoint, Exemplar, ExponentialBuckets, Metric
    from telemetry.resource import AttributeValue, Resource, Scope
    from telemetry.spans import Span, SpanEvent, SpanLink

_STATUS_DIGITS = 3
_SCALARS = frozenset({str, int, float, bool, type(None)})


def plain_attributes(attributes: Mapping[str, AttributeValue]) -> Body:
    """Attributes as a document has them: bytes in hex, and so within lists and maps."""
    if isinstance(attributes, EncodedAttributes):
        attributes = attributes.decoded
    if _SCALARS.issuperset(map(type, attributes.values())):  # nearly always: then they are not copied
        return attributes  # type: ignore[return-value] # bodies are read, not changed
    return {key: plain(value) for key, value in attributes.items()}


def _numbered(attributes: Body) -> Body:
    """The attributes of a span or log record with status codes as numbers: senders such as Envoy write them as text."""
    for name in HTTP_STATUS_CODE:
        value = attributes.get(name)
        if value.__class__ is str and len(value) == _STATUS_DIGITS and value.isascii() and value.isdigit():
            attributes = {**attributes, name: int(value)}
    return attributes


def span_attributes(span: Span) -> Body:
    """The attributes of a span's document."""
    return _numbered(plain_attributes(span.attributes))


def _resource(resource: Resource) -> Body:
    body: Body = {"attributes": plain_attributes(resource.attributes)}
    if resource.schema_url:
        body["schema_url"] = resource.schema_url
    return body


def _scope(scope: Scope) -> Body:
    body: Body = {"name": scope.name}
    if scope.version:
        body["version"] = scope.version
    if scope.attributes:
        body["attributes"] = plain_attributes(scope.attributes)
    return body


def around(resource: Resource, scope: Scope) -> Body:
    """The members of a span's document that are its resource's and its scope's."""
    body: Body = {"resource": _resource(resource), "scope": _scope(scope)}
    _add_around(body, resource, scope)
    return body


def _add_around(body: Body, resource: Resource, scope: Scope) -> None:
    """What of resource and scope is part of no id. Seldom anything, and this is the hot path."""
    if not (resource.dropped_attributes or scope.dropped_attributes or scope.schema_url):
        return
    _add_dropped(body["resource"], resource.dropped_attributes)
    _add_dropped(body["scope"], scope.dropped_attributes)
    if scope.schema_url:
        body["scope"]["schema_url"] = scope.schema_url


def _add_dropped(body: Body, count: int, what: str = "attributes") -> None:
    if count:
        body[f"dropped_{what}_count"] = count


KIND_NAMES = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
STATUS_NAMES = ("Unset", "Ok", "Error")


def span_document(span: Span) -> Document:
    """A span. Id: trace id and span id; for a span that answers a call, which may share its id with the caller's, its side too.

    Up to version 0.2.0 it was trace id and span id for all: who compares with what is stored compares `Span.key`.

    Events lie inside as `events`. Elastic's exporter makes log documents of them; ours would be counted among the trace's logs.
    """
    body: Body = {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "environment": span.resource.environment,
        "name": span.name,
        "kind": KIND_NAMES[span.kind],
        "start": span.start,
        "duration": span.duration,
        "status": {"code": STATUS_NAMES[span.status]},
        "attributes": span_attributes(span),
        "resource": _resource(span.resource),
        "scope": _scope(span.scope),
    }
    if span.parent_span_id:
        body["parent_span_id"] = span.parent_span_id.hex()
    if span.status_message:
        body["status"]["message"] = span.status_message
    if span.trace_state:
        body["trace_state"] = span.trace_state
    if span.flags:
        body["flags"] = span.flags
    if span.links:
        body["links"] = list(map(_link, span.links))
    if span.events:
        body["events"] = list(map(_event, span.events))
    if span.dropped is not NONE_DROPPED:
        for what, count in zip(span.dropped._fields, span.dropped, strict=True):
            _add_dropped(body, count, what)
    _add_around(body, span.resource, span.scope)
    return Document(Kind.SPAN, f"{body['trace_id']}{body['span_id']}{side_in_id(span.side)}", span.start, body)


@lru_cache(maxsize=4096)
def side_in_id(side: bytes) -> str:
    """What the id of a span's document ends in: nothing, or what stands for its side of a call."""
    return f".{digest(side)[:16]}" if side else ""


def _link(link: SpanLink) -> Body:
    body: Body = {
        "trace_id": link.trace_id.hex(),
        "span_id": link.span_id.hex(),
        "attributes": plain_attributes(link.attributes),
    }
    if link.trace_state:
        body["trace_state"] = link.trace_state
    if link.flags:
        body["flags"] = link.flags
    _add_dropped(body, link.dropped_attributes)
    return body


def _event(event: SpanEvent) -> Body:
    body: Body = {"time": event.time, "name": event.name, "attributes": plain_attributes(event.attributes)}
    _add_dropped(body, event.dropped_attributes)
    return body


def log_document(record: LogRecord, arrived: int = 0, repetition: int = 0) -> Document:
    """A log record. OTLP gives it no id: it is the digest of its content and of its ordinal among equal records.

    One without a time is at that of its arrival, which is no part of the id: it comes again at another.
    """
    text = record.body if isinstance(record.body, str) else None
    body: Body = {
        "body": {"text": text} if text is not None else {"structured": plain(record.body)},
        "severity_number": record.severity,
        "severity_text": record.severity_text,
        "attributes": plain_attributes(record.attributes),
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
    body["attributes"] = _numbered(body["attributes"])  # of which ids know nothing
    body["environment"] = record.resource.environment
    if record.observed_time:  # when somebody saw it is no part of what it says
        body["observed_timestamp"] = timestamp(record.observed_time)
    if text is None:
        _set_body(body, record.body)
    if record.flags:
        body["flags"] = record.flags
    named = record.attributes.get("event.name")  # where older SDKs put it
    if not record.event_name and named and isinstance(named, str):
        body["event_name"] = named
    _add_dropped(body, record.dropped_attributes)
    _add_around(body, record.resource, record.scope)
    return Document(Kind.LOG, digest(content, str(time), str(repetition)), time or arrived, body)


def _set_body(body: Body, value: AttributeValue) -> None:
    """A log body that is no text, as Elastic's exporter has it: maps and lists of maps are structured, scalars are text.

    A list of anything else stands in a map, under `value`. Where there is no body there is none.
    """
    match value:
        case None:
            del body["body"]
        case dict():
            pass
        case list() | tuple():
            if not all(isinstance(item, dict) for item in value):
                body["body"] = {"structured": {"value": plain(value)}}
        case _:
            body["body"] = {"text": plain(value)}


def metric_document(metric: Metric, point: DataPoint, arrived: int = 0, repetition: int = 0) -> Document:
    """One data point. Id: the digest of metric name, resource, scope, attributes and time.

    One without a time is at that of its arrival. Its id is then that of its content, and of its ordinal among equal points.
    """
    attributes, resource, scope = plain_attributes(point.attributes), _resource(metric.resource), _scope(metric.scope)
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
    if metric.has_value(point):
        _set_values(body, point)
    if point.flags:
        body["flags"] = point.flags
    content = [metric.name, attributes, resource, scope, point.time]
    if not point.time:
        content += [body, repetition]
    identity = digest(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
    body["environment"] = metric.resource.environment
    if metric.description:
        body["description"] = metric.description
    if point.exemplars:
        body["exemplars"] = list(map(_exemplar, point.exemplars))
    _add_around(body, metric.resource, metric.scope)
    return Document(Kind.METRIC, identity, point.time or arrived, body)


def _set_values(body: Body, point: DataPoint) -> None:
    if point.value is not None:
        body["value"] = point.value
    else:
        body |= {"count": point.count, "sum": point.total}
    if point.minimum is not None:
        body["min"] = point.minimum
    if point.maximum is not None:
        body["max"] = point.maximum
    if point.buckets is not None:
        body["buckets"] = _buckets(point.buckets)
    if point.quantiles:
        body["quantiles"] = [list(pair) for pair in point.quantiles]


def _exemplar(exemplar: Exemplar) -> Body:
    body: Body = {"time": exemplar.time, "value": exemplar.value, "attributes": plain_attributes(exemplar.attributes)}
    if exemplar.trace_id:
        body["trace_id"] = exemplar.trace_id.hex()
    if exemplar.span_id:
        body["span_id"] = exemplar.span_id.hex()
    return body


def _buckets(buckets: Buckets | ExponentialBuckets) -> Body:
    return {name: plain(getattr(buckets, name)) for name in buckets.__slots__}
