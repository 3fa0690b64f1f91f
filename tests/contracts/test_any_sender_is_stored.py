"""Every store keeps what telemetry may hold: no type of a sender's value is refused, or costs another's document."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from stores.layout import LAYOUT, SERVICE, SIGNALS, keys
from stores.store import Equals, Query
from telemetry.documents import Document, Kind
from telemetry.documents.signals import log_document, metric_document, span_document
from telemetry.logs import LogRecord
from telemetry.metrics import DataPoint, Metric, MetricType
from telemetry.resource import UNKNOWN_SERVICE, Resource
from telemetry.spans import Span, SpanKind
from tests.contracts.test_stores import NOON, as_json

if TYPE_CHECKING:
    from stores.store import Store

VALUES: dict[str, Any] = {
    "text": "cart", "empty text": "", "true": True, "false": False, "zero": 0, "five": 5, "least": -(2**63), "most": 2**63 - 1,
    "half": 1.5, "nan": math.nan, "infinity": math.inf, "list": [1, "a", [None, {"b": 2.5}]], "empty list": [],
    "list of one type": [1, 2], "map": {"a": {"b.c": 1}}, "empty map": {}, "nothing": None,
}  # fmt: skip
"""Of every type that an AnyValue has; bytes are hex in a document."""

TIMES = 8


def document(kind: Kind, number: int, field: str, value: Any) -> Document:
    """One of a kind with this value in this field of the layout."""
    body: dict[str, Any] = {}
    *way, last = keys(field)
    held = body
    for key in way:
        held = held.setdefault(key, {})
    held[last] = value
    return Document(kind, f"odd {number}", NOON + number, body)


def honest(kind: Kind, number: int) -> Document:
    return Document(kind, f"honest {number}", NOON + number, {"resource": {"attributes": {"service.name": "honest"}}})


async def test_any_type_in_any_field_of_the_layout_is_kept_as_it_was_beside_an_honest_sender(store: Store) -> None:
    fields = [(kind, field) for kind in sorted(SIGNALS) for field in LAYOUT[kind]]
    for time in range(TIMES):
        odd: dict[Kind, list[Document]] = {kind: [] for kind in SIGNALS}
        for kind, field in fields:
            for value in VALUES.values():
                odd[kind].append(document(kind, time * 10_000 + len(odd[kind]), field, value))
        usual = [honest(kind, time) for kind in SIGNALS]
        sent = [one for of_kind in odd.values() for one in of_kind]
        written = await store.write([*sent[::2], *usual, *sent[1::2]])
        assert written.rejected == ()
        assert written.created == len(sent) + len(usual)
    await store.refresh(list(SIGNALS))
    for kind in SIGNALS:
        assert await store.count(Query(kind, [Equals(SERVICE, "honest")])) == TIMES
        found = {body["_id"]: body for body in await store.find(Query(kind, limit=10_000))}
        for one in odd[kind]:
            assert as_json(found[one.id]) == as_json(one.body | {"_id": one.id, "@timestamp": one.time})


@pytest.mark.parametrize("value", [*VALUES.values(), b"\x00\xff"], ids=[*VALUES, "bytes"])
async def test_every_signal_of_a_service_is_found_by_the_name_that_the_pipeline_gives_it(store: Store, value: Any) -> None:
    resource = Resource({"service.name": value})
    metric = Metric("odd", MetricType.GAUGE, (DataPoint(NOON, value=1.0),), resource)
    documents = [
        span_document(Span(b"t" * 16, b"s" * 8, b"", "odd", SpanKind.SERVER, NOON, NOON + 1, resource)),
        log_document(LogRecord(NOON, "odd", resource)),
        metric_document(metric, metric.points[0]),
    ]
    written = await store.write(documents)
    assert (written.created, written.rejected) == (3, ())
    await store.refresh(list(SIGNALS))
    for one in documents:
        (found,) = await store.find(Query(one.kind))
        assert as_json(found) == as_json(one.body | {"_id": one.id, "@timestamp": one.time})
        if resource.service != UNKNOWN_SERVICE:
            assert await store.count(Query(one.kind, [Equals(SERVICE, resource.service)])) == 1


async def test_the_first_sender_has_no_say_in_the_type_of_anothers_service(store: Store) -> None:
    odd = [document(kind, number, SERVICE, 5) for kind in SIGNALS for number in range(50)]
    assert (await store.write(odd)).rejected == ()
    usual = [honest(kind, number) for kind in SIGNALS for number in range(50)]
    assert (await store.write(usual)).rejected == ()
    await store.refresh(list(SIGNALS))
    for kind in SIGNALS:
        assert await store.count(Query(kind, [Equals(SERVICE, "honest")])) == 50
        assert await store.count(Query(kind, [Equals(SERVICE, "5")])) == 50
    assert store.counters().get("unmapped", 150) == 150, "only the odd ones"
