"""Records read back from their documents: the inverse of telemetry/documents/kinds.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.call_graph import Hop, Node, NodeKind
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.metrics import Series
from telemetry.resource import Resource, Scope
from telemetry.sentences import with_parts
from telemetry.spans import DroppedCounts, Span, SpanEvent, SpanKind, SpanLink, StatusCode

if TYPE_CHECKING:
    from telemetry.documents.kinds import Body
    from telemetry.json_object import JsonObject


def span_from_body(body: Body) -> Span:
    """A span from its document. Attribute values that JSON cannot hold (bytes) stay as hex text."""
    resource, scope, status = body["resource"], body["scope"], body["status"]
    return Span(
        trace_id=bytes.fromhex(body["trace_id"]),
        span_id=bytes.fromhex(body["span_id"]),
        parent_span_id=bytes.fromhex(body.get("parent_span_id", "")),
        name=body["name"],
        kind=SpanKind[body["kind"].upper()],
        start=body["start"],
        end=body["start"] + body["duration"],
        resource=Resource(resource["attributes"], resource.get("schema_url", ""), _dropped(resource)),
        scope=Scope(
            scope["name"],
            scope.get("version", ""),
            scope.get("attributes", {}),
            scope.get("schema_url", ""),
            _dropped(scope),
        ),
        status=StatusCode[status["code"].upper()],
        status_message=status.get("message", ""),
        attributes=body["attributes"],
        events=tuple(
            SpanEvent(item["time"], item["name"], item["attributes"], _dropped(item)) for item in body.get("events", ())
        ),
        links=tuple(
            SpanLink(
                bytes.fromhex(item["trace_id"]),
                bytes.fromhex(item["span_id"]),
                item["attributes"],
                item.get("trace_state", ""),
                item.get("flags", 0),
                _dropped(item),
            )
            for item in body.get("links", ())
        ),
        trace_state=body.get("trace_state", ""),
        flags=body.get("flags", 0),
        dropped=DroppedCounts(_dropped(body), _dropped(body, "events"), _dropped(body, "links")),
    )


def _dropped(body: JsonObject, what: str = "attributes") -> int:
    return int(body.get(f"dropped_{what}_count", 0))


def hop_from_body(body: Body) -> Hop:
    """A hop from its document."""
    trace_id = body["trace_id"]
    return Hop(
        trace_id=bytes.fromhex(trace_id),
        id=bytes.fromhex(body["id"].removeprefix(trace_id)),
        caller=_node(body["caller"]),
        callee=_node(body["callee"]),
        client_span_id=bytes.fromhex(body["client_span_id"]),
        server_span_id=bytes.fromhex(body["server_span_id"]),
        caller_instance=body["caller"]["instance"],
        callee_instance=body["callee"]["instance"],
        caller_host=body["caller"]["host"],
        callee_host=body["callee"]["host"],
        environment=body.get("environment", DEFAULT_ENVIRONMENT),  # 0.2.0 wrote none
        **{name: body[name] for name in _SAME},
    )


_SAME = (
    "operation",
    "protocol",
    "start",
    "end",
    "client_duration",
    "server_duration",
    "gap",
    "self_time",
    "queue_wait",
    "blocked_sequential",
    "blocked_parallel",
    "critical_path_time",
    "critical_path_share",
    "skew",
    "failed",
    "inferred",
    "link",
    "server_start",
)


def _node(body: JsonObject) -> Node:
    return Node(NodeKind(body["kind"]), body["name"])


def anomaly_from_body(body: Body) -> Anomaly:
    """An anomaly from its document."""
    series = body["series"]
    return Anomaly(
        kind=AnomalyKind(body["kind"]),
        series=Series(series["name"], tuple(sorted(series["labels"].items()))),
        trace_ids=tuple(bytes.fromhex(trace_id) for trace_id in body["trace_ids"]),
        environment=body["environment"] or DEFAULT_ENVIRONMENT,  # 0.2.0 wrote an empty one
        why=with_parts(body["why"], body.get("why_parts")),
        **{name: body[name] for name in _ANOMALY},
    )


_ANOMALY = (
    "service",
    "operation",
    "instance",
    "start",
    "end",
    "score",
    "expected",
    "seen",
    "unit",
)
