"""Every field of every kind of document, as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanloom.reference.field_meanings import ABOUT, meaning
from spanloom.reference.table import head, row
from stores.elasticsearch.mappings import mappings
from stores.elasticsearch.templates import data_stream
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.json_object import JsonObject

HEAD = f"""# Documents

What is stored, kind by kind. Elasticsearch has them in data streams: `{data_stream(Kind.SPAN, "default")}`,
`{data_stream(Kind.LOG, "default")}`, `{data_stream(Kind.METRIC, "default")}`, and for the other kinds names like
`{data_stream(Kind.HOP, "default")}`, where `default` is the setting `namespace`. DuckDB has a table for each kind.
`/api/v1/find?kind=hop` answers with either's. Types are Elasticsearch's. This page is made from the mappings by `make docs`;
docs/stores.md says how fields are searched.
"""


def page() -> str:
    """The page of reference."""
    parts = [HEAD]
    for kind in Kind:
        rows = (row(f"`{name}`", type_, meaning(kind, name)) for name, type_ in fields(kind))
        parts.append(f"## {kind.value}\n\n{ABOUT[kind]}\n\n{head('field', 'type', '')}\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def fields(kind: Kind) -> Iterator[tuple[str, str]]:
    """Path and type of each field of a kind, those of all kinds first."""
    yield from _flat(mappings(kind)["properties"], "")


def _flat(properties: JsonObject, prefix: str) -> Iterator[tuple[str, str]]:
    for name, mapping in properties.items():
        if "type" in mapping:
            yield prefix + name, mapping["type"]
        yield from _flat(mapping.get("properties", {}), f"{prefix}{name}.")
