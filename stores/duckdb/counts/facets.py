"""The most frequent values of fields, in SQL: the documents of a query are looked for once for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.aggregates import Bucket
from stores.duckdb.attributes.postings import postings
from stores.duckdb.columns import ROW, has_key, json_items, place_of, quoted
from stores.duckdb.sql import Condition
from stores.layout import LAYOUT, Type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from stores.duckdb.attributes.postings import Indexed
    from stores.duckdb.columns import Term
    from stores.store import Query
    from telemetry.documents import Kind

_LISTS = frozenset({Type.KEYWORDS, Type.INTEGERS})


def facets(
    cursor: DuckDBPyConnection, query: Query, fields: Sequence[str], indexed: Indexed | None
) -> Mapping[str, list[Bucket]]:
    """The most frequent values of each field, as many as the query's limit.

    Args:
        cursor: of a reader.
        query: which documents.
        fields: of which values are counted.
        indexed: how far the index of attributes goes, if the kind has one.
    """
    layout = LAYOUT[query.kind]
    columns = [field for field in fields if field in layout and layout[field] not in _LISTS]
    attributes = [field for field in fields if field not in layout and place_of(field)] if indexed else []
    groups = [columns, attributes, *([field] for field in fields if field not in columns and field not in attributes)]
    found: dict[str, list[Bucket]] = {field: [] for field in fields}
    for group in groups:
        if group:
            sql, parameters = _counted(query, group, indexed, columns=group is columns)
            for field, value, documents in cursor.execute(sql, [*parameters, query.limit]).fetchall():
                found[group[field]].append(Bucket(str(value), documents))
    return found


def _counted(query: Query, fields: Sequence[str], indexed: Indexed | None, *, columns: bool) -> Term:
    """Number of the field, value and documents, the most frequent of each field first; the limit is its last parameter."""
    condition = Condition(query, indexed)
    if columns:
        sql, parameters = _of_columns(query.kind, fields, condition)
    elif indexed and place_of(fields[0]):
        sql, parameters = _of_attributes(query, fields, condition, indexed)
    else:
        values, parameters = _values(query.kind, fields[0])
        sql = f"SELECT 0 AS field, {values} FROM {quoted(query.kind)}{condition.sql}"  # noqa: S608 - identifiers are ours, values are bound
        sql, parameters = _each(sql), [*parameters, *condition.parameters]
    return (
        f"{sql} WHERE value IS NOT NULL "
        "QUALIFY row_number() OVER (PARTITION BY field ORDER BY documents DESC, value) <= ? "
        "ORDER BY field, documents DESC, value"
    ), parameters


def _each(rows: str) -> str:
    """How many rows there are by field and value."""
    return f"SELECT * FROM (SELECT field, value, count(*) AS documents FROM ({rows}) GROUP BY field, value)"  # noqa: S608 - as above


def _of_columns(kind: Kind, fields: Sequence[str], condition: Condition) -> Term:
    """Columns are grouped in one pass, each by itself."""
    texts = ", ".join(f"CAST({quoted(field)} AS VARCHAR) AS value{place}" for place, field in enumerate(fields))
    names = [f"value{place}" for place in range(len(fields))]
    every, sets = ", ".join(names), ", ".join(f"({name})" for name in names)
    which = " ".join(f"WHEN GROUPING({name}) = 0 THEN {place}" for place, name in enumerate(names))
    sql = (
        f"SELECT * FROM (SELECT CASE {which} END AS field, coalesce({every}) AS value, count(*) AS documents "  # noqa: S608 - as above
        f"FROM (SELECT {texts} FROM {quoted(kind)}{condition.sql}) GROUP BY GROUPING SETS ({sets}))"
    )
    return sql, condition.parameters


def _of_attributes(query: Query, fields: Sequence[str], condition: Condition, indexed: Indexed) -> Term:
    """Attributes are counted by the index, by what is kept of the newest rows, and by the bodies beyond."""
    parts, parameters = list[str](), [*condition.parameters]
    for place, field in enumerate(fields):
        last = indexed.last(field)
        bounds = (f"row <= {indexed.upto}", f"row > {indexed.upto} AND row <= {last}")
        for (found, of_index), within in zip(postings(query, indexed, field, ("value IS NOT NULL", [])), bounds, strict=False):
            parts.append(
                f"SELECT {place} AS field, value FROM (SELECT value, unnest(rows) AS row FROM {found}) "  # noqa: S608 - as above
                f"WHERE {within} AND row IN (SELECT {ROW} FROM matched)"
            )
            parameters += of_index
        (values, of_values), (named, name) = _values(query.kind, field), has_key(field)
        parts.append(
            f"SELECT {place} AS field, {values} FROM {quoted(query.kind)} "  # noqa: S608 - as above
            f"WHERE {ROW} > {last} AND {ROW} IN (SELECT {ROW} FROM matched WHERE {ROW} > {last}) AND {named}"
        )
        parameters += [*of_values, *name]
    matched = f"WITH matched AS MATERIALIZED (SELECT {ROW} FROM {quoted(query.kind)}{condition.sql})"  # noqa: S608 - as above
    return f"{matched} {_each(' UNION ALL '.join(parts))}", parameters


def _values(kind: Kind, field: str) -> Term:
    """The values of a field as texts, a row each, named `value`."""
    column = LAYOUT[kind].get(field)
    if column in _LISTS:
        return f"unnest({quoted(field)}) AS value", []
    if column is not None:
        return f"CAST({quoted(field)} AS VARCHAR) AS value", []
    items, parameters = json_items(field)
    text = "json_extract_string(x, '$')"
    whole = f"regexp_replace({text}, '\\.0$', '')"
    plain = f"CASE json_type(x) WHEN 'DOUBLE' THEN {whole} WHEN 'OBJECT' THEN NULL WHEN 'ARRAY' THEN NULL ELSE {text} END"
    return f"unnest(list_distinct(list_transform({items}, lambda x: {plain}))) AS value", parameters
