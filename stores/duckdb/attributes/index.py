"""An index of the attributes of spans and logs: for each value the rows that have it.

It follows the tables by some rows: they are indexed some thousands at a time, by DuckDB and without Python's lock, between two
commits. Rows that are not indexed yet are read when a question is about them, so that a search misses nothing and counts
nothing twice: see `newest`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.duckdb.attributes.postings import index_of
from stores.duckdb.columns import BODY, INDEXED, LONGEST, PLACES, ROW, TIME, quoted
from stores.duckdb.schema import transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from telemetry.documents import Kind

CHUNK = 16_384
"""Rows that are indexed at a time. Fewer cost more each, since they share fewer values; more hold up the next commit longer."""


def _pairs(place: str) -> str:
    """A row for each attribute of a place, its value as JSON: both lists are in the body's order.

    A cast to a map costs eight times as much.
    """
    names = f"json_keys(body, '/{place.replace('.', '/')}')"
    found = f"json_extract(body, '$.{place}.*')"
    return f"SELECT '{place}' AS place, number, time, unnest({names}) AS name, unnest({found})::VARCHAR AS value FROM chunk"  # noqa: S608 - names of ours


_PAIRS = " UNION ALL ".join(map(_pairs, PLACES))
_TYPE = (
    "CASE json_type(item) WHEN 'VARCHAR' THEN 'string' WHEN 'BOOLEAN' THEN 'boolean' "
    "WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' THEN 'object' ELSE 'number' END"
)
_TEXT = "json_extract_string(item, '$')"
_VALUE = (
    f"CASE json_type(item) WHEN 'DOUBLE' THEN regexp_replace({_TEXT}, '\\.0$', '') "
    "WHEN 'OBJECT' THEN NULL WHEN 'ARRAY' THEN NULL "
    f"ELSE CASE WHEN length({_TEXT}) <= {LONGEST} THEN {_TEXT} END END"
)
_NUMBER = f"CASE WHEN json_type(item) IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN TRY_CAST({_TEXT} AS DOUBLE) END"
INDEX_COLUMNS = (
    "place VARCHAR, name VARCHAR, type VARCHAR, value VARCHAR, number DOUBLE, since BIGINT, until BIGINT, rows BIGINT[]"
)
_ITEMS = "CASE WHEN starts_with(value, '[') THEN list_distinct(json_extract(value, '$[*]')) ELSE [value::JSON] END"


def items_as_index(grouped: str) -> str:
    """Rows of an index, of a table that has rows by place, name and value as JSON: a list has a row for each of its items."""
    return (
        f"SELECT place, name, {_TYPE}, {_VALUE}, {_NUMBER}, since, until, rows FROM "  # noqa: S608 - names of ours
        f"(SELECT place, name, since, until, rows, unnest({_ITEMS}) AS item FROM {grouped}) WHERE json_type(item) <> 'NULL'"
    )


def _make_index(connection: DuckDBPyConnection, kind: Kind) -> None:
    """Make what a kind's index needs, where it is missing."""
    connection.execute(f"CREATE TABLE IF NOT EXISTS {index_of(kind)} ({INDEX_COLUMNS})")
    connection.execute("CREATE TABLE IF NOT EXISTS spanloom_indexed (kind VARCHAR, upto BIGINT)")
    if not connection.execute("SELECT 1 FROM spanloom_indexed WHERE kind = ?", [kind]).fetchall():
        connection.execute("INSERT INTO spanloom_indexed VALUES (?, -1)", [kind])


def _number_rows(connection: DuckDBPyConnection, kind: Kind, first: int) -> int:
    """Number the rows that a version before has written, which knows no numbers: the number of the next row."""
    table = quoted(kind)
    ((missing,),) = connection.execute(f"SELECT count(*) FROM {table} WHERE {ROW} IS NULL").fetchall()  # noqa: S608 - names of ours
    if missing:
        numbered = f"SELECT rowid AS place, row_number() OVER (ORDER BY rowid) - 1 AS number FROM {table} WHERE {ROW} IS NULL"  # noqa: S608 - as above
        sql = (
            f"UPDATE {table} SET {ROW} = ? + numbered.number FROM ({numbered}) AS numbered WHERE {table}.rowid = numbered.place"  # noqa: S608 - as above
        )
        connection.execute(sql, [first])
    return first + int(missing)


class AttributeIndex:
    """Numbers new rows, and indexes them.

    Args:
        connection: the writer's.

    Attributes:
        upto: by kind, the last row that is indexed.
        last: by kind, the last row that is committed.
    """

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection
        self.upto: dict[Kind, int] = {}
        self.last: dict[Kind, int] = {}
        self._next: dict[Kind, int] = {}
        with transaction(connection):
            for kind in INDEXED:
                _make_index(connection, kind)
                ((upto,),) = connection.execute("SELECT upto FROM spanloom_indexed WHERE kind = ?", [kind]).fetchall()
                ((last,),) = connection.execute(f"SELECT coalesce(max({ROW}), -1) FROM {quoted(kind)}").fetchall()  # noqa: S608 - as above
                self.upto[kind] = int(upto)
                self._next[kind] = _number_rows(connection, kind, max(int(last), int(upto)) + 1)
                self.committed(kind)

    def numbers(self, kind: Kind, rows: int) -> int:
        """The number of the first of so many new rows."""
        first = self._next[kind]
        self._next[kind] += rows
        return first

    def committed(self, kind: Kind) -> None:
        """All rows that have a number are in the table now."""
        if kind in self._next:
            self.last[kind] = self._next[kind] - 1

    def due(self) -> bool:
        """Whether there is a chunk to index."""
        return any(self._next[kind] - 1 - upto >= CHUNK for kind, upto in self.upto.items())

    def advance(self) -> None:
        """Index the next chunk of each kind that has one. Blocks.

        Raises:
            duckdb.Error: nothing was indexed.
        """
        for kind, upto in self.upto.items():
            if self._next[kind] - 1 - upto >= CHUNK:
                self._index(kind, upto, upto + CHUNK)

    def _index(self, kind: Kind, after: int, upto: int) -> None:
        sql = (
            f"INSERT INTO {index_of(kind)} "  # noqa: S608 - as above
            f"WITH chunk AS (SELECT {ROW} AS number, {quoted(TIME)} AS time, {quoted(BODY)} AS body FROM {quoted(kind)} "
            f"WHERE {ROW} > ? AND {ROW} <= ?), "
            f"pairs AS ({_PAIRS}), "
            "grouped AS (SELECT place, name, value, min(time) AS since, max(time) AS until, list(number) AS rows FROM pairs "
            f"GROUP BY place, name, value) {items_as_index('grouped')}"
        )
        with transaction(self._connection):
            self._connection.execute(sql, [after, upto]).fetchall()
            self._connection.execute("UPDATE spanloom_indexed SET upto = ? WHERE kind = ?", [upto, kind])
        self.upto[kind] = upto
