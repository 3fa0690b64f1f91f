"""What the index of attributes has not reached yet: of the fields that are asked for, the values in the newest rows.

They are read from the bodies once, by the first question that needs them, and kept beside the file in memory: a page asks
many times about one search, and again when new data comes. What is kept has the form of the index. It is bounded in fields
and in rows; what is beyond is looked at body by body.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

import duckdb

from stores.duckdb.attributes.index import CHUNK, INDEX_COLUMNS, items_as_index
from stores.duckdb.attributes.postings import Indexed, attributes_of, index_of, newest_of
from stores.duckdb.columns import BODY, INDEXED, ROW, TIME, has_key, json_pointer, place_of, quoted
from stores.layout import LAYOUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from duckdb import DuckDBPyConnection

    from stores.duckdb.attributes.index import AttributeIndex
    from stores.store import Query
    from telemetry.documents import Kind

FIELDS = 32
"""Fields of a kind whose values are kept; another takes the place of the one that was asked for the longest ago."""

ROWS = 4 * CHUNK
"""Rows beyond the index that are kept. There are more only where indexing fails, or a file without an index was opened."""

FEW = 512
"""New rows that are looked at body by body: to read them in would cost a transaction each time."""


KNOWN = 1_000
"""Fields of a kind of which it is known whether any row has them."""


@dataclass(slots=True)
class _Remembered:
    """What is kept of a kind: by field the last row whose values are there, the field asked for last at the end."""

    last: dict[str, int] = field(default_factory=dict)
    floor: int = -1
    """Rows up to this one are gone."""
    readings: list[Indexed] = field(default_factory=list)
    present: set[str] = field(default_factory=set)
    absent: dict[str, int] = field(default_factory=dict)
    """By field that no row has the last row of which this is known."""


class NewestAttributes:
    """Keeps the values of attributes that the index lacks.

    Args:
        connection: to the file's database; the memory is attached to it.
        index: says what is indexed and what is committed.

    Attributes:
        not_kept: how often values could not be kept, and bodies were looked at instead.
    """

    def __init__(self, connection: DuckDBPyConnection, index: AttributeIndex) -> None:
        self._index = index
        self._kept = {kind: _Remembered() for kind in INDEXED}
        self._lock = Lock()
        self.not_kept = 0
        connection.execute("ATTACH ':memory:' AS newest")
        for kind in INDEXED:
            connection.execute(f"CREATE TABLE {newest_of(kind)} ({INDEX_COLUMNS})")

    @contextmanager
    def reading(self, cursor: DuckDBPyConnection, query: Query, fields: Sequence[str] = ()) -> Iterator[Indexed | None]:
        """What the index and the memory have for a query and these fields, while it is asked. Blocks.

        Raises:
            duckdb.InterruptException: nobody waits any more.
        """
        kept = self._kept.get(query.kind)
        if kept is None:
            yield None
            return
        named = [one for one in fields if one not in LAYOUT[query.kind] and place_of(one)]
        with self._lock:
            indexed = Indexed(self._index.upto[query.kind])
            kept.readings.append(indexed)  # from here on, no row that it needs is dropped
        try:
            for one in dict.fromkeys([*attributes_of(query), *named]):
                self._keep(cursor, query.kind, one, indexed)
            yield indexed
        finally:
            with self._lock:
                kept.readings.remove(indexed)

    def _keep(self, cursor: DuckDBPyConnection, kind: Kind, name: str, indexed: Indexed) -> None:
        kept = self._kept[kind]
        with self._lock:
            try:
                self._read(cursor, kind, name, indexed)
                self._look_for(cursor, kind, name, indexed)
            except duckdb.InterruptException:
                raise
            except duckdb.Error:
                self.not_kept += 1
            if name in kept.last:
                kept.last[name] = kept.last.pop(name)
                indexed.newest[name] = kept.last[name]
            if kept.absent.get(name, -1) >= indexed.last(name):
                indexed.absent.add(name)

    def _read(self, cursor: DuckDBPyConnection, kind: Kind, name: str, indexed: Indexed) -> None:
        """Read a field's values in the rows that are new, if they are many enough."""
        kept = self._kept[kind]
        after = max(indexed.upto, kept.last.get(name, -1))
        found = self._index.last[kind]
        if found - after < FEW:
            return
        if found - indexed.upto > ROWS or not self._make_room(cursor, kind, name):
            self.not_kept += 1
            return
        place, attribute = place_of(name) or ("", "")
        has, key = has_key(name)
        sql = (
            f"INSERT INTO {newest_of(kind)} WITH grouped AS (SELECT ? AS place, ? AS name, value, min(time) AS since, "  # noqa: S608 - names of ours
            f"max(time) AS until, list(number) AS rows FROM (SELECT {ROW} AS number, {quoted(TIME)} AS time, "
            f"json_extract({quoted(BODY)}, ?)::VARCHAR AS value FROM {quoted(kind)} WHERE {ROW} > ? AND {ROW} <= ? AND {has}) "
            f"WHERE value IS NOT NULL GROUP BY value) {items_as_index('grouped')}"
        )
        cursor.execute(sql, [place, attribute, json_pointer(name), after, found, *key]).fetchall()
        kept.last[name] = found

    def _look_for(self, cursor: DuckDBPyConnection, kind: Kind, name: str, indexed: Indexed) -> None:
        """Find out whether any row has a field: most names are those of one place only, and a search asks for all of them."""
        kept = self._kept[kind]
        last = max(indexed.upto, kept.last.get(name, -1))
        if name in kept.present or kept.absent.get(name, -1) >= last:
            return
        if len(kept.present) + len(kept.absent) >= KNOWN:
            kept.present.clear()
            kept.absent.clear()
        tables = " UNION ALL ".join(f"FROM {table} WHERE place = ? AND name = ?" for table in (index_of(kind), newest_of(kind)))
        if cursor.execute(f"SELECT 1 FROM ({tables}) LIMIT 1", [*(place_of(name) or ())] * 2).fetchall():  # noqa: S608 - as above
            kept.present.add(name)
            kept.absent.pop(name, None)
        else:
            kept.absent[name] = last

    def _make_room(self, cursor: DuckDBPyConnection, kind: Kind, name: str) -> bool:
        """Drop what the index has reached, and the field asked for the longest ago where there are too many."""
        kept = self._kept[kind]
        floor = min(reading.upto for reading in kept.readings)
        gone = [one for one, last in kept.last.items() if last <= floor and one != name]
        if name not in kept.last and len(kept.last) - len(gone) >= FIELDS:
            used = {one for reading in kept.readings for one in reading.newest}
            oldest = next((one for one in kept.last if one not in used and one not in gone), None)
            if oldest is None:
                return False
            gone.append(oldest)
        if gone or floor > kept.floor:
            table, dropped = newest_of(kind), [list(place_of(one) or ()) for one in gone]
            cursor.execute(  # a new table: rows that are deleted from an old one stay in memory
                f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM {table} WHERE list_max(rows) > ? "  # noqa: S608 - as above
                "AND NOT list_contains(?::VARCHAR[][], [place, name])",
                [floor, dropped],
            )
            kept.floor = floor
            for one in gone:
                del kept.last[one]
        return True
