"""The tables of a DuckDB file: one a kind, made when the file is new, brought up to date when it is older.

Columns are added and filled from the bodies when the layout has grown. Anything else is a new version of the schema.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import duckdb

from stores.duckdb.columns import BODY, ID, INDEXED, KEY, ROW, TIME, json_pointer, quoted
from stores.layout import LAYOUT, Type
from telemetry.documents import Kind
from telemetry.documents.latency_bits import BUCKET_SHIFT, NEGATIVE
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

VERSION = 1

SQL_TYPES = {
    Type.KEYWORD: "VARCHAR",
    Type.KEYWORDS: "VARCHAR[]",
    Type.TEXT: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.INTEGERS: "BIGINT[]",
    Type.NUMBER: "DOUBLE",
    Type.BOOLEAN: "BOOLEAN",
}


_LISTS = frozenset({Type.KEYWORDS, Type.INTEGERS})

_LATENCY_BITS = (Kind.EDGE, "latency_bits")
_FILL_LATENCY_BITS = f"""
UPDATE edge SET latency_bits = filled.bits FROM (
    SELECT place, flatten([
        [(buckets[i] << {BUCKET_SHIFT}) | (CASE WHEN counts[i] < 0 THEN {NEGATIVE} ELSE 0 END) | exponent
         FOR exponent IN range(0, 63) IF (abs(counts[i]) >> exponent) & 1 = 1]
        FOR i IN range(1, len(counts) + 1)]) AS bits
    FROM (
        SELECT place, list_prepend(base, [base + 16384 + first + i FOR i IN range(0, len(positive))]) AS buckets,
            list_prepend(zeros, positive) AS counts
        FROM (
            SELECT rowid AS place, json_extract(_body, '/latency/positive')::BIGINT[] AS positive,
                json_extract(_body, '/latency/positive_offset')::BIGINT AS first,
                json_extract(_body, '/latency/zero_count')::BIGINT AS zeros,
                (3 - json_extract(_body, '/latency/scale')::BIGINT) << 15 AS base
            FROM edge))) AS filled
WHERE edge.rowid = filled.place
"""  # noqa: S608 - numbers of ours
"""What `telemetry.documents.latency_bits` makes of an edge, of those that a version before has stored."""


class SchemaError(StoreError):
    """The file was written by another version of Spanloom that this one cannot read."""


def prepare(connection: DuckDBPyConnection, path: str) -> None:
    """Make the tables, or check and extend those that are there. One transaction.

    Raises:
        SchemaError: the file has a version that this program does not know, or holds something else.
    """
    found = schema_version(connection, path)
    if found not in {None, VERSION}:
        raise SchemaError(
            f"{path}: schema version {found}, this Spanloom reads {VERSION}: use the Spanloom that wrote it, or another file"
        )
    with transaction(connection):
        if found is None:
            connection.execute("CREATE TABLE spanloom_schema (version INTEGER)")
            connection.execute("INSERT INTO spanloom_schema VALUES (?)", [VERSION])
        for kind in LAYOUT:
            _table(connection, kind)


@contextmanager
def transaction(connection: DuckDBPyConnection) -> Iterator[None]:
    """All of it or nothing."""
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a failed commit has rolled back already
            connection.execute("ROLLBACK")
        raise


def schema_version(connection: DuckDBPyConnection, path: str) -> int | None:
    """That of the file; None where it is new.

    Raises:
        SchemaError: it holds something else.
    """
    tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if "spanloom_schema" in tables:
        ((version,),) = connection.execute("SELECT max(version) FROM spanloom_schema").fetchall()
        return int(version)
    if tables:
        raise SchemaError(f"{path}: a DuckDB file of something else (it has table {min(tables)!r}): name another file")
    return None


def missing_columns(connection: DuckDBPyConnection, kind: Kind) -> list[str] | None:
    """Fields of a kind that its table has no column for; None where there is no table."""
    asked = "SELECT column_name FROM duckdb_columns() WHERE table_name = ?"
    known = {name for (name,) in connection.execute(asked, [kind]).fetchall()}
    columns = [*LAYOUT[kind], *([ROW] if kind in INDEXED else [])]
    return [field for field in columns if field not in known] if known else None


def _table(connection: DuckDBPyConnection, kind: Kind) -> None:
    numbered = {ROW: "BIGINT"} if kind in INDEXED else {}
    own = {KEY: "UBIGINT", **numbered, ID: "VARCHAR", TIME: "BIGINT", BODY: "VARCHAR USING COMPRESSION zstd"}
    columns = own | {field: SQL_TYPES[type_] for field, type_ in LAYOUT[kind].items()}
    made = ", ".join(f"{quoted(name)} {sql}" for name, sql in columns.items())
    connection.execute(f"CREATE TABLE IF NOT EXISTS {quoted(kind)} ({made})")
    missing = [field for field in missing_columns(connection, kind) or () if field != ROW]
    if kind in INDEXED:
        connection.execute(f"ALTER TABLE {quoted(kind)} ADD COLUMN IF NOT EXISTS {ROW} BIGINT")  # filled by the index
    for field in missing:
        connection.execute(f"ALTER TABLE {quoted(kind)} ADD COLUMN {quoted(field)} {SQL_TYPES[LAYOUT[kind][field]]}")
    if read := [field for field in missing if (kind, field) != _LATENCY_BITS]:
        filled = ", ".join(f"{quoted(field)} = {_read(LAYOUT[kind][field])}" for field in read)
        # All at once: what costs is reading the bodies.
        connection.execute(f"UPDATE {quoted(kind)} SET {filled}", [json_pointer(field) for field in read])  # noqa: S608 - identifiers are ours
    if len(read) < len(missing):
        connection.execute(_FILL_LATENCY_BITS)


def _read(type_: Type) -> str:
    """A field's value from a body, by JSON pointer."""
    source = "json_extract" if type_ in _LISTS else "json_extract_string"
    return f"TRY_CAST({source}({quoted(BODY)}, ?) AS {SQL_TYPES[type_]})"
