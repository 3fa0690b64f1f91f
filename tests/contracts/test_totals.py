"""What every store adds up alike: as much as reading all documents and adding them up does."""

from __future__ import annotations

import itertools
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors.assembly.edges import aggregate, merge, subtract
from processors.series import histogram
from stores.store import Aggregation, Equals, Query, QuestionRefusedError
from telemetry.call_graph import Edge, Hop, Node, NodeKind
from telemetry.documents import Document, Kind, edge_document
from telemetry.documents.latency_bits import scale_and_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stores.store import Store
    from telemetry.metrics import ExponentialBuckets

SECOND = 1_000_000_000
NOON = 1_700_000_000 * SECOND
WINDOW = 5 * SECOND
BY = ("environment", "caller.kind", "caller.name", "callee.kind", "callee.name", "operation", "protocol")
SUMS = ("calls", "failures", "latency_sum", "self_time_sum", "critical_path_sum")

SAMPLED = ("exemplars", "exemplar_durations")

NODES = st.builds(Node, st.sampled_from((NodeKind.SERVICE, NodeKind.DATABASE)), st.sampled_from("abc"))
HOPS = st.lists(
    st.builds(
        partial(Hop),  # whose other fields have their defaults: those of a named tuple would be drawn too
        trace_id=st.binary(min_size=16, max_size=16),
        id=st.binary(min_size=8, max_size=8),
        caller=NODES,
        callee=NODES,
        operation=st.sampled_from("xy"),
        protocol=st.sampled_from(("http", "")),
        start=st.integers(NOON, NOON + 60 * SECOND),
        end=st.just(0),
        client_duration=st.one_of(st.just(0), st.integers(1, 10**12)),
        self_time=st.integers(0, SECOND),
        critical_path_time=st.integers(0, SECOND),
        failed=st.booleans(),
        environment=st.sampled_from(("default", "staging")),
    ),
    min_size=1,
    max_size=60,
)


def stored(edges: Sequence[Edge], counted: str, *, correction: bool = False) -> list[Document]:
    return [edge_document(edge, 0, counted, correction=correction) for edge in edges]


def counts(latency: ExponentialBuckets) -> dict[tuple[float, float], int]:
    return {(low, high): number for low, high, number in histogram.ranges(latency) if number}


def bounds(bucket: int) -> tuple[float, float]:
    scale, index = scale_and_index(bucket)
    return (0.0, 0.0) if index is None else (histogram.bound(index, scale), histogram.bound(index + 1, scale))


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hops=HOPS, data=st.data())
async def test_the_sums_of_edges_are_those_of_all_their_documents(store: Store, hops: list[Hop], data: st.DataObject) -> None:
    """Of hops in two parts, the second as corrections of the first: some come, some are taken back."""
    of = f"{uuid4().hex}."  # one store for all examples: each has names of its own
    hops = [hop._replace(callee=Node(hop.callee.kind, of + hop.callee.name)) for hop in hops]
    kept = data.draw(st.integers(0, len(hops)))
    before, now = aggregate(hops, WINDOW), aggregate(hops[:kept], WINDOW)
    empty = {place: subtract(edge, edge) for place, edge in before.items()}
    corrections = [subtract(now.get(place, empty[place]), edge) for place, edge in before.items()]
    await store.write(stored(list(before.values()), "first") + stored(corrections, "second", correction=True))
    await store.refresh([Kind.EDGE])
    names = sorted({hop.callee.name for hop in hops})
    since, until = NOON, NOON + data.draw(st.sampled_from((30, 70))) * SECOND
    for step in (0, 10 * SECOND):
        expected: dict[tuple[tuple[str, ...], int], Edge] = {}
        documents: Counter[tuple[tuple[str, ...], int]] = Counter()
        for edge in [*before.values(), *corrections]:
            if edge.start < until:
                key, own = edge.key, edge.start - edge.start % step if step else 0
                ends = (key.caller.kind, key.caller.name, key.callee.kind, key.callee.name)
                place = ((key.environment, *ends, key.operation, key.protocol), own)
                documents[place] += 1
                expected[place] = merge(expected[place], edge) if place in expected else edge
        found = []
        for name in names:
            query = Query(Kind.EDGE, [Equals("callee.name", name)], since, until)
            found += await store.totals(
                Aggregation(query, BY, step, SUMS, ("width",), "latency_bits", SAMPLED, "exemplar_durations")
            )
        assert {(group.key, group.start) for group in found} == set(expected)
        for group in found:
            edge = expected[group.key, group.start]
            assert group.documents == documents[group.key, group.start]
            assert group.sums == tuple(getattr(edge, name) for name in SUMS)
            assert group.peaks == (WINDOW,)
            read: dict[tuple[float, float], int] = {}
            for bucket, count in group.buckets.items():
                read[bounds(bucket)] = read.get(bounds(bucket), 0) + count
            if all(scale_and_index(bucket)[0] == edge.latency.scale for bucket in group.buckets):
                assert read == counts(edge.latency)
            assert sum(read.values()) == edge.calls
            if edge.exemplars:
                sampled: list[Any] = [sample["exemplar_durations"] for sample in group.samples]
                assert max(itertools.chain(*sampled)) == edge.exemplar_durations[0]


