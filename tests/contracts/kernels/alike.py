"""Documents that are the same to whoever reads or stores them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.checks import UnstorableError
from stores.duckdb.rows import row
from stores.elasticsearch.attribute_names import AttributeNames
from stores.elasticsearch.source import source

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.documents import Body, Document

FIELDS: Body = {"data_stream": {"type": "traces", "dataset": "generic.otel", "namespace": "default"}}


def stored(write: Callable[..., object], *arguments: object) -> object:
    """What a store makes of a document, or why it refuses it."""
    try:
        return write(*arguments)
    except UnstorableError as error:
        return f"UnstorableError: {error}"


def alike(found: Document, expected: Document) -> None:
    """The same to whoever reads or stores it."""
    assert (found.kind, found.id, found.time) == (expected.kind, expected.id, expected.time)
    assert repr(found.body) == repr(expected.body)
    assert stored(row, found) == stored(row, expected)
    names, others = AttributeNames(lambda: 0.0), AttributeNames(lambda: 0.0)
    names.learn({"attributes.i": "keyword"})
    others.learn({"attributes.i": "keyword"})
    assert stored(source, found, names, FIELDS) == stored(source, expected, others, FIELDS)
    assert (len(names), names.refused) == (len(others), others.refused)
