"""Counts over the documents of a DuckDB file, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stores.aggregates import AttributeName, Bucket, Distinct, Group, Spread
from stores.checks import check_keyword
from stores.duckdb.sql import BODY, PLACES, ROW, TIME, Condition, has_key, json_items, place_of, postings, quoted
from stores.layout import LAYOUT, Type
from stores.store import QuestionRefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from stores.duckdb.sql import Indexed, Term
    from stores.store import Query
    from telemetry.documents import Kind

NEWEST = 20_000
"""Documents whose attributes' names are looked at."""

_TYPES = {"VARCHAR": "string", "BOOLEAN": "boolean", "BIGINT": "number", "UBIGINT": "number", "DOUBLE": "number"}

Rows = list[tuple[object, ...]]


class Read(Protocol):
    """Runs what asks in a reader's thread, for so many seconds at most."""

    def __call__(self, ask: Callable[[DuckDBPyConnection], Rows], seconds: float = 0.0, /) -> Awaitable[Rows]:
        """The answer."""
        ...


class DuckDbAggregates:
    """`Aggregates` in SQL.

    Args:
        read: asks the file.
        indexed: how far the index of attributes goes.
    """

    def __init__(self, read: Read, indexed: Indexed) -> None:
        self._read, self._indexed = read, indexed

    async def groups(self, query: Query, field: str, measure: str, offset: int = 0) -> list[Group]:
        """Groups by a keyword field, in the order of the query."""
        check_keyword(query.kind, field)
        condition, name = Condition(query, self._indexed), quoted(field)
        first = f"{'max' if query.descending else 'min'}({_number(query.kind, query.sort)})"
        sql = (
            f"SELECT {name} AS value, count(*), max({_number(query.kind, measure)}) FROM {quoted(query.kind)}{condition.sql} "  # noqa: S608 - identifiers are ours, values are bound
            f"GROUP BY value HAVING value IS NOT NULL "
            f"ORDER BY {first} {'DESC' if query.descending else 'ASC'} NULLS LAST, value LIMIT ? OFFSET ?"
        )
        rows = await self._rows(query, sql, [*condition.parameters, query.limit, offset])
        return [Group(str(value), _whole(documents), _whole(greatest)) for value, documents, greatest in rows]

    async def distinct(self, query: Query, field: str) -> Distinct:
        """How many values there are: exact."""
        check_keyword(query.kind, field)
        condition = Condition(query, self._indexed)
        sql = f"SELECT count(DISTINCT {quoted(field)}) FROM {quoted(query.kind)}{condition.sql}"  # noqa: S608 - as above
        ((count,),) = await self._rows(query, sql, condition.parameters)
        return Distinct(_whole(count))

    async def facets(self, query: Query, fields: Sequence[str]) -> Mapping[str, list[Bucket]]:
        """The most frequent values of each field."""
        found = {}
        for field in fields:
            values, parameters = self._facet(query, field)
            sql = (
                f"SELECT value, count(*) AS documents FROM ({values}) WHERE value IS NOT NULL "  # noqa: S608 - as above
                "GROUP BY value ORDER BY documents DESC, value LIMIT ?"
            )
            rows = await self._rows(query, sql, [*parameters, query.limit])
            found[field] = [Bucket(str(value), _whole(documents)) for value, documents in rows]
        return found

    def _facet(self, query: Query, field: str) -> Term:
        """The values of a field in the documents of a query: by the index as far as it goes, by the bodies beyond."""
        condition, table = Condition(query, self._indexed), quoted(query.kind)
        values, parameters = _values(query.kind, field)
        place, upto = place_of(field), self._indexed.get(query.kind)
        if field in LAYOUT[query.kind] or place is None or upto is None:
            return f"SELECT {values} FROM {table}{condition.sql}", [*parameters, *condition.parameters]  # noqa: S608 - as above
        where = condition.sql or " WHERE TRUE"
        found, (named, name) = postings(query, place, ("value IS NOT NULL", [])), has_key(field)
        sql = (
            f"SELECT value FROM (SELECT value, unnest(rows) AS row FROM {found[0]}) WHERE row <= {upto} "  # noqa: S608 - as above
            f"AND row IN (SELECT {ROW} FROM {table}{where}) UNION ALL SELECT {values} FROM {table}{where} AND {ROW} > {upto} "
            f"AND {named}"
        )
        return sql, [*found[1], *condition.parameters, *parameters, *condition.parameters, *name]

    async def spreads(self, query: Query, by: Sequence[str], measure: str) -> list[Spread]:
        """The spread of an integer field by keyword fields: exact quantiles."""
        for field in by:
            check_keyword(query.kind, field)
        condition, number = Condition(query, self._indexed), _number(query.kind, measure)
        names = ", ".join(map(quoted, by))
        grouped = f"GROUP BY {names} HAVING {' AND '.join(f'{quoted(field)} IS NOT NULL' for field in by)}" if by else ""
        sql = (
            f"SELECT count({number}) AS documents, min({number}), max({number}), quantile_disc({number}, 0.5), "  # noqa: S608 - as above
            f"quantile_disc({number}, 0.95){', ' if by else ''}{names} FROM {quoted(query.kind)}{condition.sql} "
            f"{grouped} ORDER BY documents DESC LIMIT ?"
        )
        rows = await self._rows(query, sql, [*condition.parameters, query.limit])
        return [
            Spread(tuple(map(str, values)), _whole(documents), *map(_whole, (least, greatest, median, p95)))
            for documents, least, greatest, median, p95, *values in rows
            if documents
        ]

    async def grid(
        self, query: Query, origin: int, step: int, measure: str, bounds: Sequence[int]
    ) -> Mapping[tuple[int, int], int]:
        """Documents by time and by an integer field."""
        condition, number = Condition(query, self._indexed), _number(query.kind, measure)
        row = f"CASE WHEN {number} IS NOT NULL THEN {_place(number, [int(bound) for bound in bounds])} END"
        sql = (
            f"SELECT ({quoted(TIME)} - ?) // ? AS col, {row} AS row, count(*) FROM {quoted(query.kind)}{condition.sql} "  # noqa: S608 - as above
            "GROUP BY col, row HAVING row IS NOT NULL"
        )
        rows = await self._rows(query, sql, [origin, step, *condition.parameters])
        return {(_whole(column), _whole(line)): _whole(documents) for column, line, documents in rows}

    async def names(self, query: Query, prefix: str) -> list[AttributeName]:
        """Attributes of the newest documents."""
        condition = Condition(query, self._indexed)
        table, ordered = quoted(query.kind), f"ORDER BY {quoted(TIME)} DESC LIMIT {NEWEST}"
        newest = f"SELECT {quoted(BODY)} AS body FROM {table}{condition.sql} {ordered}"  # noqa: S608 - as above
        objects = " UNION ALL ".join(map(_named, PLACES))
        sql = (
            f"WITH newest AS ({newest}), pairs AS (SELECT place, unnest(map_keys(named)) AS name, "  # noqa: S608 - as above
            f"json_type(unnest(map_values(named))) AS type FROM ({objects})) "
            "SELECT place, name, list(DISTINCT type) FROM pairs WHERE starts_with(lower(name), ?) "
            "GROUP BY place, name ORDER BY name, place LIMIT ?"
        )
        rows = await self._rows(query, sql, [*condition.parameters, prefix.lower(), query.limit])
        return [AttributeName(str(place), str(name), _type(types)) for place, name, types in rows]

    async def _rows(self, query: Query, sql: str, parameters: Sequence[object]) -> Rows:
        return await self._read(lambda cursor: cursor.execute(sql, parameters).fetchall(), query.seconds)


