from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dashboards.read_models.reader import Reader
from processors.call_graph import call_graph
from telemetry.documents import hop_document
from telemetry.documents.signals import log_document, span_document
from telemetry.logs import LogRecord
from tests.processors.call_graph.test_shared_ids import ANSWER, CALL, EDGE, QUERY

if TYPE_CHECKING:
    from stores.duckdb.store import DuckDbStore

EPOCH = 1_700_000_000_000_000_000


async def test_a_reader_sees_spans_that_share_an_id_apart_with_their_children_and_logs(store: DuckDbStore) -> None:
    spans = [replace(span, start=span.start + EPOCH, end=span.end + EPOCH) for span in (EDGE, CALL, ANSWER, QUERY)]
    graph = call_graph(spans)
    line = LogRecord(EPOCH + 50, "slow", ANSWER.resource, trace_id=ANSWER.trace_id, span_id=ANSWER.span_id)
    former = replace(span_document(spans[2]), id=f"{ANSWER.trace_id.hex()}{ANSWER.span_id.hex()}.former")
    hops = [hop_document(hop, 4, 0, 0) for hop in graph.hops]
    await store.write([*map(span_document, spans), former, log_document(line), *hops])
    found = await Reader(store).trace(EDGE.trace_id.hex())
    assert found is not None
    ids = {body["span_id"] for body in found["spans"]}
    assert len(ids) == len(found["spans"]) == 4
    assert ids == {side.hex() for hop in graph.hops for side in (hop.client_span_id, hop.server_span_id)} - {""}
    (server,) = [body for body in found["spans"] if body["kind"] == "Server" and body["span_id"] != EDGE.span_id.hex()]
    assert server["parent_span_id"] == CALL.span_id.hex()
    (query,) = [body for body in found["spans"] if body["span_id"] == QUERY.span_id.hex()]
    assert query["parent_span_id"] == server["span_id"]
    assert [log["span_id"] for log in found["logs"]] == [server["span_id"]]
