"""Documents as Arrow tables, as DuckDB reads them in bulk: id, time, body as JSON, and a column a field of the layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.checks import UnstorableError, checked, checked_hop, checked_span, checked_trace, json_text
from stores.duckdb.arrow import BOOLEAN, INTEGER, INTEGERS, NUMBER, STRING, STRINGS, Columns
from stores.duckdb.columns import BODY, ID, TIME
from stores.layout import LAYOUT, Type
from stores.store import Rejected
from telemetry.documents.encoded_hop import EncodedHopDocument
from telemetry.documents.encoded_span import EncodedSpanDocument
from telemetry.documents.encoded_trace import EncodedTraceDocument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.documents import Document, Kind

_FORMATS = {
    Type.KEYWORD: STRING,
    Type.KEYWORDS: STRINGS,
    Type.TEXT: STRING,
    Type.INTEGER: INTEGER,
    Type.INTEGERS: INTEGERS,
    Type.NUMBER: NUMBER,
    Type.BOOLEAN: BOOLEAN,
}

Row = tuple[object, ...]
"""Id, time, body, then the fields of the layout in its order."""

_COLUMNS = {
    kind: {ID: STRING, TIME: INTEGER, BODY: STRING} | {field: _FORMATS[type_] for field, type_ in fields.items()}
    for kind, fields in LAYOUT.items()
}


def row(document: Document) -> Row:
    """A document as a row.

    Raises:
        UnstorableError: no store can hold it.
    """
    if isinstance(document, EncodedSpanDocument):
        return (document.id, document.time, document.json, *checked_span(document))
    if isinstance(document, EncodedHopDocument):
        return (document.id, document.time, document.json, *checked_hop(document))
    if isinstance(document, EncodedTraceDocument):
        return (document.id, document.time, document.json, *checked_trace(document))
    values, _ = checked(document)
    return (document.id, document.time, json_text(document.body), *values)


def first_rows(documents: Sequence[Document]) -> tuple[dict[Kind, dict[str, Row]], tuple[Rejected, ...]]:
    """The rows of a batch, the first of each kind and id, and the documents that cannot be rows."""
    rows: dict[Kind, dict[str, Row]] = {}
    rejected: list[Rejected] = []
    for document in documents:
        try:
            rows.setdefault(document.kind, {}).setdefault(document.id, row(document))
        except UnstorableError as error:
            rejected.append(Rejected(document, str(error), unstorable=True))
    return rows, tuple(rejected)


def table(kind: Kind, rows: Sequence[Row]) -> Columns:
    """Rows of one kind as a table."""
    return Columns(_COLUMNS[kind], list(zip(*rows, strict=True)))
