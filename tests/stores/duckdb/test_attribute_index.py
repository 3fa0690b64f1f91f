"""The index of attributes finds and counts what a look at every body does, however far it goes."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import duckdb
import pytest

from stores.duckdb.attributes import index as attribute_index
from stores.duckdb.attributes import newest
from stores.duckdb.columns import ROW
from stores.duckdb.counts.aggregates import DuckDbAggregates
from stores.duckdb.inspect import inspect
from stores.duckdb.sql import count
from stores.duckdb.store import DuckDbStore
from stores.store import AllOf, AnyOf, Equals, Exists, Not, OneOf, Query, Range, Retention
from telemetry.documents import Document, Kind
from tests.contracts.test_aggregates import BODIES, FILTERS, NOON, SPANS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from stores.store import Filter
    from telemetry.documents import Body

Found = TypeVar("Found")

CHUNK = 128
ODD: list[Body] = [
    {
        "attributes": {
            "": 1,
            " ": "x",
            "a\0b": True,
            "ü\n'": "ü\n'",
            "deep": {"a": [1]},
            "null": None,
            "nulls": [None],
            "empty": [],
        }
    },
    {"attributes": {"mixed": ["a", "a", 1, None, True, [2], {"b": 3}], "n": 2**60, "f": 1e300, "half": 0.5, "whole": 2.0}},
    {"attributes": {"n": "1152921504606846976", "half": "0.5", "whole": 2, "truth": "true", "list": "[1]"}},
    {"attributes": {"long": "x" * 2000, "truth": True, "list": [1]}},
    {"attributes": 5, "resource": "x"},
    {},
]
TESTS: list[Filter] = [
    *(condition for condition, _ in FILTERS),
    *(Exists(f"attributes.{name}") for name in ("", " ", "a\0b", "ü\n'", "deep", "null", "nulls", "empty", "mixed", "long")),
    *(
        Equals(f"attributes.{name}", value)
        for name in ("mixed", "truth", "list", "whole", "half", "n")
        for value in ("a", 1, True, "true", "[1]", 2, 0.5, "0.5", 2**60)
    ),
    Equals("attributes.long", "x" * 2000),
    Equals("attributes.ü\n'", "ü\n'"),
    Range("attributes.n", at_least=2**59),
    Range("attributes.half", below=1),
    Not(Range("attributes.f", at_least=0)),
    OneOf("attributes.none", []),
]


def documents() -> list[Document]:
    rest = [Document(Kind.SPAN, f"odd{number}", NOON + number, body) for number, body in enumerate(ODD)]
    spans = [
        Document(Kind.SPAN, body["span_id"], body["@timestamp"], {k: v for k, v in body.items() if k != "@timestamp"})
        for body in BODIES
    ]
    return [*spans[:300], *rest, *spans[300:]]


async def filled(path: Path) -> DuckDbStore:
    store, every = DuckDbStore(path), documents()
    for first in range(0, len(every), 50):
        assert not (await store.write(every[first : first + 50])).rejected
    return store


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribute_index, "CHUNK", CHUNK)


def looked_at(path: Path, tests: Sequence[Filter] = TESTS) -> tuple[list[int], DuckDbAggregates]:
    """The counts of each test without an index, and what counts so."""
    connection = duckdb.connect(str(path))

    async def read(ask: Callable[[DuckDBPyConnection], Found], _seconds: float = 0.0, /) -> Found:
        return ask(connection)

    counts = []
    for one in tests:
        ((found,),) = connection.execute(*count(Query(Kind.SPAN, [one]))).fetchall()
        counts.append(found)
    return counts, DuckDbAggregates(read, lambda *_: nullcontext())


async def test_an_index_of_most_rows_changes_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    store = await filled(path)
    fields = [
        "attributes.route",
        "attributes.tags",
        "attributes.ratio",
        "attributes.mixed",
        "attributes.whole",
        "attributes.deep",
        "resource.attributes.host.name",
    ]
    query = Query(Kind.SPAN, [Range("duration", at_least=10**6)], NOON + 10**9, NOON + 60 * 10**9, limit=50)
    counts = [await store.count(Query(Kind.SPAN, [one])) for one in TESTS]
    inside = [await store.count(replace(query, where=[one])) for one in TESTS]
    facets = [await store.aggregates.facets(asked, fields) for asked in (query, Query(Kind.SPAN, limit=50))]
    found = {body["_id"] for body in await store.find(Query(Kind.SPAN, [Equals("attributes.tags", "t3")]))}
    await store.close()
    with duckdb.connect(str(path), read_only=True) as connection:
        ((upto,),) = connection.execute("SELECT upto FROM spanloom_indexed WHERE kind = 'span'").fetchall()
        ((indexed,),) = connection.execute(
            "SELECT count(DISTINCT r) FROM (SELECT unnest(rows) AS r FROM span_attribute)"
        ).fetchall()
    assert CHUNK < upto < SPANS + len(ODD)
    assert indexed > CHUNK
    wanted, without = looked_at(path)
    assert counts == wanted
    assert len(inside) == len(wanted)
    assert facets == [await without.facets(asked, fields) for asked in (query, Query(Kind.SPAN, limit=50))]
    assert found == {body["span_id"] for body in BODIES if "t3" in body["attributes"].get("tags", ())}


@pytest.mark.parametrize("fields", [1, 64])
async def test_values_of_rows_beyond_the_index_are_read_once_and_change_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: int
) -> None:
    """With room for one field, each question drops that of the one before."""
    monkeypatch.setattr(newest, "FEW", 16)
    monkeypatch.setattr(newest, "FIELDS", fields)
    path, every = tmp_path / "n.duckdb", documents()
    store = DuckDbStore(path)
    asked = [Query(Kind.SPAN, [one]) for one in TESTS]
    facet = ["attributes.route", "attributes.tags", "attributes.mixed", "name"]
    for first in range(0, len(every), 50):
        await store.write(every[first : first + 50])
        for query in asked[:: 7 + first % 3]:
            await store.count(query)
    counts = [await store.count(query) for query in asked]
    pairs = list(itertools.pairwise(TESTS))
    both = [await store.count(Query(Kind.SPAN, [AnyOf([one, AllOf([other, Not(one)])])])) for one, other in pairs]
    facets = await store.aggregates.facets(Query(Kind.SPAN, limit=50), facet)
    assert (store.counters() == {}) is (fields > 1)
    await store.close()
    wanted, without = looked_at(path)
    assert counts == wanted
    assert both == looked_at(path, [AnyOf([one, other]) for one, other in pairs])[0]
    assert facets == await without.facets(Query(Kind.SPAN, limit=50), facet)


async def test_rows_beyond_what_may_be_kept_are_looked_at_one_by_one_and_that_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest, "FEW", 1)
    monkeypatch.setattr(newest, "ROWS", 10)
    path = tmp_path / "m.duckdb"
    store = await filled(path)
    found = [await store.count(Query(Kind.SPAN, [one])) for one in TESTS]
    assert store.counters()["newest_attributes"] > 0
    await store.close()
    assert found == looked_at(path)[0]


async def test_a_file_without_an_index_is_indexed_from_then_on(tmp_path: Path) -> None:
    """As a version before has left it."""
    path = tmp_path / "old.duckdb"
    await (await filled(path)).close()
    with duckdb.connect(str(path)) as connection:
        for statement in ("DROP TABLE span_attribute", "DROP TABLE log_attribute", "DROP TABLE spanloom_indexed"):
            connection.execute(statement)
        for kind in ("span", "log"):
            connection.execute(f"ALTER TABLE {kind} DROP COLUMN {ROW}")
    assert inspect(path, 1).tables[Kind.SPAN].missing == [ROW]
    store = DuckDbStore(path)
    before = [await store.count(Query(Kind.SPAN, [one])) for one in TESTS]
    for number in range(8):
        await store.write([Document(Kind.SPAN, f"new{number}", NOON, {"attributes": {"fresh": number}})])
    after = [await store.count(Query(Kind.SPAN, [AllOf([one, Not(Exists("attributes.fresh"))])])) for one in TESTS]
    fresh = await store.count(Query(Kind.SPAN, [Range("attributes.fresh", at_least=4)]))
    await store.close()
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT upto > 0 FROM spanloom_indexed WHERE kind = 'span'").fetchall() == [(True,)]
    wanted, _ = looked_at(path)
    assert before == after
    assert fresh == 4
    assert len(wanted) == len(before)


async def test_rows_that_an_older_version_has_written_meanwhile_are_found(tmp_path: Path) -> None:
    """It knows no numbers, and leaves them out."""
    path = tmp_path / "back.duckdb"
    store = await filled(path)
    before = [await store.count(Query(Kind.SPAN, [one])) for one in TESTS]
    await store.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"UPDATE span SET {ROW} = NULL WHERE _id LIKE '%7' OR _id LIKE 'odd%'")
    store = DuckDbStore(path)
    after = [await store.count(Query(Kind.SPAN, [one])) for one in TESTS]
    await store.close()
    assert after == before
    with duckdb.connect(str(path), read_only=True) as connection:
        ((rows, numbers),) = connection.execute(f"SELECT count(*), count(DISTINCT {ROW}) FROM span").fetchall()
    assert rows == numbers == SPANS + len(ODD)


async def test_what_is_deleted_leaves_the_index_and_numbers_are_never_given_again(tmp_path: Path) -> None:
    path = tmp_path / "r.duckdb"
    store = await filled(path)
    assert await store.retain(Retention(seconds=1), NOON + 3600 * 10**9) == SPANS + len(ODD)
    await store.close()
    store = DuckDbStore(path)
    assert await store.count(Query(Kind.SPAN, [Exists("attributes.route")])) == 0
    await store.write([Document(Kind.SPAN, f"new{number}", NOON, {"attributes": {"route": "/0"}}) for number in range(300)])
    assert await store.count(Query(Kind.SPAN, [Equals("attributes.route", "/0")])) == 300
    assert await store.count(Query(Kind.SPAN, [Equals("attributes.route", "/1")])) == 0
    (bucket,) = (await store.aggregates.facets(Query(Kind.SPAN, limit=9), ["attributes.route"]))["attributes.route"]
    assert (bucket.value, bucket.documents) == ("/0", 300)
    await store.close()
