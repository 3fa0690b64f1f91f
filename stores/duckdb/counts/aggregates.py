"""Counts over the documents of a DuckDB file, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from stores.aggregates import AttributeName, Distinct, Group, Spread
from stores.checks import check_keyword
from stores.duckdb.columns import BODY, PLACES, TIME, quoted
from stores.duckdb.counts.facets import facets
from stores.duckdb.sql import Condition
from stores.layout import LAYOUT, Type
from stores.store import QuestionRefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from duckdb import DuckDBPyConnection

    from stores.aggregates import Bucket
    from stores.duckdb.attributes.postings import Indexed
    from stores.duckdb.columns import Term
    from stores.store import Query
    from telemetry.documents import Kind

NEWEST = 20_000
"""Documents whose attributes' names are looked at."""

_TYPES = {"VARCHAR": "string", "BOOLEAN": "boolean", "BIGINT": "number", "UBIGINT": "number", "DOUBLE": "number"}

Rows = list[tuple[object, ...]]
Found = TypeVar("Found")


class Read(Protocol):
    """Runs what asks in a reader's thread, for so many seconds at most."""

    def __call__(self, ask: Callable[[DuckDBPyConnection], Found], seconds: float = 0.0, /) -> Awaitable[Found]:
        """The answer."""
        ...


class Reading(Protocol):
    """What an index has for a query and for fields that it asks about, while it is asked; None where there is no index."""

    def __call__(
        self, cursor: DuckDBPyConnection, query: Query, fields: Sequence[str] = (), /
    ) -> AbstractContextManager[Indexed | None]:
        """Prepares it, in a reader's thread."""
        ...


class DuckDbAggregates:
    """`Aggregates` in SQL.

    Args:
        read: asks the file.
        reading: how far the index of attributes goes.
    """

    def __init__(self, read: Read, reading: Reading) -> None:
        self._read, self._reading = read, reading

    async def groups(self, query: Query, field: str, measure: str, offset: int = 0) -> list[Group]:
        """Groups by a keyword field, in the order of the query."""
        check_keyword(query.kind, field)
        number, first = _number(query.kind, measure), _number(query.kind, query.sort)

        def statement(condition: Condition) -> Term:
            return (
                f"SELECT {quoted(field)} AS value, count(*), max({number}) FROM {quoted(query.kind)}{condition.sql} "  # noqa: S608 - identifiers are ours, values are bound
                f"GROUP BY value HAVING value IS NOT NULL ORDER BY {'max' if query.descending else 'min'}({first}) "
                f"{'DESC' if query.descending else 'ASC'} NULLS LAST, value LIMIT ? OFFSET ?"
            ), [*condition.parameters, query.limit, offset]

        rows = await self._rows(query, statement)
        return [Group(str(value), _whole(documents), _whole(greatest)) for value, documents, greatest in rows]

    async def distinct(self, query: Query, field: str) -> Distinct:
        """How many values there are: exact."""
        check_keyword(query.kind, field)
        counted = f"SELECT count(DISTINCT {quoted(field)}) FROM {quoted(query.kind)}"  # noqa: S608 - as above
        ((count,),) = await self._rows(query, lambda condition: (f"{counted}{condition.sql}", condition.parameters))
        return Distinct(_whole(count))

    async def facets(self, query: Query, fields: Sequence[str]) -> Mapping[str, list[Bucket]]:
        """The most frequent values of each field."""

        def ask(cursor: DuckDBPyConnection) -> Mapping[str, list[Bucket]]:
            with self._reading(cursor, query, fields) as indexed:
                return facets(cursor, query, fields, indexed)

        return await self._read(ask, query.seconds)

    async def spreads(self, query: Query, by: Sequence[str], measure: str) -> list[Spread]:
        """The spread of an integer field by keyword fields: exact quantiles."""
        for field in by:
            check_keyword(query.kind, field)
        number, names = _number(query.kind, measure), ", ".join(map(quoted, by))
        grouped = f"GROUP BY {names} HAVING {' AND '.join(f'{quoted(field)} IS NOT NULL' for field in by)}" if by else ""

        def statement(condition: Condition) -> Term:
            return (
                f"SELECT count({number}) AS documents, min({number}), max({number}), quantile_disc({number}, 0.5), "  # noqa: S608 - as above
                f"quantile_disc({number}, 0.95){', ' if by else ''}{names} FROM {quoted(query.kind)}{condition.sql} "
                f"{grouped} ORDER BY documents DESC LIMIT ?"
            ), [*condition.parameters, query.limit]

        rows = await self._rows(query, statement)
        return [
            Spread(tuple(map(str, values)), _whole(documents), *map(_whole, (least, greatest, median, p95)))
            for documents, least, greatest, median, p95, *values in rows
            if documents
        ]

    async def grid(
        self, query: Query, origin: int, step: int, measure: str, bounds: Sequence[int]
    ) -> Mapping[tuple[int, int], int]:
        """Documents by time and by an integer field."""
        number = _number(query.kind, measure)
        row = f"CASE WHEN {number} IS NOT NULL THEN {_place(number, [int(bound) for bound in bounds])} END"

        def statement(condition: Condition) -> Term:
            return (
                f"SELECT ({quoted(TIME)} - ?) // ? AS col, {row} AS row, count(*) FROM {quoted(query.kind)}{condition.sql} "  # noqa: S608 - as above
                "GROUP BY col, row HAVING row IS NOT NULL"
            ), [origin, step, *condition.parameters]

        rows = await self._rows(query, statement)
        return {(_whole(column), _whole(line)): _whole(documents) for column, line, documents in rows}

    async def names(self, query: Query, prefix: str) -> list[AttributeName]:
        """Attributes of the newest documents."""
        ordered, objects = f"ORDER BY {quoted(TIME)} DESC LIMIT {NEWEST}", " UNION ALL ".join(map(_named, PLACES))

        def statement(condition: Condition) -> Term:
            newest = f"SELECT {quoted(BODY)} AS body FROM {quoted(query.kind)}{condition.sql} {ordered}"  # noqa: S608 - as above
            return (
                f"WITH newest AS ({newest}), pairs AS (SELECT place, unnest(map_keys(named)) AS name, "  # noqa: S608 - as above
                f"json_type(unnest(map_values(named))) AS type FROM ({objects})) "
                "SELECT place, name, list(DISTINCT type) FROM pairs WHERE starts_with(lower(name), ?) "
                "GROUP BY place, name ORDER BY name, place LIMIT ?"
            ), [*condition.parameters, prefix.lower(), query.limit]

        rows = await self._rows(query, statement)
        return [AttributeName(str(place), str(name), _type(types)) for place, name, types in rows]

    async def _rows(self, query: Query, statement: Callable[[Condition], Term]) -> Rows:
        def ask(cursor: DuckDBPyConnection) -> Rows:
            with self._reading(cursor, query) as indexed:
                return cursor.execute(*statement(Condition(query, indexed))).fetchall()

        return await self._read(ask, query.seconds)


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
