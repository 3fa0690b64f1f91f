"""Bodies of edges, anomalies and answers between stages: what our stages write is read, and nothing of another form."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.exchange import codec
from pipeline.exchange.codec import HEADER, BatchKind
from pipeline.exchange.inner_records import received
from telemetry.call_graph import Edge, EdgeKey, Node, NodeKind
from telemetry.documents import anomaly_document, edge_document
from telemetry.errors import DecodeError
from telemetry.findings import Anomaly, AnomalyKind
from telemetry.metrics import ExponentialBuckets, Series

TRACE = bytes(range(1, 17))
EDGE = Edge(
    EdgeKey(Node(NodeKind.SERVICE, "shop"), Node(NodeKind.SERVICE, "cart"), "GET /", "http"),
    10**18, 10**10, 2, 1, 12, ExponentialBuckets(3, 0, 0.0, 1, (1, 1)), 5, 7, (TRACE,), (9,), (TRACE,),
)  # fmt: skip
ANOMALY = Anomaly(
    AnomalyKind.LATENCY,
    Series("m", (("service", "cart"),)),
    "cart",
    1,
    2,
    0.5,
    1.0,
    float("nan"),
    "s",
    "slow",
    trace_ids=(TRACE,),
)
EDGES = [edge_document(EDGE, 3, "x", correction=correction).body for correction in (False, True)]
ANOMALIES = [anomaly_document(ANOMALY).body | {"id": "a"}]
ANSWERS = [{"incident": "i", "expires": "1", "token": "t", "approved": True, "who": "ann"}]


def read(batch: BatchKind, bodies: list[Any]) -> list[Any]:
    event = SimpleNamespace(headers={HEADER: batch.value.encode()}, value=codec.encode_bodies(bodies))
    items: list[Any] = received(event, [batch])[1]
    return items


@pytest.mark.parametrize(
    ("batch", "bodies"), [(BatchKind.EDGES, EDGES), (BatchKind.ANOMALIES, ANOMALIES), (BatchKind.ANSWERS, ANSWERS)]
)
def test_what_our_stages_write_is_read(batch: BatchKind, bodies: list[Any]) -> None:
    assert len(read(batch, bodies)) == len(bodies)


@pytest.mark.parametrize(
    ("batch", "bodies", "change"),
    [
        (BatchKind.EDGES, EDGES, {"calls": "2"}),
        (BatchKind.EDGES, EDGES, {"calls": 2**63}),
        (BatchKind.EDGES, EDGES, {"window": -1}),
        (BatchKind.EDGES, EDGES, {"width": 0}),
        (BatchKind.EDGES, EDGES, {"operation": None}),
        (BatchKind.EDGES, EDGES, {"correction": 1}),
        (BatchKind.EDGES, EDGES, {"caller": {"kind": "nothing", "name": "x"}}),
        (BatchKind.EDGES, EDGES, {"latency": {"scale": 99, "zero_count": 0, "positive_offset": 0, "positive": []}}),
        (BatchKind.EDGES, EDGES, {"latency": {"scale": 3, "zero_count": 0, "positive_offset": 0, "positive": ["1"]}}),
        (BatchKind.EDGES, EDGES, {"exemplar_durations": []}),
        (BatchKind.EDGES, EDGES, {"failed_traces": ["zz"]}),
        (BatchKind.ANOMALIES, ANOMALIES, {"score": "0.5"}),
        (BatchKind.ANOMALIES, ANOMALIES, {"start": None}),
        (BatchKind.ANOMALIES, ANOMALIES, {"series": {"name": "m", "labels": {"a": 1}}}),
        (BatchKind.ANOMALIES, ANOMALIES, {"service": ["cart"]}),
        (BatchKind.ANOMALIES, ANOMALIES, {"id": 1}),
        (BatchKind.ANSWERS, ANSWERS, {"approved": "yes"}),
        (BatchKind.ANSWERS, ANSWERS, {"token": None}),
        (BatchKind.ANSWERS, ANSWERS, {"more": 1}),
    ],
)
def test_a_body_of_another_form_is_an_error_of_input(batch: BatchKind, bodies: list[Any], change: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        read(batch, [bodies[0] | change])
