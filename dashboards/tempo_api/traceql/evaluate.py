"""Whether a stored span meets a condition, and the values of its fields."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from dashboards.tempo_api.traceql.syntax import (
    Always,
    Attribute,
    AttributeScope,
    Both,
    Comparison,
    Either,
    Intrinsic,
    Negated,
    Operator,
    ValueType,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dashboards.tempo_api.traceql.syntax import Condition, Field
    from telemetry.documents import Body

_ORDER: Mapping[Operator, Callable[[float, float], bool]] = {
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
}
_IDS = {Intrinsic.SPAN_ID, Intrinsic.PARENT_ID, Intrinsic.TRACE_ID, Intrinsic.LINK_SPAN_ID, Intrinsic.LINK_TRACE_ID}


def holds(condition: Condition, span: Body) -> bool:
    """Whether a span document meets a condition."""
    match condition:
        case Comparison():
            return _compare(condition, span)
        case Both():
            return holds(condition.left, span) and holds(condition.right, span)
        case Either():
            return holds(condition.left, span) or holds(condition.right, span)
        case Negated():
            return not holds(condition.inner, span)
        case Always():
            return condition.value


_INTRINSICS: Mapping[Intrinsic, Callable[[Body], list[object]]] = {
    Intrinsic.NAME: lambda span: [span["name"]],
    Intrinsic.STATUS: lambda span: [span["status"]["code"].lower()],
    Intrinsic.STATUS_MESSAGE: lambda span: [span["status"].get("message", "")],
    Intrinsic.DURATION: lambda span: [span["duration"]],
    Intrinsic.KIND: lambda span: [span["kind"].lower()],
    Intrinsic.SPAN_ID: lambda span: [span["span_id"]],
    Intrinsic.PARENT_ID: lambda span: [span["parent_span_id"]] if span.get("parent_span_id") else [],
    Intrinsic.TRACE_ID: lambda span: [span["trace_id"]],
    Intrinsic.EVENT_NAME: lambda span: [event["name"] for event in span.get("events", ())],
    Intrinsic.LINK_TRACE_ID: lambda span: [link["trace_id"] for link in span.get("links", ())],
    Intrinsic.LINK_SPAN_ID: lambda span: [link["span_id"] for link in span.get("links", ())],
    Intrinsic.INSTRUMENTATION_NAME: lambda span: [span["scope"]["name"]],
    Intrinsic.INSTRUMENTATION_VERSION: lambda span: [span["scope"].get("version", "")],
}


def values_of(field: Field, span: Body) -> list[object]:
    """What a span has in a field: nothing where it has none, several for events, links and lists."""
    if isinstance(field, Attribute):
        return _attribute(field, span)
    return _INTRINSICS[field](span) if isinstance(field, Intrinsic) else []


def attributes_of(scope: AttributeScope, span: Body) -> list[Mapping[str, object]]:
    """The attributes of a scope, once for each event or link; the span's before the resource's."""
    match scope:
        case AttributeScope.SPAN:
            return [span["attributes"]]
        case AttributeScope.RESOURCE:
            return [span["resource"]["attributes"]]
        case AttributeScope.EITHER:
            return [span["attributes"], span["resource"]["attributes"]]
        case AttributeScope.EVENT:
            return [event["attributes"] for event in span.get("events", ())]
        case AttributeScope.LINK:
            return [link["attributes"] for link in span.get("links", ())]
        case AttributeScope.INSTRUMENTATION:
            return [span["scope"].get("attributes", {})]


def _attribute(field: Attribute, span: Body) -> list[object]:
    found = [attributes[field.name] for attributes in attributes_of(field.scope, span) if field.name in attributes]
    if field.scope is AttributeScope.EITHER:
        found = found[:1]
    return [item for value in found for item in (value if isinstance(value, list) else [value]) if item is not None]


def _compare(comparison: Comparison, span: Body) -> bool:
    values = values_of(comparison.field, span)
    wanted = comparison.value
    if wanted.type is ValueType.NIL:
        return bool(values) == (comparison.operator is Operator.NOT_EQUAL)
    if comparison.operator in {Operator.NOT_EQUAL, Operator.NOT_REGEX}:
        alike = [value for value in values if _same_type(value, wanted.value)]
        return bool(alike) and not _equal(comparison, alike)
    return _equal(comparison, values)


def _equal(comparison: Comparison, values: Sequence[object]) -> bool:
    """Whether one of the values meets the comparison, or would were it not negated."""
    wanted = comparison.value.value
    if comparison.field in _IDS and isinstance(wanted, str) and comparison.pattern is None:
        wanted = wanted.lower().lstrip("0")
        values = [str(value).lstrip("0") for value in values]
    return any(_meets(comparison, value, wanted) for value in values if _same_type(value, wanted))


def _meets(comparison: Comparison, value: object, wanted: object) -> bool:
    if comparison.pattern is not None:
        return comparison.pattern.fullmatch(str(value)) is not None
    order = _ORDER.get(comparison.operator)
    return value == wanted if order is None else order(value, wanted)  # type: ignore[arg-type]  # of the same type


def _same_type(value: object, wanted: object) -> bool:
    """Numbers compare with numbers, texts with texts, truth values with each other."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return isinstance(value, bool) and isinstance(wanted, bool)
    if isinstance(value, str):
        return isinstance(wanted, str)
    return isinstance(value, int | float) and isinstance(wanted, int | float)
