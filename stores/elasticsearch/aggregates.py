"""Counts over the documents of data streams, by Elasticsearch's aggregations."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from stores.aggregates import EXACT_DISTINCT, AttributeName, Bucket, Distinct, Group, Spread
from stores.checks import check_keyword
from stores.elasticsearch.search import TIME, order
from stores.elasticsearch.source import FLAT
from stores.layout import LAYOUT, Type
from stores.store import QuestionRefusedError
from telemetry.json_object import JsonObject

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping, Sequence

    from stores.store import Query
    from telemetry.documents import Kind

PAGE = 10_000
"""Buckets of one answer; the server's own limit is 65,536."""

_MILLISECOND = 1_000_000
_PLACES = ("attributes", "resource.attributes", "scope.attributes")
_TYPES = {
    **dict.fromkeys(("keyword", "text", "wildcard", "constant_keyword", "date", "ip"), "string"),
    **dict.fromkeys(
        ("long", "integer", "short", "byte", "unsigned_long", "double", "float", "half_float", "scaled_float"), "number"
    ),
    "boolean": "boolean",
}


class Asks(Protocol):
    """Searches for counts."""

    def __call__(self, query: Query, more: JsonObject, /) -> Awaitable[JsonObject]:
        """The answer to a query, with more in its body."""
        ...


class Capabilities(Protocol):
    """Asks which fields there are."""

    def __call__(self, query: Query, fields: Sequence[str], /) -> Awaitable[JsonObject]:
        """The types of fields by their names."""
        ...


