"""Spans as the unmodified OpenTelemetry SDK makes and encodes them, drawn as a call graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processors.call_graph import call_graph
from telemetry.otlp import decode_spans

pytest.importorskip("opentelemetry.sdk", reason="the OpenTelemetry SDK is not installed; make setup installs it")

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, Tracer, set_span_in_context

if TYPE_CHECKING:
    from telemetry.spans import Span

MS = 1_000_000


class Sdk:
    """A tracer of each service, all exporting to one place."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    def tracer(self, service: str) -> Tracer:
        provider = TracerProvider(resource=Resource.create({"service.name": service, "host.name": f"{service}-host"}))
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        return provider.get_tracer("test")

    def decoded(self) -> list[Span]:
        return decode_spans(encode_spans(self.exporter.get_finished_spans()).SerializeToString())


def test_a_request_with_a_query_and_a_message_is_drawn_from_the_bytes_of_the_sdk() -> None:
    sdk = Sdk()
    shop, cart, mail = sdk.tracer("shop"), sdk.tracer("cart"), sdk.tracer("mail")

    entry = shop.start_span("GET /checkout", kind=SpanKind.SERVER, start_time=0)
    call = shop.start_span(
        "POST",
        set_span_in_context(entry),
        kind=SpanKind.CLIENT,
        start_time=10 * MS,
        attributes={"http.request.method": "POST", "server.address": "cart", "server.port": 8080},
    )
    served = cart.start_span("POST /cart/{id}", set_span_in_context(call), kind=SpanKind.SERVER, start_time=15 * MS)
    query = cart.start_span(
        "SELECT carts",
        set_span_in_context(served),
        kind=SpanKind.CLIENT,
        start_time=20 * MS,
        attributes={"db.system": "sqlite", "db.name": "carts.db"},
    )
    kafka = {"messaging.system": "kafka", "messaging.destination.name": "mails"}
    sent = shop.start_span(
        "send mails", set_span_in_context(entry), kind=SpanKind.PRODUCER, start_time=70 * MS, attributes=kafka
    )
    received = mail.start_span(
        "process mails", kind=SpanKind.CONSUMER, start_time=95 * MS, attributes=kafka, links=[Link(sent.get_span_context())]
    )
    query.set_status(Status(StatusCode.ERROR, "locked"))
    for span, end in ((query, 50), (served, 55), (call, 60), (sent, 75), (entry, 80), (received, 99)):
        span.end(end * MS)

    spans = sdk.decoded()
    (consumer,) = [span for span in spans if span.service == "mail"]
    graph = call_graph([span for span in spans if span is not consumer])
    drawn = [(hop.caller.name, hop.callee.name, hop.operation, hop.protocol, hop.failed) for hop in graph.hops]
    assert drawn == [
        ("user", "shop", "GET /checkout", "", False),
        ("shop", "cart", "POST /cart/{id}", "http", False),
        ("cart", "sqlite:carts.db", "SELECT carts", "sqlite", True),
        ("shop", "kafka:mails", "send mails", "kafka", False),
    ]
    assert [hop.gap for hop in graph.hops] == [None, 10 * MS, None, None]
    assert [hop.critical_path_time // MS for hop in graph.hops] == [25, 20, 30, 5]
    assert [(hop.caller_host, hop.callee_host) for hop in graph.hops][1] == ("shop-host", "cart-host")
    (hop,) = call_graph([consumer]).hops
    assert (hop.caller.name, hop.callee.name, hop.link) == ("kafka:mails", "mail", True)
