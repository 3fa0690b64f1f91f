"""How Elasticsearch indexes each kind of document.

Spans, logs and metrics follow the OTel-native mappings that Elasticsearch ships (`otel@mappings`, `traces-otel@mappings`,
`logs-otel@mappings`, `metrics-otel@mappings` of 9.x): passthrough attributes, nothing dynamic beside them. Two things
differ: `@timestamp` keeps its nanoseconds, and metrics are no time series index, which would refuse ids of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.layout import LAYOUT, SIGNALS, Type, keys
from telemetry.documents import Kind
from telemetry.json_object import JsonObject
from telemetry.resource import STORED_AS_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

Mappings = JsonObject

_KEYWORD: Mappings = {"type": "keyword", "ignore_above": 1024}
_LONG: Mappings = {"type": "long", "ignore_malformed": False}

_FIELDS: Mapping[Type, Mappings] = {
    Type.KEYWORD: _KEYWORD,
    Type.KEYWORDS: _KEYWORD,
    Type.TEXT: {"type": "text"},
    Type.INTEGER: _LONG,
    Type.INTEGERS: _LONG,
    Type.NUMBER: {"type": "double", "ignore_malformed": False},
    Type.BOOLEAN: {"type": "boolean", "ignore_malformed": False},
}

_STRINGS = {"strings": {"match_mapping_type": "string", "mapping": _KEYWORD}}
_NUMBERS = {"numbers": {"match_mapping_type": ["long", "double"], "path_match": "metrics.*", "mapping": {"type": "double"}}}
_FLATTENED: Mappings = {"type": "flattened", "ignore_above": 1024}


def _flatten(*paths: str) -> Mappings:
    """Objects at these paths are searchable key by key, without a mapping for each of their keys."""
    return {"flattened": {"match_mapping_type": "object", "path_match": list(paths), "mapping": _FLATTENED}}


def _passthrough(priority: int) -> Mappings:
    return {"type": "passthrough", "dynamic": True, "priority": priority}


def _otel() -> Mappings:
    """What all three signals have."""
    return {
        "attributes": _passthrough(20),
        "scope": {
            "properties": {
                "name": _KEYWORD,
                "version": _KEYWORD,
                "schema_url": _KEYWORD,
                "attributes": _passthrough(30),
            }
        },
        "resource": {"properties": {"schema_url": _KEYWORD, "attributes": _passthrough(40)}},
    }


_SIGNALS: Mapping[Kind, Mappings] = {
    Kind.SPAN: {
        "trace_state": _KEYWORD,
        "parent_span_id": _KEYWORD,
        "status": {"properties": {"message": _KEYWORD}},
        "links": {"properties": {"trace_id": _KEYWORD, "span_id": _KEYWORD}},
    },
    Kind.LOG: {
        "severity_text": _KEYWORD,
        "event_name": _KEYWORD,
        "observed_timestamp": {"type": "date_nanos"},
        "body": {"properties": {"structured": _FLATTENED}},
    },
    Kind.METRIC: {
        "type": _KEYWORD,
        "unit": _KEYWORD,
        "temporality": _KEYWORD,
        "start_timestamp": {"type": "date_nanos"},
        "count": _LONG,
        "sum": {"type": "double"},
        "metrics": _passthrough(10),
    },
}


def _all(type_: Type, *fields: str) -> dict[str, Type]:
    return dict.fromkeys(fields, type_)


_CALL = _all(Type.KEYWORD, "caller.kind", "callee.kind", "protocol")

_DERIVED: Mapping[Kind, Mapping[str, Type]] = {
    **dict.fromkeys(SIGNALS, _all(Type.KEYWORD, *(f"resource.attributes.{name}" for name in STORED_AS_TEXT))),
    Kind.TRACE: {
        **_all(Type.KEYWORD, "root.span_id", "critical_path.span_id", "critical_path.service", "critical_path.operation"),
        **_all(Type.KEYWORDS, "missing_parents", "orphans"),
        **_all(Type.KEYWORD, "exemplars.span_id", "exemplars.metric"),
        **_all(Type.INTEGER, "start", "critical_path.start", "critical_path.duration", "exemplars.time"),
        **_all(Type.INTEGER, "logs.count", "logs.errors", "logs.warnings"),
        **_all(Type.NUMBER, "completeness", "exemplars.value"),
    },
    Kind.HOP: {
        **_CALL,
        **_all(Type.KEYWORD, "caller.instance", "caller.host", "callee.instance", "callee.host"),
        **_all(Type.KEYWORD, "client_span_id", "server_span_id"),
        **_all(Type.INTEGER, "start", "end", "server_start", "client_duration", "server_duration", "gap", "self_time"),
        **_all(Type.INTEGER, "queue_wait", "blocked_sequential", "blocked_parallel", "critical_path_time", "skew"),
        **_all(Type.NUMBER, "critical_path_share"),
        **_all(Type.BOOLEAN, "inferred", "link", "retracted"),
    },
    Kind.EDGE: {
        **_all(Type.KEYWORDS, "failed_traces"),
        **_all(Type.BOOLEAN, "correction"),
    },
    Kind.RECEIPT: {},
    Kind.ANOMALY: {
        **_all(Type.KEYWORD, "instance", "unit", "series.name"),
        **_all(Type.KEYWORDS, "trace_ids"),
        **_all(Type.NUMBER, "expected", "seen"),
    },
    Kind.CULPRIT: {
        **_all(Type.KEYWORD, "ranking.service", "ranking.instance", "ranking.evidence.signal", "ranking.evidence.series"),
        **_all(Type.KEYWORDS, "ranking.evidence.trace_ids"),
        **_all(Type.NUMBER, "ranking.score", "ranking.evidence.weight"),
        **_all(Type.TEXT, "ranking.evidence.text"),
    },
    Kind.ALERT: {
        **_all(Type.KEYWORD, "alertname", "group", "expr"),
        **_all(Type.INTEGER, "time", "active_at", "ends_at"),
    },
    Kind.NOTIFICATION: {
        **_all(Type.KEYWORD, "integration", "group_key", "by", "reason"),
        **_all(Type.KEYWORDS, "path"),
        **_all(Type.INTEGER, "firing", "resolved", "created", "attempts", "until"),
        **_all(Type.TEXT, "error"),
    },
    Kind.INCIDENT: {
        **_all(Type.KEYWORD, "playbook_revision", "event", "instance", "fingerprint", "source", "approved_by"),
        **_all(Type.KEYWORDS, "trace_ids"),
        **_all(Type.KEYWORD, "why"),  # the newest is shown, so it cannot be text
        **_all(Type.INTEGER, "instances", "opened", "approve_by", "ended", "attempt"),
        **_all(Type.NUMBER, "traffic_share"),
        **_all(Type.BOOLEAN, "told", "released"),
    },
    Kind.AUDIT: {
        **_all(Type.KEYWORD, "previous", "hash"),
        **_all(Type.INTEGER, "time"),
    },
}
"""What panels and people ask for beside the layout. In DuckDB these are no columns of their own."""

_KEPT: Mappings = {"type": "object", "enabled": False}
"""Given back as it came, never searched."""

_OBJECTS: Mapping[Kind, Mapping[str, Mappings]] = {
    Kind.EDGE: {"latency": _KEPT},  # buckets of a histogram mean nothing one by one
    Kind.ANOMALY: {"series.labels": _FLATTENED, "why_parts": _KEPT},
    Kind.CULPRIT: {"ranking.evidence.text_parts": _KEPT},
    Kind.ALERT: {"labels": _FLATTENED, "annotations": _FLATTENED},
    Kind.NOTIFICATION: {
        "labels": _FLATTENED,
        "group_labels": _FLATTENED,
        "error_parts": _KEPT,
        "reason_parts": _KEPT,
    },
    Kind.INCIDENT: {
        "labels": _FLATTENED,
        "steps": _FLATTENED,
        "check": _FLATTENED,
        "audit": _FLATTENED,
        "why_parts": _KEPT,
        "step_parts": _KEPT,
    },
    Kind.AUDIT: {"data": _FLATTENED},
}
"""Objects whose keys are users' own, or nobody's: one field each."""

_FREE: Mapping[Kind, tuple[str, ...]] = {
    **dict.fromkeys(SIGNALS, ("attributes.*", "resource.attributes.*", "scope.attributes.*")),
    **dict.fromkeys((Kind.ALERT, Kind.NOTIFICATION, Kind.INCIDENT, Kind.AUDIT), ("*",)),
}
"""Where a kind holds objects with keys of users' own: they must neither fill the mapping nor clash."""

