"""Telemetry made by code: a shop of eight services, twelve spans a trace, twenty attributes a span. The same for a seed."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from telemetry.logs import LogRecord
from telemetry.resource import Resource, Scope
from telemetry.spans import Span, SpanKind, StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterator

MILLISECOND = 1_000_000
START = 1_700_000_000_000_000_000

SERVICES = ("gateway", "catalog", "cart", "checkout", "payment", "inventory", "shipping", "mail")
RESOURCES = {
    name: Resource({"service.name": name, "service.instance.id": f"{name}-1", "host.name": f"host-{i % 3}"})
    for i, name in enumerate(SERVICES)
}
SCOPE = Scope("generated", "1.0")
CALLS = ((0, 1), (0, 2), (0, 3), (3, 4), (3, 5))
"""Who calls whom: caller's and callee's place among the services. With the root and both sides of each call, and one
database span below the last, that is twelve spans."""


def trace(chance: random.Random, start: int) -> list[Span]:
    """The spans of one request, in the order in which they end."""
    trace_id = chance.randbytes(16)

    def span(
        service: str, name: str, kind: SpanKind, parent: Span | None, at: int, duration: int, **attributes: object
    ) -> Span:
        filler = {f"app.attribute.{i}": f"value-{(at >> 20) % 97}-{i}" for i in range(20 - len(attributes))}
        failed = chance.random() < 0.01
        return Span(
            trace_id,
            chance.randbytes(8),
            parent.span_id if parent else b"",
            name,
            kind,
            at,
            at + duration,
            RESOURCES[service],
            SCOPE,
            StatusCode.ERROR if failed else StatusCode.UNSET,
            attributes={**attributes, **filler},
        )

    root = span(SERVICES[0], "GET /buy", SpanKind.SERVER, None, start, 0, **{"http.route": "/buy"})
    servers, spans, cursor = {0: root}, [], {0: start + MILLISECOND}
    for caller, callee in CALLS:
        at, took = cursor[caller], chance.randint(2, 20) * MILLISECOND
        name = f"{SERVICES[callee]}/call"
        client = span(SERVICES[caller], name, SpanKind.CLIENT, servers[caller], at, took, **{"rpc.system": "grpc"})
        server = span(SERVICES[callee], name, SpanKind.SERVER, client, at + MILLISECOND // 2, took - MILLISECOND)
        spans += [server, client]
        servers[callee], cursor[callee] = server, server.start + MILLISECOND // 4
        cursor[caller] = at + took
    last = servers[CALLS[-1][1]]
    spans.append(
        span(
            last.service, "SELECT stock", SpanKind.CLIENT, last, last.start + 1000, MILLISECOND // 2,
            **{"db.system.name": "postgresql", "db.namespace": "stock"},
        )
    )  # fmt: skip
    end = max(cursor[0], *(item.end for item in spans)) + MILLISECOND
    return [*spans, replace(root, end=end)]


def traces(count: int, seed: int = 1, every: int = 10 * MILLISECOND) -> Iterator[list[Span]]:
    """So many requests, one each `every` nanoseconds."""
    chance = random.Random(seed)
    for number in range(count):
        yield trace(chance, START + number * every)


def logs(spans: list[Span]) -> list[LogRecord]:
    """A log line of each server span."""
    return [
        LogRecord(
            item.start + 1000,
            f"handled {item.name} for user {int.from_bytes(item.span_id[:2], 'big')}",
            item.resource,
            severity=9,
            severity_text="INFO",
            trace_id=item.trace_id,
            span_id=item.span_id,
        )
        for item in spans
        if item.kind is SpanKind.SERVER
    ]
