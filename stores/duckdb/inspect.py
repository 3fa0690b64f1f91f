"""A DuckDB file of ours that nobody has open: what its tables lack. It is read, and left as it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb
import orjson

from stores.duckdb.columns import BODY, TIME, quoted
from stores.duckdb.schema import VERSION, SchemaError, missing_columns, schema_version
from stores.layout import LAYOUT
from telemetry.documents import Kind
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.documents import Body


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A kind's table.

    Attributes:
        documents: how many it has; None where there is no table.
        missing: columns that this release adds.
    """

    documents: int | None
    missing: list[str]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """What the file has.

    Attributes:
        version: of its schema.
        tables: by kind.
        newest_spans: bodies of some.
    """

    version: int
    tables: dict[Kind, FoundTable]
    newest_spans: list[Body] = field(default_factory=list)


def inspect(path: Path, spans: int) -> FoundFile:
    """What a file has; at most so many of its newest spans.

    Raises:
        SchemaError: it has a version that this release does not know, or holds something else.
        StoreError: it is no DuckDB file, or another process has it open.
    """
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            version = schema_version(connection, str(path))
            if version != VERSION:
                raise SchemaError(f"{path}: schema version {version}, this Spanloom reads {VERSION}")
            tables = {}
            for kind in LAYOUT:
                missing = missing_columns(connection, kind)
                count = None if missing is None else connection.execute(f"SELECT count(*) FROM {quoted(kind)}").fetchall()[0][0]  # noqa: S608 - identifiers are ours
                tables[kind] = FoundTable(count, missing or [])
            newest = (
                connection.execute(
                    f"SELECT {quoted(BODY)} FROM {quoted(Kind.SPAN)} ORDER BY {quoted(TIME)} DESC LIMIT ?",  # noqa: S608 - as above
                    [spans if tables[Kind.SPAN].documents else 0],
                ).fetchall()
                if tables[Kind.SPAN].documents
                else []
            )
    except duckdb.Error as error:
        raise StoreError(f"{path}: {error}") from error
    return FoundFile(version, tables, [orjson.loads(body) for (body,) in newest])