def _place(number: str, bounds: Sequence[int], first: int = 0) -> str:
    """How many of these ascending bounds a number has reached, by halving: a sum of comparisons costs thrice as much."""
    if not bounds:
        return str(first)
    half = len(bounds) // 2
    below, above = _place(number, bounds[:half], first), _place(number, bounds[half + 1 :], first + half + 1)
    return f"CASE WHEN {number} < {bounds[half]} THEN {below} ELSE {above} END"


def _named(place: str) -> str:
    pointer = "/" + place.replace(".", "/")
    return f"SELECT '{place}' AS place, TRY_CAST(json_extract(body, '{pointer}') AS MAP(VARCHAR, JSON)) AS named FROM newest"  # noqa: S608 - as above


def _type(found: object) -> str:
    types = {_TYPES.get(type_, "mixed") for type_ in found} if isinstance(found, list) else set()
    return types.pop() if len(types) == 1 else "mixed"


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _number(kind: Kind, field: str) -> str:
    """The column of a whole number.

    Raises:
        QuestionRefusedError: the field is none.
    """
    if field != TIME and LAYOUT[kind].get(field) is not Type.INTEGER:
        raise QuestionRefusedError(f"{field}: no integer field of {kind.value} documents")
    return quoted(field)


def _values(kind: Kind, field: str) -> tuple[str, list[object]]:
    """The values of a field as texts, a row each, named `value`."""
    column = LAYOUT[kind].get(field)
    if column is Type.KEYWORDS:
        return f"unnest({quoted(field)}) AS value", []
    if column is not None:
        return f"CAST({quoted(field)} AS VARCHAR) AS value", []
    items, parameters = json_items(field)
    text = "json_extract_string(x, '$')"
    whole = f"regexp_replace({text}, '\\.0$', '')"
    plain = f"CASE json_type(x) WHEN 'DOUBLE' THEN {whole} WHEN 'OBJECT' THEN NULL WHEN 'ARRAY' THEN NULL ELSE {text} END"
    return f"unnest(list_distinct(list_transform({items}, lambda x: {plain}))) AS value", parameters
