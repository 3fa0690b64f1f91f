"""A query as DuckDB's SQL.

A field of the layout is a column of the same name; any other is read from the body by JSON pointer, where a number
compares as a double.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson

from stores.layout import ENVIRONMENT, LAYOUT, Type, comparable, keys
from stores.store import AllOf, AnyOf, Contains, Equals, Exists, Not, OneOf, Range
from telemetry.documents import Kind
from telemetry.environment import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stores.store import Filter, Query, Scalar

KEY = "_key"
ID = "_id"
TIME = "@timestamp"
BODY = "_body"
ROW = "_row"
"""The number of a row, of kinds that are indexed: it goes up, and no two rows ever have the same."""

INDEXED = (Kind.SPAN, Kind.LOG)
"""Kinds whose attributes have an index: see `attribute_index`."""

PLACES = ("attributes", "resource.attributes", "scope.attributes")
"""Where they have attributes."""

LONGEST = 1024
"""Characters of a text that is indexed."""

Indexed = Mapping[Kind, int]
"""By kind the last row that is indexed."""

Term = tuple[str, list[object]]
"""A piece of SQL, and its parameters."""

_OWN: Mapping[str, Type] = {ID: Type.KEYWORD, TIME: Type.INTEGER}
_NUMBERS = "('BIGINT', 'UBIGINT', 'DOUBLE')"


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


ENVIRONMENT_SQL = f"COALESCE(NULLIF({quoted(ENVIRONMENT)}, ''), '{DEFAULT_ENVIRONMENT}')"  # 0.2.0 wrote none, or an empty one
"""A document's environment."""


class Condition:
    """A WHERE clause and its parameters, grown filter by filter."""

    def __init__(self, query: Query, indexed: Indexed | None = None) -> None:
        self._query, self._upto = query, (indexed or {}).get(query.kind)
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
                self._terms.append("(" + (" OR ".join(map(self._alternative, filters)) or "FALSE") + ")")

    def _alternative(self, one: Filter) -> str:
        """The terms of one filter, joined; its parameters are added in the order of the text."""
        outer, self._terms = self._terms, []
        self._filter(one)
        inner, self._terms = self._terms, outer
        return "(" + (" AND ".join(inner) or "TRUE") + ")"

    def _one_of(self, field: str, values: list[Scalar]) -> None:
        column = self._columns.get(field)
        if column is None:
            tests = [_equals_json(field, value) for value in values]
            term = "(" + " OR ".join([term for term, _ in tests] or ["FALSE"]) + ")"
            parameters = [parameter for _, parameters in tests for parameter in parameters]
            if any(isinstance(value, str) and len(value) > LONGEST for value in values):
                self._add(term, *parameters)
            else:
                self._by_index(field, _is_one_of(values), (term, parameters))
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
            items, pointers = json_items(field)
            looked_at = f"len(list_filter({items}, lambda x: json_type(x) <> 'NULL')) > 0"
            self._by_index(field, ("TRUE", []), (looked_at, pointers))

    def _range(self, field: str, at_least: float | None, below: float | None) -> None:
        column = self._columns.get(field)
        ends = [("x >= ?", at_least), ("x < ?", below)]
        tests, parameters = [test for test, end in ends if end is not None], [end for _, end in ends if end is not None]
        if column is None:
            items, pointers = json_items(field)
            within = " AND ".join([f"json_type(x) IN {_NUMBERS}", *(f"TRY_CAST(x AS DOUBLE){test[1:]}" for test in tests)])
            looked_at = f"len(list_filter({items}, lambda x: {within})) > 0"
            in_index = " AND ".join(["number IS NOT NULL", *(f"number{test[1:]}" for test in tests)])
            self._by_index(field, (in_index, list(parameters)), (looked_at, [*pointers, *parameters]))
        elif column in {Type.INTEGER, Type.NUMBER}:
            for test, parameter in zip(tests, parameters, strict=True):
                self._add(f"{quoted(field)}{test[1:]}", parameter)
        else:
            self._add("FALSE")

    def _by_index(self, field: str, in_index: Term, in_body: Term) -> None:
        """A test of a field that is no column: by the index as far as it goes, by the body beyond."""
        place = place_of(field)
        if self._upto is None or place is None:
            self._add(in_body[0], *in_body[1])
            return
        kind, found = self._query.kind, postings(self._query, place, in_index)
        self._add(
            f"{ROW} IN (SELECT unnest(rows) FROM {found[0]} "  # noqa: S608 - identifiers are ours
            f"UNION ALL SELECT {ROW} FROM {quoted(kind)} WHERE {ROW} > {self._upto} AND {in_body[0]})",
            *found[1],
            *in_body[1],
        )

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


