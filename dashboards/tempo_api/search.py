"""A search of Tempo's: its condition on spans, and the traces that were found as Tempo writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from dashboards.read_models.span_search import SpanCondition
from dashboards.read_models.waterfall import service_of
from dashboards.tempo_api.traceql.evaluate import holds, values_of
from dashboards.tempo_api.traceql.question import filters_of
from dashboards.tempo_api.traceql.syntax import Attribute, fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboards.tempo_api.traceql.syntax import Field, SpanSelection
    from stores.store import Filter
    from telemetry.documents import Body
    from telemetry.json_object import JsonObject

NO_ROOT = "<root span not yet received>"
"""What Tempo writes for the name of a root span that it has not."""

_MILLISECOND = 1_000_000


def by_query(selection: SpanSelection, where: Sequence[Filter], since: int, until: int) -> SpanCondition:
    """What a TraceQL query looks for."""
    condition = selection.condition
    return SpanCondition([*where, *filters_of(condition)], lambda span: holds(condition, span), since, until)


def by_tags(tags: Mapping[str, str], where: Sequence[Filter], since: int, until: int) -> SpanCondition:
    """What `tags` looks for: attributes of a span or of its resource that contain a text, in any case; `name` is the span's."""
    wanted = {name: text.casefold() for name, text in tags.items()}

    def matches(span: Body) -> bool:
        return all(any(text in value for value in _texts(span, name)) for name, text in wanted.items())

    return SpanCondition(where, matches, since, until)


def _texts(span: Body, name: str) -> list[str]:
    places: tuple[Mapping[str, object], ...] = (span["attributes"], span["resource"]["attributes"])
    own = {"name": span["name"], "status": span["status"]["code"], "kind": span["kind"]}.get(name)
    found = [own] if own is not None else [place[name] for place in places if name in place]
    return [text_of(value).casefold() for value in found]


def text_of(value: object) -> str:
    """A value as the text that Tempo shows."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def trace_body(
    trace_id: str, spans: Sequence[Body], trace: Body | None, root: str, shown: Sequence[Field], most: int
) -> JsonObject:
    """A trace that was found.

    Args:
        trace_id: its id.
        spans: those that match.
        trace: its document, once there is one.
        root: the name of its root span, once that is there.
        shown: fields of the spans that are given with them.
        most: spans in the answer.
    """
    spans = sorted(spans, key=lambda span: (span["start"], span["span_id"]))
    start = min(span["start"] for span in spans)
    end = max(span["start"] + span["duration"] for span in spans)
    span_set = {"spans": [_span(span, shown) for span in spans[:most]], "matched": len(spans)}
    found: JsonObject = {
        "traceID": trace_id,
        "rootServiceName": (trace and trace["root"]["service"]) or NO_ROOT,
        "rootTraceName": root or NO_ROOT,
        "startTimeUnixNano": str(trace["start"] if trace else start),
        "durationMs": (trace["duration"] if trace else end - start) // _MILLISECOND,
        "spanSet": span_set,
        "spanSets": [span_set],
    }
    return found


def _span(span: Body, shown: Sequence[Field]) -> JsonObject:
    attributes = [{"key": "service.name", "value": {"stringValue": service_of(span)}}]
    for field in shown:
        name = field.name if isinstance(field, Attribute) else str(field)
        if name in {"name", "duration", "service.name"}:
            continue  # of every span
        attributes += [{"key": name, "value": _value(value)} for value in values_of(field, span)]
    return {
        "spanID": span["span_id"],
        "name": span["name"],
        "startTimeUnixNano": str(span["start"]),
        "durationNanos": str(span["duration"]),
        "attributes": attributes,
    }


def _value(value: object) -> JsonObject:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case _:
            return {"stringValue": text_of(value)}


def shown_fields(selection: SpanSelection) -> list[Field]:
    """The fields that a query compares or selects."""
    return list(dict.fromkeys([*fields_of(selection.condition), *selection.shown]))
