from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.read_models.clocks import ERROR, OFFSET, by_root_clock
from dashboards.read_models.reader import Reader
from processors.call_graph import call_graph
from telemetry.documents import hop_document
from telemetry.documents.signals import metric_document, span_document
from telemetry.metrics import DataPoint, Metric, MetricType
from telemetry.resource import Resource
from tests.processors.traces import CLIENT, SERVER, TRACE, span

if TYPE_CHECKING:
    from stores.duckdb.store import DuckDbStore
    from telemetry.documents import Body, Document

EPOCH = 1_700_000_000_000_000_000
MS = 1_000_000
BEHIND = 300 * MS
"""How far the clock of host y is behind that of host x."""

SPANS = [
    span(1, 0, "a", SERVER, EPOCH, EPOCH + 100 * MS, host="x"),
    span(2, 1, "a", CLIENT, EPOCH + 10 * MS, EPOCH + 60 * MS, host="x"),
    span(3, 2, "b", SERVER, EPOCH + 30 * MS - BEHIND, EPOCH + 50 * MS - BEHIND, host="y"),
]


def estimate(host: str, other: str, offset: int, error: int, *, partition: int = 0, at: int = SPANS[2].start) -> list[Document]:
    resource = Resource({"service.name": "spanloom", "service.instance.id": f"partition-{partition}"})
    documents = []
    for name, value in ((OFFSET, offset), (ERROR, error)):
        point = DataPoint(at, attributes={"host": host, "other": other}, value=value / 1e9)
        documents.append(metric_document(Metric(name, MetricType.GAUGE, (point,), resource, unit="s"), point))
    return documents


async def spans(store: DuckDbStore, *estimates: list[Document]) -> list[Body]:
    """What a reader is given of the trace, by span id, where these estimates are stored."""
    graph = call_graph(SPANS)
    documents = [span_document(one) for one in SPANS] + [hop_document(hop, 3, 0, 0) for hop in graph.hops]
    await store.write([*documents, *(document for one in estimates for document in one)])
    found = await Reader(store).trace(TRACE.hex())
    assert found is not None
    return sorted(found["spans"], key=lambda body: body["span_id"])


async def test_a_span_has_its_times_as_recorded_and_by_the_clock_of_the_root(store: DuckDbStore) -> None:
    _, client, server = await spans(store, estimate("x", "y", BEHIND, 2 * MS))
    assert client["adjusted"] == {"start": client["start"], "shift": 0, "error": 0}
    assert server["start"] == EPOCH + 30 * MS - BEHIND
    assert server["adjusted"] == {"start": EPOCH + 30 * MS, "shift": BEHIND, "error": 2 * MS}


async def test_estimates_of_several_partitions_and_minutes_are_taken_together(store: DuckDbStore) -> None:
    minute = 60_000_000_000
    *_, server = await spans(
        store,
        estimate("x", "y", BEHIND + 3 * MS, 4 * MS),
        estimate("x", "y", BEHIND - 3 * MS, 4 * MS, partition=1),
        estimate("x", "y", 0, 1, at=EPOCH - 60 * minute),  # before somebody set the clock
        estimate("x", "z", 7 * MS, 1),
    )
    assert server["adjusted"] == {"start": EPOCH + 30 * MS, "shift": BEHIND, "error": MS}


async def test_where_the_stream_has_reported_nothing_yet_the_calls_of_the_trace_itself_say_how_far(store: DuckDbStore) -> None:
    *_, server = await spans(store)
    # The server ran 20 ms of the 50 ms that its client waited: it began 0 to 30 ms after it.
    assert server["adjusted"] == {"start": EPOCH + 25 * MS, "shift": BEHIND - 5 * MS, "error": 15 * MS}


async def test_by_the_roots_clock_the_critical_path_is_another_and_logs_move_with_their_span(store: DuckDbStore) -> None:
    found = await spans(store, estimate("x", "y", BEHIND, 2 * MS))
    logs: list[Body] = [{"span_id": found[2]["span_id"], "@timestamp": EPOCH + 35 * MS - BEHIND}, {"@timestamp": EPOCH}]
    moved, path, moved_logs = by_root_clock(found, logs)
    assert [body["start"] - EPOCH for body in moved] == [0, 10 * MS, 30 * MS]
    assert [(one["span_id"][-1], one["start"] - EPOCH, one["duration"]) for one in path] == [
        ("1", 0, 10 * MS),
        ("2", 10 * MS, 20 * MS),
        ("3", 30 * MS, 20 * MS),
        ("2", 50 * MS, 10 * MS),
        ("1", 60 * MS, 40 * MS),
    ]
    assert [log["@timestamp"] - EPOCH for log in moved_logs] == [35 * MS, 0]
