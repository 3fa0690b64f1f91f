"""A query as DuckDB's SQL.

A field of the layout is a column of the same name; any other is read from the body by JSON pointer, where a number
compares as a double.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stores.duckdb.attributes.postings import between, ends, is_one_of, joined, postings, present, union
from stores.duckdb.columns import BODY, ID, ROW, TIME, json_pointer, place_of, quoted
from stores.layout import ENVIRONMENT, LAYOUT, Type, comparable
from stores.store import AllOf, AnyOf, Contains, Equals, Exists, Not, OneOf, Query, Range
from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stores.duckdb.attributes.postings import Indexed
    from stores.duckdb.columns import Term
    from stores.store import Filter, Scalar
    from telemetry.documents import Kind

_OWN: Mapping[str, Type] = {ID: Type.KEYWORD, TIME: Type.INTEGER}
_JSON_TEXT = f"json_extract_string({quoted(BODY)}, ?)"

ENVIRONMENT_SQL = f"COALESCE(NULLIF({quoted(ENVIRONMENT)}, ''), '{DEFAULT_ENVIRONMENT}')"  # 0.2.0 wrote none, or an empty one
"""A document's environment."""


class Condition:
    """A WHERE clause and its parameters, grown filter by filter."""

    def __init__(self, query: Query, indexed: Indexed | None = None) -> None:
        self._query, self._indexed = query, indexed
        self._columns = {**_OWN, **LAYOUT[query.kind]}
        self._terms: list[str] = []
        self.parameters: list[object] = []
        if query.since is not None:
            self._add(f"{quoted(TIME)} >= ?", query.since)
        if query.until is not None:
            self._add(f"{quoted(TIME)} < ?", query.until)
        for one in query.where:
            self._filter(one)

    @property
    def sql(self) -> str:
        """The clause, empty when everything is asked for."""
        return " WHERE " + " AND ".join(self._terms) if self._terms else ""

    def _add(self, term: str, *parameters: object) -> None:
        self._terms.append(term)
        self.parameters.extend(parameters)

    def _filter(self, one: Filter) -> None:
        match one:
            case Equals(field, value):
                self._one_of(field, [value])
            case OneOf(field, values):
                self._one_of(field, list(values))
            case Range(field, at_least, below):
                self._range(field, at_least, below)
            case Contains(field, text):
                self._contains(field, text)
            case Exists(field):
                self._exists(field)
            case Not(inner):
                self._terms.append(f"NOT COALESCE({self._alternative(inner)}, FALSE)")
            case AllOf(filters):
                for part in filters:
                    self._filter(part)
            case AnyOf(filters):
                self._any_of(filters)

    def _any_of(self, filters: Sequence[Filter]) -> None:
        if (found := self._rows(AnyOf(filters))) is None:
            self._terms.append("(" + (" OR ".join(map(self._alternative, filters)) or "FALSE") + ")")
        else:
            self._add(f"{ROW} IN ({found[0]})", *found[1])

    def _rows(self, one: Filter) -> Term | None:
        """The numbers of the rows that a filter finds, where the index alone names them: to look into one set costs least."""
        match one:
            case Equals(field, value):
                tests = is_one_of(field, [value])
            case OneOf(field, values):
                tests = is_one_of(field, list(values))
            case Exists(field):
                tests = present(field)
            case Range(field, at_least, below):
                tests = between(field, at_least, below)
            case AnyOf(filters):
                return union([self._rows(part) for part in filters])
            case AllOf(filters):
                if (last := self._last_without(filters)) is not None:
                    beyond = Condition(Query(self._query.kind, filters))
                    return f"SELECT {ROW} FROM {quoted(self._query.kind)}{beyond.sql} AND {ROW} > {last}", beyond.parameters  # noqa: S608 - identifiers are ours, values are bound
                wanted = [self._rows(part) for part in filters if not isinstance(part, Not)]
                return joined(wanted, [self._rows(part.filter) for part in filters if isinstance(part, Not)])
            case _:
                return None
        return None if field in self._columns else self._indexed_rows(field, *tests)

    def _last_without(self, filters: Sequence[Filter]) -> int | None:
        """The last row of which is known that it does not meet all of these filters, as all before: it lacks an attribute."""
        absent = self._indexed.absent if self._indexed else set()
        fields = [one.field for one in filters if isinstance(one, Equals | OneOf | Range | Exists) and one.field in absent]
        return max(map(self._indexed.last, fields)) if self._indexed and fields else None

    def _alternative(self, one: Filter) -> str:
        """The terms of one filter, joined; its parameters are added in the order of the text."""
        outer, self._terms = self._terms, []
        self._filter(one)
        inner, self._terms = self._terms, outer
        return "(" + (" AND ".join(inner) or "TRUE") + ")"

    def _one_of(self, field: str, values: list[Scalar]) -> None:
        column = self._columns.get(field)
        if column is None:
            self._by_index(field, *is_one_of(field, values))
            return
        comparable_values = [value for value in values if comparable(column, value)]
        marks = ", ".join("?" for _ in comparable_values)
        if not comparable_values:
            self._add("FALSE")  # a value of another type is nowhere
        elif column in {Type.KEYWORDS, Type.INTEGERS}:
            self._add(f"list_has_any({quoted(field)}, [{marks}])", *comparable_values)
        elif field == ENVIRONMENT:
            self._add(f"{ENVIRONMENT_SQL} IN ({marks})", *comparable_values)
        else:
            self._add(f"{quoted(field)} IN ({marks})", *comparable_values)

    def _exists(self, field: str) -> None:
        column = self._columns.get(field)
        if column is Type.KEYWORDS:
            self._add(f"len({quoted(field)}) > 0")
        elif column is not None:
            self._add(f"{quoted(field)} IS NOT NULL")
        else:
            self._by_index(field, *present(field))

    def _range(self, field: str, at_least: float | None, below: float | None) -> None:
        column = self._columns.get(field)
        if column is None:
            self._by_index(field, *between(field, at_least, below))
        elif column in {Type.INTEGER, Type.NUMBER}:
            for test, parameter in ends(at_least, below):
                self._add(f"{quoted(field)}{test}", parameter)
        else:
            self._add("FALSE")

    def _by_index(self, field: str, in_body: Term, in_index: Term | None) -> None:
        """A test of a field that is no column: by the index as far as it goes, by the body beyond."""
        if found := self._indexed_rows(field, in_body, in_index):
            self._add(f"{ROW} IN ({found[0]})", *found[1])
        else:
            self._add(in_body[0], *in_body[1])

    def _indexed_rows(self, field: str, in_body: Term, in_index: Term | None) -> Term | None:
        """The numbers of the rows that pass a test; None where no index has them."""
        if self._indexed is None or in_index is None or place_of(field) is None:
            return None
        found = postings(self._query, self._indexed, field, in_index)
        lists = [(f"SELECT unnest(rows) AS row FROM {table}", parameters) for table, parameters in found]  # noqa: S608 - identifiers are ours
        beyond = f"SELECT {ROW} FROM {quoted(self._query.kind)} WHERE {ROW} > {self._indexed.last(field)} AND {in_body[0]}"  # noqa: S608 - as above
        return union([*lists, (beyond, in_body[1])])

    def _contains(self, field: str, text: str) -> None:
        column = self._columns.get(field)
        words = re.findall(r"\w+", text.lower())
        if not words or (column is not None and column not in {Type.TEXT, Type.KEYWORD}):
            self._add("FALSE")
            return
        source, pointer = (quoted(field), ()) if column else (_JSON_TEXT, (json_pointer(field),))
        for word in words:
            # The plain search leaves little for the slower one, which knows where words end.
            self._add(f"contains(lower({source}), ?)", *pointer, word)
            self._add(f"regexp_matches(lower({source}), ?)", *pointer, rf"(^|[^\pL\pN_]){word}($|[^\pL\pN_])")


