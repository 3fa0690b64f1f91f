"""What every store does alike."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stores.duckdb import DuckDbStore
from stores.elasticsearch import ElasticsearchStore
from stores.elasticsearch_access import connect
from stores.store import Contains, Equals, OneOf, Query, Range, Retention, Written
from stores.templates import install
from telemetry.documents import Document, Kind
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from stores.store import Filter, Store
    from telemetry.documents import Body

NOON = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


@pytest.fixture(params=["duckdb", "elasticsearch"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store
    if request.param == "duckdb":
        made = DuckDbStore(tmp_path / "store.duckdb")
    else:
        client = connect(request.getfixturevalue("elasticsearch"))
        await install(client)
        made = ElasticsearchStore(client, namespace=uuid.uuid4().hex)
    yield made
    await made.close()


def span(number: int, time: int = NOON, **body: Any) -> Document:
    return Document(Kind.SPAN, f"{number:048x}", time, {"trace_id": f"{number:032x}", "name": "GET /", **body})


async def ids(store: Store, query: Query) -> list[str]:
    await store.refresh([query.kind])
    return [body["_id"] for body in await store.find(query)]


async def matching(store: Store, kind: Kind, *where: Filter) -> set[str]:
    return set(await ids(store, Query(kind, where)))


async def test_a_document_comes_back_as_it_was_with_its_id_and_time(store: Store) -> None:
    body: Body = {
        "trace_id": "ab",
        "name": "GET /größe 🛰 \\ \" ' \n",
        "duration": 2**62 + 1,
        "attributes": {"http.route": "/a", "n": -(2**63), "u": 2**63 - 1, "f": 0.1, "b": True, "none": None, "l": [1, 2]},
        "resource": {"attributes": {"service.name": "cart"}},
        "events": [{"time": NOON, "name": "x", "attributes": {"a.b": {"c.d": [None]}}}],
    }
    await store.write([Document(Kind.SPAN, "one", NOON + 1, body)])
    await store.refresh([Kind.SPAN])
    assert await store.find(Query(Kind.SPAN)) == [body | {"_id": "one", "@timestamp": NOON + 1}]


async def test_writing_twice_changes_nothing_and_the_first_wins(store: Store) -> None:
    assert await store.write([span(1, name="first"), span(2)]) == Written(2, 0)
    assert await store.write([span(1, name="second"), span(3)]) == Written(1, 1)
    assert await matching(store, Kind.SPAN, Equals("name", "first")) == {span(1).id}
    assert await store.count(Query(Kind.SPAN)) == 3


async def test_an_id_twice_in_one_batch_is_one_document(store: Store) -> None:
    assert await store.write([span(1, name="first"), span(1, name="second")]) == Written(1, 1)
    assert await matching(store, Kind.SPAN, Equals("name", "first")) == {span(1).id}


async def test_the_same_id_in_another_kind_is_another_document(store: Store) -> None:
    assert await store.write([Document(Kind.TRACE, "x", NOON, {}), Document(Kind.HOP, "x", NOON, {})]) == Written(2, 0)


async def test_writes_at_once_count_each_document_once(store: Store) -> None:
    batches = [[span(number) for number in range(start, start + 50)] for start in range(0, 200, 10)]
    written = await asyncio.gather(*(store.write(batch) for batch in batches))
    assert sum(one.created for one in written) == 240
    assert all(one.created + one.existing == 50 for one in written)
    await store.refresh([Kind.SPAN])
    assert await store.count(Query(Kind.SPAN)) == 240


async def test_an_empty_batch_is_nothing(store: Store) -> None:
    assert await store.write([]) == Written(0, 0)


async def test_what_cannot_be_stored_is_rejected_with_a_reason_and_the_rest_is_stored(store: Store) -> None:
    bad = [span(1, attributes={"n": 2**70}), span(2, duration="long"), span(3, attributes={"s": "\ud800"})]
    written = await store.write([*bad, span(4)])
    assert {one.document.id for one in written.rejected} == {document.id for document in bad}
    assert all(rejected.reason for rejected in written.rejected)
    assert (written.created, written.existing) == (1, 0)
    assert await ids(store, Query(Kind.SPAN)) == [span(4).id]


async def test_time_is_half_open_and_sorts_both_ways(store: Store) -> None:
    await store.write([span(number, NOON + number) for number in (3, 1, 2, 0)])
    assert await ids(store, Query(Kind.SPAN, since=NOON + 1, until=NOON + 3)) == [span(1).id, span(2).id]
    assert await ids(store, Query(Kind.SPAN, descending=True, limit=2)) == [span(3).id, span(2).id]
    assert await store.count(Query(Kind.SPAN, since=NOON + 1, limit=1)) == 3


async def test_sorting_by_a_field_puts_what_lacks_it_last(store: Store) -> None:
    await store.write([span(1, duration=5), span(2, duration=20), span(3), span(4, duration=-1)])
    found = await ids(store, Query(Kind.SPAN, sort="duration", descending=True))
    assert found == [span(2).id, span(1).id, span(4).id, span(3).id]


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (Equals("name", "checkout"), {1}),
        (Equals("status.code", "Error"), {2}),
        (Equals("attributes.http.route", "/pay"), {1}),
        (Equals("attributes.http.response.status_code", 500), {2}),
        (Equals("attributes.retried", value=True), {2}),
        (Equals("attributes.tags", "slow"), {1}),
        (Equals("resource.attributes.service.name", "cart"), {1}),
        (Equals("resource.attributes.host.name", "a"), {1, 2}),
        (Equals("attributes.absent", "x"), set()),
        (Equals("_id", span(2).id), {2}),
        (OneOf("trace_id", [span(1).body["trace_id"], span(9).body["trace_id"]]), {1}),
        (OneOf("attributes.http.route", ["/pay", "/x"]), {1}),
        (OneOf("name", []), set()),
        (Range("duration", at_least=10, below=20), {1}),
        (Range("duration", at_least=11), {2}),
        (Range("attributes.http.response.status_code", below=300), {1}),
    ],
)
async def test_a_filter_finds_what_it_says(store: Store, one: Filter, found: set[int]) -> None:
    await store.write(
        [
            span(
                1,
                name="checkout",
                duration=10,
                status={"code": "Ok"},
                attributes={"http.route": "/pay", "http.response.status_code": 200, "tags": ["slow", "new"]},
                resource={"attributes": {"service.name": "cart", "host.name": "a"}},
            ),
            span(
                2,
                duration=20,
                status={"code": "Error"},
                attributes={"http.response.status_code": 500, "retried": True},
                resource={"attributes": {"service.name": "bank", "host.name": "a"}},
            ),
        ]
    )
    assert await matching(store, Kind.SPAN, one) == {span(number).id for number in found}
    assert await store.count(Query(Kind.SPAN, [one])) == len(found)


@pytest.mark.parametrize(
    ("text", "found"),
    [("timeout", {"a"}), ("TIMEOUT connection", {"a"}), ("out", set()), ("größe", {"b"}), ("absent", set()), ("...", set())],
)
async def test_text_is_found_by_whole_words_in_any_case_and_order(store: Store, text: str, found: set[str]) -> None:
    await store.write(
        [
            Document(Kind.LOG, "a", NOON, {"body": {"text": "Connection Timeout, giving up"}}),
            Document(Kind.LOG, "b", NOON, {"body": {"text": "Größe: 5"}}),
            Document(Kind.LOG, "c", NOON, {"body": {"structured": {"a": 1}}}),
        ]
    )
    assert await matching(store, Kind.LOG, Contains("body.text", text)) == found


async def test_filters_are_joined_by_and(store: Store) -> None:
    await store.write([span(1, duration=5), span(2, duration=50), span(3, duration=50, name="POST /")])
    assert await matching(store, Kind.SPAN, Equals("name", "GET /"), Range("duration", at_least=10)) == {span(2).id}


async def test_a_list_field_matches_by_any_item(store: Store) -> None:
    await store.write(
        [
            Document(Kind.TRACE, "a", NOON, {"services": ["cart", "bank"]}),
            Document(Kind.TRACE, "b", NOON, {"services": ["web"]}),
        ]
    )
    assert await matching(store, Kind.TRACE, Equals("services", "bank")) == {"a"}


async def test_closing_twice_is_safe(store: Store) -> None:
    await store.close()
    await store.close()


async def test_age_retention_forgets_what_is_older_or_says_who_does(store: Store) -> None:
    await store.write([span(number, NOON - number * SECOND) for number in range(10)])
    if not store.capabilities().age_retention:
        with pytest.raises(StoreError, match="lifecycle"):
            await store.retain(Retention(seconds=5), NOON)
        return
    gone = await store.retain(Retention(seconds=5), NOON)
    assert gone == 4
    assert await store.count(Query(Kind.SPAN)) == 6


async def test_usage_counts_documents_by_kind(store: Store) -> None:
    await store.write([span(1), span(2), Document(Kind.LOG, "a", NOON, {})])
    await store.refresh([Kind.SPAN, Kind.LOG])
    usage = await store.usage()
    assert (usage.documents["span"], usage.documents["log"], usage.documents["audit"]) == (2, 1, 0)
    assert usage.size_bytes > 0


async def test_size_retention_is_refused_by_a_store_that_denies_it(store: Store) -> None:
    if not store.capabilities().size_retention:
        with pytest.raises(StoreError):
            await store.retain(Retention(max_bytes=1), NOON)


async def test_what_is_written_is_found_at_once_by_a_store_that_says_so(store: Store) -> None:
    await store.write([span(1)])
    if store.capabilities().immediate:
        assert await store.count(Query(Kind.SPAN)) == 1


async def test_more_than_a_page_is_found_in_order(store: Store) -> None:
    await store.write([span(number, NOON + number) for number in range(10_500)])
    found = await ids(store, Query(Kind.SPAN, limit=20_000, descending=True))
    assert found == [span(number).id for number in reversed(range(10_500))]


async def test_a_store_with_nothing_in_it_finds_nothing(store: Store) -> None:
    await store.refresh(list(Kind))
    for kind in Kind:
        assert await store.find(Query(kind, [Equals("trace_id", "x")], sort="revision")) == []
        assert await store.count(Query(kind)) == 0


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FLOATS | TEXT
VALUES = st.recursive(SCALARS, lambda few: st.lists(few, max_size=3) | st.dictionaries(TEXT, few, max_size=3), max_leaves=8)
DOCUMENTS = st.lists(
    st.builds(
        Document,
        st.sampled_from([Kind.SPAN, Kind.LOG, Kind.METRIC]),
        st.sampled_from("abcdef"),
        st.integers(NOON, NOON + 5),
        st.fixed_dictionaries({"attributes": st.dictionaries(TEXT, VALUES, max_size=3)}),
    ),
    max_size=12,
)
RUNS = itertools.count()


@given(batches=st.lists(DOCUMENTS, max_size=3))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_documents_are_kept_once_the_first_of_each_id_or_refused(store: Store, batches: list[list[Document]]) -> None:
    run = f"run {next(RUNS)}"
    batches = [[of_run(document, run) for document in batch] for batch in batches]
    kept: dict[tuple[Kind, str], Document] = {}
    for batch in batches:
        written = await store.write(batch)
        refused = {id(one.document) for one in written.rejected}
        before = len(kept)
        for document in batch:
            if id(document) not in refused:
                kept.setdefault((document.kind, document.id), document)
        assert written.created == len(kept) - before
        assert written.created + written.existing + len(written.rejected) == len(batch)
        assert all(one.reason for one in written.rejected)
    for kind in (Kind.SPAN, Kind.LOG, Kind.METRIC):
        await store.refresh([kind])
        found = await store.find(Query(kind, [Equals("resource.attributes.service.name", run)]))
        assert [body["@timestamp"] for body in found] == sorted(body["@timestamp"] for body in found)
        assert {body["_id"]: body for body in found} == {
            id_: document.body | {"_id": id_, "@timestamp": document.time} for (of, id_), document in kept.items() if of is kind
        }


def of_run(document: Document, run: str) -> Document:
    """The document with an id and a service of its own, for examples share a store."""
    body = {**document.body, "resource": {"attributes": {"service.name": run}}}
    return Document(document.kind, f"{run} {document.id}", document.time, body)


@given(value=st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"]), max_size=100))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_attribute_is_found_by_its_value(store: Store, value: Any) -> None:
    run, key = next(RUNS), f"of.{type(value).__name__}"
    await store.write([span(run, attributes={key: value}), span(10**9 + run, attributes={})])
    assert span(run).id in await matching(store, Kind.SPAN, Equals(f"attributes.{key}", value))
    assert span(10**9 + run).id not in await matching(store, Kind.SPAN, Equals(f"attributes.{key}", value))