_DERIVED_FREE = ("*.labels",)


def mappings(kind: Kind) -> Mappings:
    """The mappings of a kind's index template."""
    properties: Mappings = {"@timestamp": {"type": "date_nanos"}}
    if kind in SIGNALS:
        _merge(properties, _otel())
        _merge(properties, _SIGNALS[kind])
    properties["unmapped"] = {"properties": {"json": _KEPT, "flat": _FLATTENED}}  # see stores/elasticsearch/source.py
    for field, type_ in LAYOUT[kind].items():
        _place(properties, keys(field), _FIELDS[type_])
    for field, type_ in _DERIVED.get(kind, {}).items():
        _place(properties, keys(field), _lenient(_FIELDS[type_]))  # what does not fit is kept and not indexed
    for field, mapping in _OBJECTS.get(kind, {}).items():
        _place(properties, tuple(field.split(".")), mapping)
    return {
        "date_detection": False,
        "dynamic": kind not in SIGNALS,
        "dynamic_templates": [_flatten(*_FREE.get(kind, _DERIVED_FREE)), *([_NUMBERS] if kind in SIGNALS else []), _STRINGS],
        "properties": properties,
    }


def _lenient(field: Mappings) -> Mappings:
    """The field of a value that does not make or break its document."""
    return {name: value for name, value in field.items() if name != "ignore_malformed"}


def _place(properties: Mappings, path: tuple[str, ...], field: Mappings) -> None:
    """Put a field where its path says, under what is there already."""
    for key in path[:-1]:
        properties = properties.setdefault(key, {}).setdefault("properties", {})
    properties[path[-1]] = field


def _merge(into: Mappings, more: Mappings) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = _copy(value)


def _copy(value: object) -> object:
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, dict) else value
