"""What every store does alike."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stores.store import (
    AllOf,
    AnswerTooLargeError,
    AnyOf,
    Contains,
    Equals,
    OneOf,
    Query,
    QueryTimeoutError,
    QuestionRefusedError,
    Range,
    Retention,
    Written,
)
from telemetry.documents import Document, Kind
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from stores.store import Filter, Store
    from telemetry.documents import Body

NOON = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


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


HELD = '{"a":' * 300 + "1" + "}" * 300
UNSTORABLE: dict[str, Document] = {
    "an integer beyond 64 bits": span(1, attributes={"n": 2**70}),
    "a lone surrogate": span(1, attributes={"s": "\ud800"}),
    "a lone surrogate in a name": span(1, attributes={"\ud800": 1}),
    "a huge number where one belongs": span(1, duration=10**5000),
    "a huge number where text belongs": span(1, name=10**5000),
    "text where a number of ours belongs": Document(Kind.HOP, "1", NOON, {"duration": "long"}),
    "a number beyond 64 bits where one of ours belongs": Document(Kind.HOP, "1", NOON, {"duration": 2**63}),
    "a truth value where a number of ours belongs": Document(Kind.HOP, "1", NOON, {"duration": True}),
    "a number where text of ours belongs": Document(Kind.HOP, "1", NOON, {"operation": 5}),
    "an object where text of ours belongs": Document(Kind.HOP, "1", NOON, {"operation": {"a": 1}}),
    "a number where a list of text belongs": Document(Kind.TRACE, "1", NOON, {"services": [1]}),
    "objects nested 300 deep": span(1, attributes=json.loads(HELD)),
    "no JSON at all": span(1, attributes={"x": object()}),
    "a name that is no text": span(1, attributes={1: 2}),
    "more than 10 MiB": span(1, attributes={"x": "y" * (10 << 20)}),
    "a time before 1970": Document(Kind.SPAN, "1", -1, {}),
    "a time after 2262": Document(Kind.SPAN, "1", 2**63, {}),
    "no id": Document(Kind.SPAN, "", NOON, {}),
    "an id of 513 bytes": Document(Kind.SPAN, "x" * 513, NOON, {}),
    "an id that is no UTF-8": Document(Kind.SPAN, "\ud800", NOON, {}),
}


@pytest.mark.parametrize("document", UNSTORABLE.values(), ids=UNSTORABLE.keys())
async def test_what_cannot_be_stored_is_one_documents_rejection(store: Store, document: Document) -> None:
    others = [span(2), Document(Kind.TRACE, "2", NOON, {})]
    written = await store.write([others[0], document, others[1]])
    assert [one.document for one in written.rejected] == [document]
    assert 0 < len(written.rejected[0].reason) < 500
    assert written.rejected[0].unstorable, "no mapping is at fault"
    assert written.created == 2


STORABLE: dict[str, Body] = {
    "an integer beyond 2 to the 53": {"attributes": {"n": 2**63 - 4096, "m": -(2**63), "u": 2**64 - 1}},
    "NUL characters": {"attributes": {"a\0b": "c\0d"}, "name": "a\0", "trace_id": "\0"},
    "texts of 400 kB": {"attributes": {"x": "y" * 400_000}, "name": "n" * 400_000},
    "a name of 40,000 characters": {"attributes": {"k" * 40_000: "v"}},
    "objects nested 200 deep": {"attributes": {"deep": json.loads('{"a":' * 200 + "1" + "}" * 200)}},
    "lists nested 200 deep": {"attributes": {"deep": json.loads("[" * 200 + "]" * 200)}},
    "names that are empty, blank or dots": {
        "attributes": dict.fromkeys(["", " ", "\t", ".", "..", ".a", "a.", "a..b", "*"], 1)
    },
    "names that collide": {"attributes": {"a": 1, "a.b": 2, "a.b.c": {"d": 3}, "a.b.c.d": 4}},
    "names of Elasticsearch's own": {"attributes": {"_id": 1, "_source": 2, "_doc_count": -1, "@timestamp": "x"}},
    "fields that mean something to a store": {"unmapped": {"json": "x"}, "metrics": 1, "data_stream": [], "_source": 1},
    "scalars where objects belong": {"attributes": 1, "resource": "x", "scope": [1], "links": 5, "events": "x"},
    "objects where scalars belong": {"links": [{"trace_id": {"a": 1}}], "parent_span_id": {"b": []}, "kind": None},
    "mixed lists": {"attributes": {"l": ["a", 1, None, True, [2], {"b": 3}], "m": [1, 1.5], "e": [], "o": {}}},
}


@pytest.mark.parametrize("body", STORABLE.values(), ids=STORABLE.keys())
async def test_odd_values_come_back_as_they_were(store: Store, body: Body) -> None:
    await store.write([Document(Kind.SPAN, "odd", NOON, body)])
    await store.refresh([Kind.SPAN])
    assert await store.find(Query(Kind.SPAN)) == [body | {"_id": "odd", "@timestamp": NOON}]


async def test_numbers_that_are_not_finite_come_back_as_otlp_writes_them_and_a_points_value_as_itself(store: Store) -> None:
    values = {"nan": math.nan, "up": math.inf, "down": -math.inf, "list": [1.5, math.nan]}
    await store.write([Document(Kind.METRIC, "m", NOON, {"name": "ratio", "value": math.nan, "attributes": values})])
    await store.refresh([Kind.METRIC])
    (found,) = await store.find(Query(Kind.METRIC))
    assert math.isnan(found["value"])
    assert found["attributes"] == {"nan": "NaN", "up": "Infinity", "down": "-Infinity", "list": [1.5, "NaN"]}


async def test_a_points_value_beyond_2_to_the_53_is_found_and_comes_back_exact(store: Store) -> None:
    limit = 9223372036854771712
    await store.write([Document(Kind.METRIC, "m", NOON, {"name": "container.memory.limit", "value": limit})])
    await store.refresh([Kind.METRIC])
    assert [body["value"] for body in await store.find(Query(Kind.METRIC, [Range("value", at_least=2**62)]))] == [limit]


@pytest.mark.parametrize("structured", [7, 1.5, True, None, [], ["a", 1, {"k": "v"}], {"a": {"b": [1]}}, {}, {"": {" ": 1}}])
async def test_a_log_may_have_any_body(store: Store, structured: object) -> None:
    body: Body = {"body": {"structured": structured}}
    await store.write([Document(Kind.LOG, "log", NOON, body)])
    await store.refresh([Kind.LOG])
    assert await store.find(Query(Kind.LOG)) == [body | {"_id": "log", "@timestamp": NOON}]


@pytest.mark.parametrize(("said", "word"), [(7, "7"), (1.5, "1.5"), (True, "true"), (-(2**63), str(-(2**63)))], ids=str)
async def test_a_scalar_that_a_log_says_is_found_as_text_and_comes_back_as_it_was(
    store: Store, said: object, word: str
) -> None:
    body: Body = {"body": {"text": said}}
    await store.write([Document(Kind.LOG, "log", NOON, body), Document(Kind.LOG, "other", NOON, {"body": {"text": "other"}})])
    await store.refresh([Kind.LOG])
    assert await store.find(Query(Kind.LOG, [Contains("body.text", word)])) == [body | {"_id": "log", "@timestamp": NOON}]


async def test_counts_beyond_2_to_the_63_come_back_exact(store: Store) -> None:
    body: Body = {
        "name": "h",
        "count": 2**64 - 1,
        "buckets": {"bounds": [], "counts": [2**64 - 1]},
        "attributes": {"": "blank"},
    }
    await store.write([Document(Kind.METRIC, "h", NOON, body)])
    await store.refresh([Kind.METRIC])
    assert await store.find(Query(Kind.METRIC)) == [body | {"_id": "h", "@timestamp": NOON}]


ODD_KEYS = ("a", "a.b", "a.b.c", "", " ", ".", "..", ".a", "a.", "a..b", "a. b", "\t", "a\nb", "_id", "é", "x" * 300)


async def test_keys_that_are_blank_or_have_dots_anywhere_are_kept_as_they_came(store: Store) -> None:
    first: Body = {
        "name": "one",
        "attributes": dict.fromkeys(ODD_KEYS, "text"),
        "resource": {"attributes": {"": 1, "a": {"": 2}}},
    }
    second: Body = {"name": "two", "attributes": dict.fromkeys(ODD_KEYS, 7), "resource": {"attributes": {"": {"": 1}, "a.": 3}}}
    await store.write([Document(Kind.SPAN, "one", NOON, first), Document(Kind.SPAN, "two", NOON, second)])
    await store.refresh([Kind.SPAN])
    found = {body["_id"]: body for body in await store.find(Query(Kind.SPAN))}
    assert found == {
        "one": first | {"_id": "one", "@timestamp": NOON},
        "two": second | {"_id": "two", "@timestamp": NOON},
    }


RIVALS: dict[str, object] = {
    "map": {"type": "Error", "n": 1},
    "text": "ECONNRESET",
    "integer": 5,
    "number": 1.5,
    "truth": True,
    "date": "2024-01-01T00:00:00Z",
    "address": "10.0.0.1",
    "texts": ["a", "b"],
    "maps": [{"a": 1}, {"b": 2}],
    "mixed": ["a", 1],
    "nothing": None,
    "empty": {},
}


@pytest.mark.parametrize("place", ["attributes", "resource.attributes", "scope.attributes"])
async def test_no_value_of_an_attribute_refuses_another_whichever_comes_first(store: Store, place: str) -> None:
    numbers = itertools.count()
    kept: dict[str, Body] = {}
    for first, second in itertools.permutations(RIVALS, 2):
        name = f"{first}-{second}"
        for kind in (first, second):
            attributes = {name: RIVALS[kind], f"{name}.x": 1}
            body: Body = {"attributes": attributes}
            for key in place.split(".")[-2::-1]:
                body = {key: body}
            kept[f"{next(numbers)}"] = body
        if len(kept) == 2:  # the first two come one after the other, the rest in one batch
            for id_, body in kept.items():
                assert await store.write([Document(Kind.LOG, id_, NOON, body)]) == Written(1, 0)
    written = await store.write([Document(Kind.LOG, id_, NOON, body) for id_, body in kept.items()])
    assert written == Written(len(kept) - 2, 2)
    await store.refresh([Kind.LOG])
    found = {body.pop("_id"): body for body in await store.find(Query(Kind.LOG))}
    assert found == {id_: body | {"@timestamp": NOON} for id_, body in kept.items()}


async def test_a_value_is_found_though_the_name_first_had_another_type(store: Store) -> None:
    values: list[Any] = [5, "five", True, 1.5, "6"]
    for number, value in enumerate(values):
        await store.write([span(number, attributes={"code": value})])
    for number, value in enumerate(values):
        assert await matching(store, Kind.SPAN, Equals("attributes.code", value)) == {span(number).id}


async def test_asking_for_a_value_of_another_type_finds_nothing_and_is_no_fault(store: Store) -> None:
    await store.write([span(1, duration=5, attributes={"n": 5, "b": True})])
    for field in ("duration", "attributes.n", "attributes.b", "@timestamp", "_id", "start"):
        assert await matching(store, Kind.SPAN, OneOf(field, ["abc", 1.25])) == set()


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


async def test_filters_are_joined_by_or_and_nested(store: Store) -> None:
    await store.write(
        [
            span(1, duration=5, attributes={"http.route": "/a"}),
            span(2, duration=50, attributes={"http.route": "/b"}),
            span(3, duration=500, attributes={"http.response.status_code": 500}),
            span(4, duration=500, name="POST /"),
        ]
    )

    async def numbers(*where: Filter) -> set[int]:
        return {int(id_, 16) for id_ in await matching(store, Kind.SPAN, *where)}

    slow, on_a = Range("duration", at_least=100), Equals("attributes.http.route", "/a")
    failed = OneOf("attributes.http.response.status_code", ["500", 500])
    assert await numbers(AnyOf([slow, on_a])) == {1, 3, 4}
    assert await numbers(AnyOf([AllOf([slow, failed]), Equals("name", "POST /"), on_a])) == {1, 3, 4}
    assert await numbers(AnyOf([AllOf([slow, failed]), on_a]), Range("duration", below=100)) == {1}
    assert await numbers(AllOf([AnyOf([on_a, failed]), AnyOf([slow])])) == {3}
    assert await numbers(AnyOf([])) == set()
    assert await numbers(AllOf([])) == {1, 2, 3, 4}


async def test_the_values_of_a_keyword_field_are_each_there_once(store: Store) -> None:
    await store.write(
        [
            span(number, NOON + number, name=f"GET /{number % 3}", kind="Server" if number % 2 else "Client")
            for number in range(9)
        ]
    )
    await store.write([Document(Kind.SPAN, "bare", NOON, {"trace_id": "ab"})])
    await store.refresh([Kind.SPAN])
    assert await store.values(Query(Kind.SPAN), "name") == ["GET /0", "GET /1", "GET /2"]
    assert await store.values(Query(Kind.SPAN, [Equals("kind", "Server")], until=NOON + 4), "name") == ["GET /0", "GET /1"]
    assert len(await store.values(Query(Kind.SPAN, limit=2), "name")) == 2
    assert await store.values(Query(Kind.HOP), "operation") == []
    with pytest.raises(QuestionRefusedError, match="duration: no keyword field of span documents"):
        await store.values(Query(Kind.SPAN), "duration")


async def test_documents_without_an_environment_are_found_as_those_of_the_default_one(store: Store) -> None:
    named = [span(2, environment="default"), span(3, environment="staging")]
    await store.write([span(1), *named, span(4, environment="")])  # 0.2.0's spans have none, its anomalies an empty one
    all_, default = {1, 2, 3, 4}, {1, 2, 4}
    for asked, found in ((["default"], default), (["staging"], {3}), (["default", "staging"], all_), (["other"], set())):
        assert await matching(store, Kind.SPAN, OneOf("environment", asked)) == {f"{number:048x}" for number in found}
    everything = Query(Kind.SPAN)
    assert await store.environments(everything) == ["default", "staging"]
    assert await store.environments(replace(everything, where=[Equals("environment", "staging")])) == ["staging"]
    assert len(await store.environments(replace(everything, limit=1))) == 1
    assert await store.environments(Query(Kind.HOP)) == []
    assert await matching(store, Kind.SPAN, Equals("environment", "default")) == {f"{number:048x}" for number in default}


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


async def test_an_answer_over_its_bytes_is_refused_and_says_what_to_do(store: Store) -> None:
    for first in range(0, 3000, 500):
        await store.write([span(number, NOON + number, attributes={"x": "y" * 1000}) for number in range(first, first + 500)])
    await store.refresh([Kind.SPAN])
    with pytest.raises(AnswerTooLargeError, match="lower the limit"):
        await store.find(Query(Kind.SPAN, limit=3000, max_bytes=1 << 20))
    assert len(await store.find(Query(Kind.SPAN, limit=500, max_bytes=1 << 20))) == 500
    assert len(await store.find(Query(Kind.SPAN, limit=3000))) == 3000


async def test_a_query_over_its_time_ends_and_the_next_is_answered(store: Store) -> None:
    await store.write([span(number, attributes={"i": -number}) for number in range(5000)])
    await store.refresh([Kind.SPAN])
    by_attribute = Query(Kind.SPAN, sort="attributes.i", limit=5000)
    kinds: set[type] = set()  # one or two may be answered before anybody looks at the clock
    async with asyncio.timeout(60):
        while QueryTimeoutError not in kinds:
            asked = (store.find(replace(by_attribute, seconds=1e-6)) for _ in range(20))
            kinds |= {type(result) for result in await asyncio.gather(*asked, return_exceptions=True)}
    assert kinds <= {QueryTimeoutError, StoreError, list}  # a busy Elasticsearch refuses what it could not begin in time
    assert await store.write([span(6000)]) == Written(1, 0)
    assert (await store.find(replace(by_attribute, limit=1, seconds=60.0)))[0]["attributes"]["i"] == -4999


async def test_a_query_that_nobody_waits_for_any_more_ends(store: Store) -> None:
    await store.write([span(number, attributes={"i": -number}) for number in range(5000)])
    asking = [asyncio.create_task(store.find(Query(Kind.SPAN, sort="attributes.i", limit=5000))) for _ in range(10)]
    await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    assert {type(one) for one in await asyncio.gather(*asking, return_exceptions=True)} == {asyncio.CancelledError}
    await store.refresh([Kind.SPAN])
    assert await store.count(Query(Kind.SPAN)) == 5000


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
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
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


SURROGATES = st.text(st.characters(categories=["Cs", "L"]), max_size=3)
ODD_NAMES = " |.|a|a.b|a..b|_id|@timestamp|_source|unmapped|metrics|data_stream|json|flat|service.name|trace_id|failed|code"
OUR_NAMES = "attributes|resource|scope|body|structured|text|links|name|value|duration|status|services|caller|labels"
NAMES = TEXT | SURROGATES | st.sampled_from(["", *ODD_NAMES.split("|"), *OUR_NAMES.split("|")])
WILD = SCALARS | st.integers() | st.floats() | SURROGATES
ANYTHING = st.recursive(WILD, lambda few: st.lists(few, max_size=3) | st.dictionaries(NAMES, few, max_size=4), max_leaves=10)


@given(bodies=st.lists(st.tuples(st.sampled_from(Kind), st.dictionaries(NAMES, ANYTHING, max_size=4)), min_size=1, max_size=8))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_any_json_of_any_kind_is_kept_or_refused_and_no_other_with_it(
    store: Store, bodies: list[tuple[Kind, Body]]
) -> None:
    run = next(RUNS)
    odd = [Document(kind, f"any {run} {number}", NOON, body) for number, (kind, body) in enumerate(bodies)]
    usual = [Document(kind, f"any {run} usual", NOON, {}) for kind in Kind]
    written = await store.write([*odd, *usual])
    refused = {one.document.id for one in written.rejected}
    assert refused <= {document.id for document in odd}
    assert all(one.reason for one in written.rejected)
    assert written.created == len(odd) + len(usual) - len(refused)
    for document in odd:
        await store.refresh([document.kind])
        found = await store.find(Query(document.kind, [Equals("_id", document.id)]))
        if document.id in refused:
            assert found == []
        else:
            assert [as_json(body) for body in found] == [as_json(document.body | {"_id": document.id, "@timestamp": NOON})]


def as_json(value: Any) -> Any:
    """With the names of OTLP for numbers that JSON has not."""
    match value:
        case dict():
            return {key: as_json(item) for key, item in value.items()}
        case list():
            return [as_json(item) for item in value]
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case _:
            return value


def of_run(document: Document, run: str) -> Document:
    """The document with an id and a service of its own, for examples share a store."""
    body = {**document.body, "resource": {"attributes": {"service.name": run}}}
    return Document(document.kind, f"{run} {document.id}", document.time, body)


@given(value=st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"]), max_size=100))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_any_attribute_is_found_by_its_value(store: Store, value: Any) -> None:
    run, key = next(RUNS), f"of.{type(value).__name__}"
    await store.write([span(run, attributes={key: value}), span(10**9 + run, attributes={})])
    assert span(run).id in await matching(store, Kind.SPAN, Equals(f"attributes.{key}", value))
    assert span(10**9 + run).id not in await matching(store, Kind.SPAN, Equals(f"attributes.{key}", value))