def place_of(field: str) -> tuple[str, str] | None:
    """The place and the name of an attribute; None where a field is none."""
    return next(((place, field[len(place) + 1 :]) for place in PLACES if field.startswith(f"{place}.")), None)


def index_of(kind: Kind) -> str:
    """The table that has the index of a kind."""
    return quoted(f"{kind.value}_attribute")


def postings(query: Query, place: tuple[str, str], test: Term) -> Term:
    """The part of an index that has an attribute and meets a test, with rows of the query's time, as a table to select from."""
    sql, parameters = f"{index_of(query.kind)} WHERE place = ? AND name = ? AND ({test[0]})", [*place, *test[1]]
    if query.since is not None:
        sql, parameters = f"{sql} AND until >= ?", [*parameters, query.since]
    if query.until is not None:
        sql, parameters = f"{sql} AND since < ?", [*parameters, query.until]
    return sql, parameters


def _is_one_of(values: Sequence[Scalar]) -> Term:
    texts = [value for value in values if isinstance(value, str)]
    truths = ["true" if value else "false" for value in values if isinstance(value, bool)]
    numbers = [repr(value) for value in values if not isinstance(value, str | bool)]
    tests = [f"(type = 'string' AND value IN ({_marks(texts)}))"] if texts else []
    tests += [f"(type = 'boolean' AND value IN ({_marks(truths)}))"] if truths else []
    tests += ["number = CAST(? AS DOUBLE)" for _ in numbers]
    return " OR ".join(tests) or "FALSE", [*texts, *truths, *numbers]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)


_JSON_TEXT = f"json_extract_string({quoted(BODY)}, ?)"


def json_pointer(field: str) -> str:
    """Where a field is in a body, as a JSON pointer (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys(field))


def _equals_json(field: str, value: Scalar) -> tuple[str, list[object]]:
    """The value itself, or one of a list's: lists are opened into their items."""
    if isinstance(value, bool):
        test, wanted = "x = ?", "true" if value else "false"
    elif isinstance(value, str):
        test, wanted = "(json_type(x) = 'VARCHAR' AND json_extract_string(x, '$') = ?)", value
    else:
        test, wanted = f"(json_type(x) IN {_NUMBERS} AND TRY_CAST(x AS DOUBLE) = CAST(? AS DOUBLE))", repr(value)
    body, (items, pointers) = quoted(BODY), json_items(field)
    contained, needles = has_key(field)
    if isinstance(value, str):
        contained, needles = f"{contained} AND contains({body}, ?)", [*needles, orjson.dumps(value).decode()]
    opened = f"len(list_filter({items}, lambda x: {test})) > 0"
    return f"({contained} AND {opened})", [*needles, *pointers, wanted]


def has_key(field: str) -> Term:
    """Whether a body has the last key of a field anywhere: it is true of all that have the field, and of few others.

    Bodies are written by orjson, so its text of the key, as of a string, stands in every body that has it: a search for it is
    far cheaper than parsing.
    """
    return f"contains({quoted(BODY)}, ?)", [orjson.dumps(keys(field)[-1]).decode() + ":"]


def json_items(field: str) -> tuple[str, list[object]]:
    """A field of the body as a list of JSON, and the parameters of that: lists are opened into their items."""
    body, pointer = quoted(BODY), json_pointer(field)
    items = f"CASE json_type({body}, ?) WHEN 'ARRAY' THEN json_extract({body}, ?)::JSON[] ELSE [json_extract({body}, ?)] END"
    return items, [pointer, pointer, pointer]


def select(query: Query, indexed: Indexed | None = None) -> tuple[str, list[object]]:
    """Id, time and body of a query's documents, in its order."""
    condition = Condition(query, indexed)
    columns = ", ".join(map(quoted, (ID, TIME, BODY)))
    order, pointers = _order(query.kind, query.sort, "DESC" if query.descending else "ASC")
    sql = f"SELECT {columns} FROM {quoted(query.kind)}{condition.sql} ORDER BY {order} LIMIT ?"  # noqa: S608 - identifiers are ours, values are bound
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
