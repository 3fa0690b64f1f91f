"""A search of Jaeger's as a condition on stored spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.jaeger_api.spans import derived_tags, text_of_tag
from dashboards.read_models.attribute_values import candidates
from dashboards.read_models.span_search import SpanCondition
from stores.layout import SERVICE
from stores.store import AnyOf, Equals, OneOf, Range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboards.jaeger_api.parameters import TraceQuery
    from stores.store import Filter
    from telemetry.documents import Body

_FIELDS = {
    "otel.scope.name": "scope.name",
    "otel.scope.version": "scope.version",
    "otel.status_description": "status.message",
    "w3c.tracestate": "trace_state",
}
_PLACES = ("attributes", "resource.attributes", "scope.attributes")


def condition_of(query: TraceQuery, where: Sequence[Filter] = ()) -> SpanCondition:
    """What the store is asked for, and which of its spans match: one span has to have all that is asked for.

    Args:
        query: the search.
        where: what has to hold besides, such as the environment.
    """
    filters = [*where]
    if query.service:
        filters.append(Equals(SERVICE, query.service))
    if query.operation:
        filters.append(Equals("name", query.operation))
    if query.shortest or query.longest:
        filters.append(Range("duration", query.shortest or None, query.longest + 1 if query.longest else None))
    filters += [found for key, value in query.tags.items() if (found := _tag(key, value)) is not None]

    def matches(span: Body) -> bool:
        longest = query.longest or span["duration"]
        return query.shortest <= span["duration"] <= longest and has_tags(span, query.tags)

    return SpanCondition(filters, matches, query.since, query.until)


def _tag(key: str, value: str) -> Filter | None:
    """What a span with this tag meets; None where that is no question for a store."""
    if key == "error" and value == "false":
        return None
    either: list[Filter] = [OneOf(f"{place}.{key}", candidates(value)) for place in _PLACES]
    if key in _FIELDS:
        either.append(Equals(_FIELDS[key], value))
    elif key == "span.kind":
        either.append(Equals("kind", value.capitalize()))
    elif key == "otel.status_code" or (key == "error" and value == "true"):
        either.append(Equals("status.code", "Error" if key == "error" else value.capitalize()))
    return AnyOf(either)


def has_tags(span: Body, tags: Mapping[str, str]) -> bool:
    """Whether a span has all these tags: as an attribute of its own, of its resource or of its scope, or as a field."""
    if not tags:
        return True
    places = (derived_tags(span), span["attributes"], span["resource"]["attributes"], span["scope"].get("attributes", {}))
    return all(_has(places, key, value) for key, value in tags.items())


def _has(places: Sequence[Mapping[str, object]], key: str, value: str) -> bool:
    if any(key in place and _is(place[key], value) for place in places):
        return True
    return key == "error" and value == "false" and not any(key in place for place in places)


def _is(found: object, value: str) -> bool:
    if isinstance(found, list) and any(text_of_tag(item) == value for item in found):
        return True
    return text_of_tag(found) == value