class ElasticsearchAggregates:
    """`Aggregates` by aggregations.

    Args:
        ask: searches.
        fields: the types of the fields that the documents of a query may have.
    """

    def __init__(self, ask: Asks, fields: Capabilities) -> None:
        self._ask, self._fields = ask, fields

    async def groups(self, query: Query, field: str, measure: str, offset: int = 0) -> list[Group]:
        """Groups by a keyword field, in the order of the query."""
        check_keyword(query.kind, field)
        _check_number(query.kind, measure)
        sort = [*order(query), {field: "asc"}]
        page = JsonObject(
            sort=sort, collapse={"field": field}, **{"from": offset}, size=query.limit, _source=False, fields=[field]
        )
        hits = (await self._ask(query, page))["hits"]["hits"]
        values = [str(hit["fields"][field][0]) for hit in hits]
        if not values:
            return []
        terms = {
            "terms": {"field": field, "include": values, "size": len(values)},
            "aggs": {"most": {"max": {"field": measure}}},
        }
        found = {
            str(bucket["key"]): Group(str(bucket["key"]), int(bucket["doc_count"]), int(bucket["most"]["value"] or 0))
            for bucket in _buckets(await self._ask(query, JsonObject(aggs={"by": terms})), "by")
        }
        return [found[value] for value in values if value in found]

    async def distinct(self, query: Query, field: str) -> Distinct:
        """How many values there are: exact up to EXACT_DISTINCT, an estimate beyond."""
        check_keyword(query.kind, field)
        count, after = 0, JsonObject()
        while count <= EXACT_DISTINCT:
            pages = {"composite": {"size": PAGE, "sources": [{"value": {"terms": {"field": field}}}], **after}}
            found = await self._ask(query, JsonObject(aggs={"values": pages}))
            buckets = _buckets(found, "values")
            count += len(buckets)
            if len(buckets) < PAGE:
                return Distinct(count)
            after = JsonObject(after=found["aggregations"]["values"]["after_key"])
        estimate = {"cardinality": {"field": field, "precision_threshold": 40_000}}
        found = await self._ask(query, JsonObject(aggs={"values": estimate}))
        return Distinct(max(count, int(found["aggregations"]["values"]["value"])), exact=False)

    async def facets(self, query: Query, fields: Sequence[str]) -> Mapping[str, list[Bucket]]:
        """The most frequent values of each field."""
        paths = {field: [field] if field in LAYOUT[query.kind] else [field, f"{FLAT}.{field}"] for field in fields}
        size = query.limit + 100  # two counts are added, and shards give what is most frequent with them
        terms = {path: {"terms": {"field": path, "size": size}} for of_field in paths.values() for path in of_field}
        numbered = {str(number): asked for number, asked in enumerate(terms.values())}
        found = await self._ask(query, JsonObject(aggs=numbered)) if numbered else JsonObject()
        by_path = {path: _buckets(found, str(number)) for number, path in enumerate(terms)}
        answer = {}
        for field, of_field in paths.items():
            counts: Counter[str] = Counter()
            for path in of_field:
                for bucket in by_path[path]:
                    counts[_text(bucket)] += int(bucket["doc_count"])
            ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            answer[field] = [Bucket(value, documents) for value, documents in ordered[: query.limit]]
        return answer

    async def spreads(self, query: Query, by: Sequence[str], measure: str) -> list[Spread]:
        """The spread of an integer field by keyword fields; quantiles are estimates."""
        for field in by:
            check_keyword(query.kind, field)
        _check_number(query.kind, measure)
        measured = {
            "stats": {"stats": {"field": measure}},
            "quantiles": {"percentiles": {"field": measure, "percents": [50, 95], "keyed": False}},
        }
        if not by:
            found = await self._ask(query, JsonObject(aggs=measured))
            one = found.get("aggregations", {})
            return [_spread((), one)] if one and one["stats"]["count"] else []
        sources = [{field: {"terms": {"field": field}}} for field in by]
        grouping = {"composite": {"size": query.limit, "sources": sources}, "aggs": measured}
        found = await self._ask(query, JsonObject(aggs={"by": grouping}))
        return [_spread(tuple(str(bucket["key"][field]) for field in by), bucket) for bucket in _buckets(found, "by")]

    async def grid(
        self, query: Query, origin: int, step: int, measure: str, bounds: Sequence[int]
    ) -> Mapping[tuple[int, int], int]:
        """Documents by time and by an integer field."""
        _check_number(query.kind, measure)
        every, first = step // _MILLISECOND, origin // _MILLISECOND
        ends = [None, *bounds, None]
        ranges = [
            {"key": str(row)} | ({} if low is None else {"from": low}) | ({} if high is None else {"to": high})
            for row, (low, high) in enumerate(pairwise(ends))
        ]
        rows = {"range": {"field": measure, "ranges": ranges}}
        columns = {
            "date_histogram": {
                "field": TIME,
                "fixed_interval": f"{every}ms",
                "offset": f"{first % every}ms",
                "min_doc_count": 1,
            }
        }
        found = await self._ask(query, JsonObject(aggs={"columns": columns | {"aggs": {"rows": rows}}}))
        return {
            ((int(column["key"]) - first) // every, int(row["key"])): int(row["doc_count"])
            for column in _buckets(found, "columns")
            for row in column["rows"]["buckets"]
            if row["doc_count"]
        }

    async def names(self, query: Query, prefix: str) -> list[AttributeName]:
        """Attributes that have a field of the mapping."""
        fields = await self._fields(query, [f"{place}.*" for place in _PLACES])
        found = [
            AttributeName(place, name, _type(types))
            for path, types in fields.items()
            for place in _PLACES
            if path.startswith(f"{place}.") and (name := path[len(place) + 1 :]).lower().startswith(prefix.lower())
            if not {"object", "passthrough"} & types.keys()
        ]
        return sorted(found, key=lambda one: (one.name, one.place))[: query.limit]


def _check_number(kind: Kind, field: str) -> None:
    if field != TIME and LAYOUT[kind].get(field) is not Type.INTEGER:
        raise QuestionRefusedError(f"{field}: no integer field of {kind.value} documents")


def _buckets(found: JsonObject, name: str) -> list[JsonObject]:
    """An aggregation's buckets; none where there is no index yet."""
    return list(found.get("aggregations", {}).get(name, {}).get("buckets", ()))


def _text(bucket: JsonObject) -> str:
    key = bucket.get("key_as_string", bucket["key"])
    return str(int(key)) if isinstance(key, float) and key.is_integer() else str(key)


def _type(types: Iterable[str]) -> str:
    known = {_TYPES.get(type_, "mixed") for type_ in types}
    return known.pop() if len(known) == 1 else "mixed"


def _spread(values: tuple[str, ...], found: JsonObject) -> Spread:
    stats = found["stats"]
    median, p95 = (int(one["value"] or 0) for one in found["quantiles"]["values"])
    return Spread(values, int(stats["count"]), int(stats["min"] or 0), int(stats["max"] or 0), median, p95)
