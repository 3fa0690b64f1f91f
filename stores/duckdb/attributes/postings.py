"""Which rows have an attribute, as SQL: lists of an index that meet a test, and the same test of a body."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from stores.duckdb.columns import BODY, LONGEST, Term, has_key, json_items, place_of, quoted
from stores.layout import LAYOUT
from stores.store import AllOf, AnyOf, Equals, Exists, Not, OneOf, Range

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stores.store import Filter, Query, Scalar
    from telemetry.documents import Kind

_NUMBERS = "('BIGINT', 'UBIGINT', 'DOUBLE')"


@dataclass(slots=True, eq=False)
class Indexed:
    """How far the index of a kind's attributes goes, and how far beyond it, by field, what is kept of the newest rows."""

    upto: int
    newest: dict[str, int] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    """Fields that no row has up to the last of which the value is known."""

    def last(self, name: str) -> int:
        """The last row whose value of a field needs no look at its body."""
        return max(self.upto, self.newest.get(name, -1))


def index_of(kind: Kind) -> str:
    """The table that has the index of a kind."""
    return quoted(f"{kind.value}_attribute")


def newest_of(kind: Kind) -> str:
    """The table that has, in the form of an index, what is kept of the newest rows of a kind."""
    return f"newest.{index_of(kind)}"


def attributes_of(query: Query) -> list[str]:
    """The attributes that a query's conditions are about."""

    def named(one: Filter) -> Iterator[str]:
        match one:
            case Not(inner):
                yield from named(inner)
            case AllOf(filters) | AnyOf(filters):
                for part in filters:
                    yield from named(part)
            case Equals(field) | OneOf(field) | Range(field) | Exists(field):
                if field not in LAYOUT[query.kind] and place_of(field):
                    yield field
            case _:
                pass

    return list(dict.fromkeys(name for one in query.where for name in named(one)))


def postings(query: Query, indexed: Indexed, field: str, test: Term) -> list[Term]:
    """What an index, and what is kept beyond it, has of an attribute where a test is met, with rows of the query's time.

    Each is a table to select from.
    """
    sql, parameters = f"WHERE place = ? AND name = ? AND ({test[0]})", [*(place_of(field) or ()), *test[1]]
    if query.since is not None:
        sql, parameters = f"{sql} AND until >= ?", [*parameters, query.since]
    if query.until is not None:
        sql, parameters = f"{sql} AND since < ?", [*parameters, query.until]
    tables = [index_of(query.kind), *([newest_of(query.kind)] if field in indexed.newest else [])]
    return [(f"{table} {sql}", parameters) for table in tables]


Tests = tuple[Term, Term | None]
"""A test of an attribute by its body, and by an index; None where no index can tell."""


def is_one_of(field: str, values: Sequence[Scalar]) -> Tests:
    """The attribute, or an item of it, is one of these values."""
    looked_at = [_equals_json(field, value) for value in values]
    term = "(" + " OR ".join([term for term, _ in looked_at] or ["FALSE"]) + ")"
    in_body = (term, [parameter for _, parameters in looked_at for parameter in parameters])
    if any(isinstance(value, str) and len(value) > LONGEST for value in values):
        return in_body, None
    texts = [value for value in values if isinstance(value, str)]
    truths = ["true" if value else "false" for value in values if isinstance(value, bool)]
    numbers = [repr(value) for value in values if not isinstance(value, str | bool)]
    tests = [f"(type = 'string' AND value IN ({_marks(texts)}))"] if texts else []
    tests += [f"(type = 'boolean' AND value IN ({_marks(truths)}))"] if truths else []
    tests += ["number = CAST(? AS DOUBLE)" for _ in numbers]
    return in_body, (" OR ".join(tests) or "FALSE", [*texts, *truths, *numbers])


def present(field: str) -> Tests:
    """There is the attribute, and it is not null."""
    items, pointers = json_items(field)
    return (f"len(list_filter({items}, lambda x: json_type(x) <> 'NULL')) > 0", pointers), ("TRUE", [])


def between(field: str, at_least: float | None, below: float | None) -> Tests:
    """The attribute, or an item of it, is a number `at_least <= number < below`."""
    bounds, (items, pointers) = ends(at_least, below), json_items(field)
    parameters = [parameter for _, parameter in bounds]
    within = " AND ".join([f"json_type(x) IN {_NUMBERS}", *(f"TRY_CAST(x AS DOUBLE){test}" for test, _ in bounds)])
    in_index = " AND ".join(["number IS NOT NULL", *(f"number{test}" for test, _ in bounds)])
    return (f"len(list_filter({items}, lambda x: {within})) > 0", [*pointers, *parameters]), (in_index, [*parameters])


def ends(at_least: float | None, below: float | None) -> list[tuple[str, float]]:
    """The comparisons that bound a range."""
    return [(test, end) for test, end in ((" >= ?", at_least), (" < ?", below)) if end is not None]


def union(sets: Sequence[Term | None]) -> Term | None:
    """The rows of any of these sets; None where one is not known."""
    known = [one for one in sets if one]
    if not known or len(known) < len(sets):
        return None
    parameters = [parameter for _, of_one in known for parameter in of_one]
    return " UNION ALL ".join(f"({sql})" for sql, _ in known), parameters


def joined(wanted: Sequence[Term | None], unwanted: Sequence[Term | None]) -> Term | None:
    """The rows that all of some sets have, and none of the others; None where one is not known."""
    if not wanted or None in [*wanted, *unwanted]:
        return None
    first, *more = wanted
    joins = [("", first), *((" SEMI JOIN ", one) for one in more), *((" ANTI JOIN ", one) for one in unwanted)]
    sql, parameters = "SELECT row FROM", list[object]()
    for place, (join, one) in enumerate(joins):
        if one:
            sql += f"{join} ({one[0]}) AS set{place}{' USING (row)' if join else ''}"
            parameters += one[1]
    return sql, parameters


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)


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
