"""How Elasticsearch indexes each kind of document.

Spans, logs and metrics follow the OTel-native mappings that Elasticsearch ships (`otel@mappings`, `traces-otel@mappings`,
`logs-otel@mappings`, `metrics-otel@mappings` of 9.x): passthrough attributes, nothing dynamic beside them. Two things
differ: `@timestamp` keeps its nanoseconds, and metrics are no time series index, which would refuse ids of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stores.layout import LAYOUT, Type, keys
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

Mappings = dict[str, Any]

_KEYWORD: Mappings = {"type": "keyword", "ignore_above": 1024}
_LONG: Mappings = {"type": "long", "ignore_malformed": False}

_FIELDS: Mapping[Type, Mappings] = {
    Type.KEYWORD: _KEYWORD,
    Type.KEYWORDS: _KEYWORD,
    Type.TEXT: {"type": "text"},
    Type.INTEGER: _LONG,
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

SIGNALS = frozenset(_SIGNALS)
"""The kinds that are OpenTelemetry's."""

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
    for field, held in LAYOUT[kind].items():
        _place(properties, keys(field), _FIELDS[held])
    return {
        "date_detection": False,
        "dynamic": kind not in SIGNALS,
        "dynamic_templates": [_flatten(*_FREE.get(kind, _DERIVED_FREE)), *([_NUMBERS] if kind in SIGNALS else []), _STRINGS],
        "properties": properties,
    }


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


def _copy(value: Any) -> Any:
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, dict) else value
