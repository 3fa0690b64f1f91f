"""A query as Elasticsearch's query DSL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.elasticsearch.source import FLAT, text_of
from stores.layout import ENVIRONMENT, LAYOUT, comparable
from stores.store import AllOf, AnyOf, Contains, Equals, Exists, Not, OneOf, Range
from telemetry.documents import timestamp
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.json_object import JsonObject

if TYPE_CHECKING:
    from stores.store import Filter, Query, Scalar
    from telemetry.documents import Kind

Clause = JsonObject

ID, TIME = "_id", "@timestamp"


def clause(query: Query) -> Clause:
    """Which documents: filters only, nothing is scored."""
    filters = [_filter(query.kind, one) for one in query.where]
    since = {} if query.since is None else {"gte": timestamp(query.since)}
    until = {} if query.until is None else {"lt": timestamp(query.until)}
    if since or until:
        filters.append({"range": {TIME: since | until}})
    return {"bool": {"filter": filters}} if filters else {"match_all": {}}


def order(query: Query) -> list[Clause]:
    """In which order. What lacks the field comes last."""
    direction = "desc" if query.descending else "asc"
    if query.sort == TIME:
        return [{TIME: {"order": direction, "format": "strict_date_optional_time_nanos", "numeric_type": "date_nanos"}}]
    return [{query.sort: {"order": direction, "missing": "_last", "unmapped_type": "keyword"}}]


def _filter(kind: Kind, one: Filter) -> Clause:
    match one:
        case Not(inner):
            return {"bool": {"must_not": [_filter(kind, inner)]}}
        case AllOf(filters):
            return {"bool": {"filter": [_filter(kind, inner) for inner in filters]}} if filters else {"match_all": {}}
        case AnyOf(filters):
            either = [_filter(kind, inner) for inner in filters]
            return {"bool": {"should": either, "minimum_should_match": 1}} if filters else {"match_none": {}}
        case _:
            return _of_field(kind, one)


def _of_field(kind: Kind, one: Equals | OneOf | Range | Contains | Exists) -> Clause:
    match one:
        case Equals(field, value):
            return _one_of(kind, field, [value])
        case OneOf(field, values):
            return _one_of(kind, field, list(values))
        case Range(field, at_least, below):
            ends = {"gte": at_least} if at_least is not None else {}
            if below is not None:
                ends["lt"] = below
            return {"range": {field: {end: _instant(field, value) for end, value in ends.items()}}}
        case Contains(field, text):
            return {"match": {field: {"query": text, "operator": "and"}}}
        case Exists(field):
            return _exists(kind, field)


def _one_of(kind: Kind, field: str, values: list[Scalar]) -> Clause:
    if field == ID:
        return {"ids": {"values": [value for value in values if isinstance(value, str)]}}
    if field == TIME:
        return {"terms": {field: [timestamp(int(value)) for value in values if _is_time(value)]}}
    type_ = LAYOUT[kind].get(field)
    if type_ is not None:
        terms = {"terms": {field: [value for value in values if comparable(type_, value)]}}
        if field == ENVIRONMENT and DEFAULT_ENVIRONMENT in values:
            terms["terms"][field].append("")  # of 0.2.0's anomalies
            without = {"bool": {"must_not": [{"exists": {"field": field}}]}}
            return {"bool": {"should": [terms, without], "minimum_should_match": 1}}
        return terms
    # A field's type is whatever came first: a value of another type is no mistake, and may be in the field for the rest.
    rest = {"terms": {f"{FLAT}.{field}": [text_of(value) for value in values]}}
    either = [{"match": {field: {"query": value, "lenient": True}}} for value in values]
    return {"bool": {"should": [*either, rest], "minimum_should_match": 1}} if values else {"match_none": {}}


def _exists(kind: Kind, field: str) -> Clause:
    fields = [field] if field in LAYOUT[kind] else [field, f"{FLAT}.{field}"]
    return {"bool": {"should": [{"exists": {"field": one}} for one in fields], "minimum_should_match": 1}}


def _is_time(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _instant(field: str, value: Scalar) -> Scalar:
    return timestamp(int(value)) if field == TIME else value
