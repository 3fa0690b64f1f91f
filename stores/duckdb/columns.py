"""Columns of the tables, and what is read from the body of a row where there is no column."""

from __future__ import annotations

import orjson

from stores.layout import keys
from telemetry.documents import Kind

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

Term = tuple[str, list[object]]
"""A piece of SQL, and its parameters."""


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def place_of(field: str) -> tuple[str, str] | None:
    """The place and the name of an attribute; None where a field is none."""
    return next(((place, field[len(place) + 1 :]) for place in PLACES if field.startswith(f"{place}.")), None)


def json_pointer(field: str) -> str:
    """Where a field is in a body, as a JSON pointer (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys(field))


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
