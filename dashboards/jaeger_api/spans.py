"""Span documents as Jaeger's UI has them.

The mapping is that of the OpenTelemetry specification, "OpenTelemetry to Jaeger Transformation", and of what Jaeger's query
service does before it answers: tags by name, the attributes of the SDK with the process, the parent as the first reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from telemetry.json_object import JsonObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from telemetry.documents import Body

Tag = JsonObject

_MICROSECOND = 1_000
_SAFE_INTEGER = 2**53 - 1
"""What a number of JavaScript holds exactly; past it Jaeger writes text."""
_GO_EXPONENT = 1e19
"""From which on JSON here has no whole number; Go writes an exponent from 1e21 on."""
_ORDER = {"string": 0, "bool": 1, "int64": 2, "float64": 3}
_OF_PROCESS = frozenset(
    {
        "telemetry.sdk.language",
        "telemetry.sdk.name",
        "telemetry.sdk.version",
        "telemetry.distro.name",
        "telemetry.distro.version",
    }
)
NO_SERVICE = "missing-service-name"
"""What Jaeger calls a service that does not say its name."""


def trace_of(trace_id: str, spans: Sequence[Body]) -> JsonObject:
    """A trace with its spans and the processes that they name."""
    processes: dict[bytes, tuple[str, JsonObject]] = {}
    shown = []
    for span in spans:
        tags = span_tags(span)
        process = _process(span, [tag for tag in tags if tag["key"] in _OF_PROCESS])
        text = orjson.dumps(process, option=orjson.OPT_SORT_KEYS)
        name, _ = processes.setdefault(text, (f"p{len(processes) + 1}", process))
        shown.append(_span(span, [tag for tag in tags if tag["key"] not in _OF_PROCESS], name))
    return {
        "traceID": short(trace_id),
        "spans": shown,
        "processes": dict(processes.values()),
        "warnings": None,
    }


def short(trace_id: str) -> str:
    """A trace id as Jaeger writes it: of 64 bits where the others are zero."""
    return trace_id[16:] if trace_id.startswith("0" * 16) else trace_id


def derived_tags(span: Body) -> dict[str, str | bool]:
    """What Jaeger keeps as tags and OpenTelemetry as fields of a span."""
    scope, status = span["scope"], span["status"]
    kind, code = span["kind"].lower(), status["code"].upper()
    found: dict[str, str | bool] = {
        "otel.scope.name": scope["name"],
        "otel.scope.version": scope.get("version", ""),
        "span.kind": "" if kind == "unspecified" else kind,
        "otel.status_code": "" if code == "UNSET" else code,
        "error": code == "ERROR",
        "otel.status_description": status.get("message", ""),
        "w3c.tracestate": span.get("trace_state", ""),
    }
    return {name: value for name, value in found.items() if value}


def span_tags(span: Body) -> list[Tag]:
    """All tags of a span, by name."""
    return _tags((*derived_tags(span).items(), *span["attributes"].items()))


def text_of_tag(value: object) -> str:
    """A value as text, as Jaeger compares it."""
    match value:
        case str():
            return value
        case None:
            return ""
        case _:
            return orjson.dumps(_as_go(value), option=orjson.OPT_SORT_KEYS).decode()


def _as_go(value: object) -> object:
    """A value whose whole numbers have no fraction, as Go writes them."""
    match value:
        case float():
            return int(value) if value.is_integer() and abs(value) < _GO_EXPONENT else value
        case list():
            return [_as_go(item) for item in value]
        case dict():
            return {key: _as_go(item) for key, item in value.items()}
        case _:
            return value


def _span(span: Body, tags: list[Tag], process: str) -> JsonObject:
    return {
        "traceID": short(span["trace_id"]),
        "spanID": span["span_id"],
        "operationName": span["name"],
        "references": _references(span),
        "startTime": span["start"] // _MICROSECOND,
        "duration": span["duration"] // _MICROSECOND,
        "tags": tags,
        "logs": [_log(event) for event in span.get("events", ())],
        "processID": process,
        "warnings": None,
    }


def _references(span: Body) -> list[JsonObject]:
    trace_id, parent = span["trace_id"], span.get("parent_span_id", "")
    found = [_reference("CHILD_OF", trace_id, parent)] if parent else []
    for link in span.get("links", ()):
        kind = "CHILD_OF" if link["attributes"].get("opentracing.ref_type") == "child_of" else "FOLLOWS_FROM"
        if parent and (link["trace_id"], link["span_id"]) == (trace_id, parent):
            found[0]["refType"] = kind
        else:
            found.append(_reference(kind, link["trace_id"], link["span_id"]))
    own = [place for place, reference in enumerate(found) if reference["traceID"] == short(trace_id)]
    of_child = [place for place in own if found[place]["refType"] == "CHILD_OF"]
    if first := next(iter([*of_child, *own]), 0):
        found[0], found[first] = found[first], found[0]
    return found


def _reference(kind: str, trace_id: str, span_id: str) -> JsonObject:
    return {"refType": kind, "traceID": short(trace_id), "spanID": span_id}


def _log(event: Body) -> JsonObject:
    fields = dict(event["attributes"])
    named: list[tuple[str, object]] = [("event", event["name"])] if event["name"] and "event" not in fields else []
    if isinstance(fields.get("event"), str):
        named = [("event", fields.pop("event"))]
    return {"timestamp": event["time"] // _MICROSECOND, "fields": [*map(_tag, named), *_tags(fields.items())]}


def _process(span: Body, moved: list[Tag]) -> JsonObject:
    attributes: Mapping[str, object] = span["resource"]["attributes"]
    tags = [*_tags(item for item in attributes.items() if item[0] != "service.name"), *moved]
    return {
        "serviceName": text_of_tag(attributes["service.name"]) if "service.name" in attributes else NO_SERVICE,
        "tags": sorted(tags, key=_sorting),
    }


def _tags(items: Iterable[tuple[str, object]]) -> list[Tag]:
    return sorted(map(_tag, items), key=_sorting)


def _sorting(tag: Tag) -> tuple[str, int]:
    return tag["key"], _ORDER[tag["type"]]


def _tag(item: tuple[str, object]) -> Tag:
    key, value = item
    match value:
        case bool():
            return {"key": key, "type": "bool", "value": value}
        case int():
            return {"key": key, "type": "int64", "value": value if abs(value) <= _SAFE_INTEGER else str(value)}
        case float():
            return {"key": key, "type": "float64", "value": value}
        case _:
            return {"key": key, "type": "string", "value": text_of_tag(value)}
