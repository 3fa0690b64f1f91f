"""Documents as Arrow tables, as DuckDB takes them in bulk: id, time, body as JSON, and a column a field of the layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from stores.arrow import BOOLEAN, INTEGER, NUMBER, STRING, STRINGS, Columns
from stores.layout import LAYOUT, Type, fits, keys, value_at
from stores.sql import BODY, ID, TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.documents import Document, Kind

_FORMATS = {
    Type.KEYWORD: STRING,
    Type.KEYWORDS: STRINGS,
    Type.TEXT: STRING,
    Type.INTEGER: INTEGER,
    Type.NUMBER: NUMBER,
    Type.BOOLEAN: BOOLEAN,
}

Row = tuple[object, ...]
"""Id, time, body, then the fields of the layout in its order."""

_PATHS = {kind: [(field, keys(field), held) for field, held in fields.items()] for kind, fields in LAYOUT.items()}

_COLUMNS = {
    kind: {ID: STRING, TIME: INTEGER, BODY: STRING} | {field: _FORMATS[held] for field, held in fields.items()}
    for kind, fields in LAYOUT.items()
}


class UnstorableError(ValueError):
    """A document that no table can hold. The message names the field."""


def row(document: Document) -> Row:
    """A document as a row.

    Raises:
        UnstorableError: it is no JSON, or a field of the layout holds another type.
    """
    try:
        body = orjson.dumps(document.body)
        document.id.encode()
    except (TypeError, UnicodeEncodeError) as error:
        raise UnstorableError(f"not JSON: {error}") from error
    if not fits(Type.INTEGER, document.time):
        raise UnstorableError(f"{TIME}: {document.time} is outside 64 bits")
    values: list[object] = [document.id, document.time, body]
    for field, path, held in _PATHS[document.kind]:
        value = value_at(document.body, path)
        if value is not None and not fits(held, value):
            raise UnstorableError(f"{field}: {str(value)[:60]!r} is no {held.value}")
        values.append(value)
    return tuple(values)


def table(kind: Kind, rows: Sequence[Row]) -> Columns:
    """Rows of one kind as a table."""
    return Columns(_COLUMNS[kind], list(zip(*rows, strict=True)))