async def test_spans_are_counted_by_service_with_the_oldest_and_the_newest(store: Store) -> None:
    def span(number: int, service: str | None, status: str, **more: object) -> Document:
        resource = {"attributes": {"service.name": service, **more} if service else {}}
        body = {"trace_id": "a", "name": "x", "status": {"code": status}, "resource": resource}
        return Document(Kind.SPAN, f"{number}", NOON + number * SECOND + 1, body)

    await store.write(
        [
            span(1, "cart", "Unset", **{"service.version": "1.0"}),
            span(2, "cart", "Error", **{"service.version": "1.1"}),
            span(3, "cart", "Unset", **{"service.version": "1.1"}),
            span(4, None, "Unset"),
            span(70, "cart", "Unset"),
        ]
    )
    await store.refresh([Kind.SPAN])
    service = "resource.attributes.service.name"
    found = await store.totals(Aggregation(Query(Kind.SPAN, until=NOON + 60 * SECOND), (service, "status.code")))
    assert sorted((group.key, group.documents, group.oldest, group.newest) for group in found) == [
        (("", "Unset"), 1, NOON + 4 * SECOND, NOON + 4 * SECOND),
        (("cart", "Error"), 1, NOON + 2 * SECOND, NOON + 2 * SECOND),
        (("cart", "Unset"), 2, NOON + SECOND, NOON + 3 * SECOND),
    ]
    versions = Query(Kind.SPAN, [Equals(service, "cart")])
    found = await store.totals(Aggregation(versions, ("environment", "resource.attributes.service.version")))
    assert sorted((group.key, group.documents) for group in found) == [
        (("default", ""), 1),
        (("default", "1.0"), 1),
        (("default", "1.1"), 2),
    ]


async def test_nothing_adds_up_to_no_group_and_all_to_one(store: Store) -> None:
    assert await store.totals(Aggregation(Query(Kind.EDGE), sums=("calls",), bits="latency_bits")) == []
    caller, callee = (Node(NodeKind.SERVICE, name) for name in "ab")
    hop = Hop(b"t" * 16, b"h" * 8, caller, callee, "x", "", NOON, NOON + 5)
    other = hop._replace(trace_id=b"u" * 16, caller=callee, callee=caller, environment="staging")
    await store.write(stored(list(aggregate([hop, other], WINDOW).values()), "all"))
    await store.refresh([Kind.EDGE])
    (group,) = await store.totals(Aggregation(Query(Kind.EDGE), sums=("calls",)))
    assert (group.key, group.start, group.documents, group.sums) == ((), 0, 2, (2,))


async def test_groups_beyond_the_limit_are_refused_and_not_left_out(store: Store) -> None:
    names = [f"{number:04d}" for number in range(1, 230)]
    await store.write([Document(Kind.EDGE, name, NOON, {"caller": {"name": name}, "calls": 1}) for name in names])
    await store.refresh([Kind.EDGE])
    asked = Aggregation(Query(Kind.EDGE, limit=229), ("caller.name",), sums=("calls",), bits="latency_bits")
    assert sorted(group.key for group in await store.totals(asked)) == [(name,) for name in names]
    with pytest.raises(QuestionRefusedError, match="more than 228 groups"):
        await store.totals(Aggregation(Query(Kind.EDGE, limit=228), ("caller.name",)))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Aggregation(Query(Kind.EDGE), sums=("operation",)), "operation: no integer field of edge documents"),
        (Aggregation(Query(Kind.EDGE), bits="calls"), "calls: no field of integers of edge documents"),
        (Aggregation(Query(Kind.EDGE), step=5), "a step of 5 ns: name whole milliseconds"),
    ],
)
async def test_what_cannot_be_added_up_is_refused(store: Store, asked: Aggregation, said: str) -> None:
    with pytest.raises(QuestionRefusedError, match=said):
        await store.totals(asked)
