"""The fields of each kind that queries name: columns in DuckDB, explicit mappings in Elasticsearch.

A field that is not here can still be queried, by a slower way (a JSON path, a dynamic mapping). What follows
`attributes.` or `labels.` in a field's path is one key: attribute names contain dots.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.documents import Body

FLAT = frozenset({"attributes", "labels"})
"""Objects whose keys may contain dots."""

SIGNALS = frozenset({Kind.SPAN, Kind.LOG, Kind.METRIC})
"""The kinds whose values are senders'. The others are made by us: a value of another type there is an error of ours."""

ENVIRONMENT = "environment"
"""A field of every kind but the messages between two traces. Documents without it, as 0.2.0 wrote them, have the default one: a
query that asks for that finds them too."""

_RESOURCE = "resource.attributes."
SERVICE, NAMESPACE = f"{_RESOURCE}service.name", f"{_RESOURCE}service.namespace"
SERVICE_VERSION, POD, INSTANCE = f"{_RESOURCE}service.version", f"{_RESOURCE}k8s.pod.name", f"{_RESOURCE}service.instance.id"


class Type(StrEnum):
    """What a field holds. An absent field and None are always allowed."""

    KEYWORD = "keyword"
    KEYWORDS = "keywords"  # a list of them
    TEXT = "text"  # searched by word
    INTEGER = "integer"  # 64 bits, signed
    INTEGERS = "integers"  # a list of them
    NUMBER = "number"
    BOOLEAN = "boolean"


_FIELDS: Mapping[Kind, Mapping[str, Type]] = {
    Kind.SPAN: {
        "trace_id": Type.KEYWORD,
        "span_id": Type.KEYWORD,
        SERVICE: Type.KEYWORD,
        NAMESPACE: Type.KEYWORD,
        SERVICE_VERSION: Type.KEYWORD,
        POD: Type.KEYWORD,
        INSTANCE: Type.KEYWORD,
        "name": Type.KEYWORD,
        "kind": Type.KEYWORD,
        "status.code": Type.KEYWORD,
        "duration": Type.INTEGER,
    },
    Kind.LOG: {
        "trace_id": Type.KEYWORD,
        "span_id": Type.KEYWORD,
        SERVICE: Type.KEYWORD,
        "severity_number": Type.INTEGER,
        "body.text": Type.TEXT,
    },
    Kind.METRIC: {
        "name": Type.KEYWORD,
        SERVICE: Type.KEYWORD,
        "value": Type.NUMBER,
    },
    Kind.TRACE: {
        "id": Type.KEYWORD,
        "revision": Type.INTEGER,
        "trace_id": Type.KEYWORD,
        "root.service": Type.KEYWORD,
        "root.operation": Type.KEYWORD,
        "services": Type.KEYWORDS,
        "duration": Type.INTEGER,
        "span_count": Type.INTEGER,
        "errors": Type.INTEGER,
    },
    Kind.HOP: {
        "id": Type.KEYWORD,
        "revision": Type.INTEGER,
        "trace_id": Type.KEYWORD,
        "partition": Type.INTEGER,
        "window": Type.INTEGER,
        "caller.name": Type.KEYWORD,
        "callee.name": Type.KEYWORD,
        "operation": Type.KEYWORD,
        "duration": Type.INTEGER,
        "failed": Type.BOOLEAN,
    },
    Kind.EDGE: {
        "partition": Type.INTEGER,
        "window": Type.INTEGER,
        "caller.name": Type.KEYWORD,
        "callee.name": Type.KEYWORD,
        "operation": Type.KEYWORD,
        "calls": Type.INTEGER,
        "failures": Type.INTEGER,
        "caller.kind": Type.KEYWORD,
        "callee.kind": Type.KEYWORD,
        "protocol": Type.KEYWORD,
        "width": Type.INTEGER,
        "latency_sum": Type.INTEGER,
        "self_time_sum": Type.INTEGER,
        "critical_path_sum": Type.INTEGER,
        "latency_bits": Type.INTEGERS,
        "exemplars": Type.KEYWORDS,
        "exemplar_durations": Type.INTEGERS,
    },
    Kind.RECEIPT: {
        "trace_id": Type.KEYWORD,
        "span_id": Type.KEYWORD,
        "receiver": Type.KEYWORD,
    },
    Kind.ANOMALY: {
        "kind": Type.KEYWORD,
        "service": Type.KEYWORD,
        "operation": Type.KEYWORD,
        "score": Type.NUMBER,
        "start": Type.INTEGER,
        "end": Type.INTEGER,
        "why": Type.TEXT,
    },
    Kind.CULPRIT: {
        "opened_by": Type.KEYWORD,
    },
    Kind.ALERT: {
        "fingerprint": Type.KEYWORD,
        "state": Type.KEYWORD,
        "service": Type.KEYWORD,
        "value": Type.NUMBER,
        "starts_at": Type.INTEGER,
    },
    Kind.NOTIFICATION: {
        "key": Type.KEYWORD,
        "outcome": Type.KEYWORD,
        "receiver": Type.KEYWORD,
        "status": Type.KEYWORD,
        "alerts": Type.KEYWORDS,
    },
    Kind.INCIDENT: {
        "id": Type.KEYWORD,
        "revision": Type.INTEGER,
        "playbook": Type.KEYWORD,
        "service": Type.KEYWORD,
        "state": Type.KEYWORD,
    },
    Kind.AUDIT: {
        "chain": Type.KEYWORD,
        "sequence": Type.INTEGER,
        "incident": Type.KEYWORD,
        "event": Type.KEYWORD,
    },
}

LAYOUT: Mapping[Kind, Mapping[str, Type]] = {
    kind: fields if kind is Kind.RECEIPT else {ENVIRONMENT: Type.KEYWORD, **fields} for kind, fields in _FIELDS.items()
}


def keys(field: str) -> tuple[str, ...]:
    """The keys that lead to a field: `resource.attributes.service.name` is `resource`, `attributes`, `service.name`."""
    head, dot, rest = field.partition(".")
    if not dot:
        return (field,)
    return (head, rest) if head in FLAT else (head, *keys(rest))


def value_at(body: Body, path: tuple[str, ...]) -> object:
    """What a body holds there, or None."""
    value: object = body
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def fits(kind: Type, value: object) -> bool:
    """Whether a value can stand in a field of this type."""
    match kind:
        case Type.KEYWORD | Type.TEXT:
            return isinstance(value, str)
        case Type.KEYWORDS:
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case Type.INTEGER:
            return _is_integer(value)
        case Type.INTEGERS:
            return isinstance(value, list) and all(map(_is_integer, value))
        case Type.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Type.BOOLEAN:
            return isinstance(value, bool)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def comparable(type_: Type, value: object) -> bool:
    """Whether a field of this type can have this value, or one of its values be it."""
    if isinstance(value, bool):
        return type_ is Type.BOOLEAN
    if isinstance(value, str):
        return type_ in {Type.KEYWORD, Type.KEYWORDS, Type.TEXT}
    return type_ in {Type.INTEGER, Type.INTEGERS, Type.NUMBER}
