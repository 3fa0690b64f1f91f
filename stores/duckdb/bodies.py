"""Rows of an answer as documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from stores.checks import with_numbers
from stores.duckdb.columns import ID, TIME
from stores.store import AnswerTooLargeError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from stores.store import Query
    from telemetry.documents import Body, Kind

FETCH = 500
"""Documents that are read before the answer's size is looked at again."""


def bodies(query: Query, found: DuckDBPyConnection) -> list[Body]:
    """The documents of a query, as long as they have no more bytes than it allows.

    Raises:
        AnswerTooLargeError: they have more.
    """
    read: list[Body] = []
    size = 0
    while rows := found.fetchmany(FETCH):
        size += sum(len(row[2]) for row in rows)
        if query.max_bytes and size > query.max_bytes:
            raise AnswerTooLargeError(query.max_bytes)
        read += [_body(query.kind, *row) for row in rows]
    return read


def _body(kind: Kind, id_: str, time: int, body: str) -> Body:
    found = with_numbers(kind, orjson.loads(body))
    found[ID], found[TIME] = id_, time
    return found