def select(query: Query, indexed: Indexed | None = None) -> tuple[str, list[object]]:
    """Id, time and body of a query's documents, in its order."""
    condition = Condition(query, indexed)
    columns = ", ".join(map(quoted, (ID, TIME, BODY)))
    order, pointers = _order(query.kind, query.sort, "DESC" if query.descending else "ASC")
    table, where = quoted(query.kind), condition.sql
    if any(isinstance(one, OneOf) and len(one.values) > 1 and one.field in LAYOUT[query.kind] for one in query.where):
        # DuckDB reads all bodies and then compares a list of values: rows that are found first cost a quarter.
        where = f" WHERE rowid IN (SELECT rowid FROM {table}{where})"  # noqa: S608 - identifiers are ours, values are bound
    sql = f"SELECT {columns} FROM {table}{where} ORDER BY {order} LIMIT ?"  # noqa: S608 - as above
    return sql, [*condition.parameters, *pointers, query.limit]


def count(query: Query, indexed: Indexed | None = None) -> tuple[str, list[object]]:
    """How many documents a query has."""
    condition = Condition(query, indexed)
    return f"SELECT count(*) FROM {quoted(query.kind)}{condition.sql}", condition.parameters  # noqa: S608 - as above


def environments(query: Query) -> tuple[str, list[object]]:
    """The environments of a query's documents."""
    condition = Condition(query)
    sql = f"SELECT DISTINCT {ENVIRONMENT_SQL} AS name FROM {quoted(query.kind)}{condition.sql} ORDER BY name LIMIT ?"  # noqa: S608 - as above
    return sql, [*condition.parameters, query.limit]


def values(query: Query, field: str) -> tuple[str, list[object]]:
    """The values of a keyword field in a query's documents."""
    condition = Condition(query)
    column = quoted(field)
    where = f"{condition.sql} AND" if condition.sql else " WHERE"
    sql = f"SELECT DISTINCT {column} AS value FROM {quoted(query.kind)}{where} {column} IS NOT NULL ORDER BY value LIMIT ?"  # noqa: S608 - as above
    return sql, [*condition.parameters, query.limit]


def _order(kind: Kind, field: str, direction: str) -> tuple[str, list[object]]:
    if field in _OWN or field in LAYOUT[kind]:
        return f"{quoted(field)} {direction} NULLS LAST", []
    pointer = json_pointer(field)
    order = f"TRY_CAST({_JSON_TEXT} AS DOUBLE) {direction} NULLS LAST, {_JSON_TEXT} {direction} NULLS LAST"
    return order, [pointer, pointer]
