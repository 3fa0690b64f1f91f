"""Traces by chance, with all attributes that name operations, protocols and peers, and now and then an odd value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.kernels.native_graphs import NAMES
from telemetry import attributes as names
from telemetry.resource import Resource, Scope
from telemetry.spans import Span, SpanKind, SpanLink, StatusCode

if TYPE_CHECKING:
    from random import Random

    from telemetry.resource import AttributeValue

START = 1_700_000_000_000_000_000
OPERATIONS = (
    "GET /buy",
    "GET /orders/4711/items",
    "GET /orders/550e8400-e29b-41d4-a716-446655440000?full=1",
    "abcdefab-abcd-abcd-abcd-abcdefabcdef",
    "what?",
    "ingress",
    "egress bank.example",
    "job 123456",
    "",
    "käse \u2028 /1",
)
TEXTS: dict[names.Names, tuple[AttributeValue, ...]] = {
    names.SERVER_PORT: (80, 443, "443", 5432, "6379", 8443, "", 0),
    names.NETWORK_PEER_PORT: (80, 5432, "6380"),
    names.SERVER_ADDRESS: ("pg-1", "cache:6379", "cache:6380", "::1", "bank.example", ""),
    names.NETWORK_PEER_ADDRESS: ("10.0.0.1", "fe80::1"),
    names.URL_FULL: (
        "http://bank.example/pay/1",
        "https://u:p@bank:8443/x",
        "http://[broken",
        "http://bank:443/",
        "http://a:x/",
    ),
    names.DB_SYSTEM: ("postgresql", "redis", "mssql", "", "redshift", "unheard-of"),
    names.DB_NAMESPACE: ("orders", "", 3),
    names.MESSAGING_SYSTEM: ("kafka", "rabbitmq"),
    names.MESSAGING_DESTINATION_TEMPORARY: (True, False, "True"),
    names.MESSAGING_DESTINATION_ANONYMOUS: (True, False),
    names.MESSAGING_OPERATION_TYPE: ("receive", "process", "deliver", "create", "send"),
    names.SERVICE_PEER_NAME: ("bank", "team-a/bank"),
    names.SERVICE_PEER_NAMESPACE: ("team-a", ""),
    names.HTTP_METHOD: ("GET", "POST", ""),
    names.HTTP_ROUTE: ("/buy/{id}", ""),
}
ODD: tuple[AttributeValue, ...] = (1.5, b"bytes", ["a"], {"a": 1}, None, float("nan"), -(2**63))
OTHER = bytes(range(16))
"""Another trace."""

RESOURCES = tuple(
    Resource(attributes)
    for attributes in (
        {"service.name": "shop", "host.name": "h1"},
        {"service.name": "shop", "k8s.pod.name": "shop-1", "k8s.node.name": "n1"},
        {"service.name": "bank", "service.namespace": "team-a", "host.id": "h2"},
        {"service.name": "bank", "deployment.environment.name": "staging"},
        {"service.name": 7, "host.name": "h1"},
        {"service.name": 'say "hi" \\ käse'},
        {},
    )
)


def world(chance: Random, most: int = 14, odd: float = 0.0) -> list[Span]:
    """The spans of one trace, in any order; `odd` is how likely each part is unusual."""
    trace_id = chance.randbytes(16)
    count = chance.randint(1, most)
    ids = [chance.randbytes(8) for _ in range(count)]
    spans: list[Span] = []
    for place, span_id in enumerate(ids):
        above = spans[chance.randrange(place)] if place and chance.random() > odd else None
        parent = above.span_id if above else b""
        if chance.random() < odd:
            parent = chance.choice((chance.choice(ids), chance.randbytes(8), b""))
        start = (above.start if above else START) + chance.choice((0, 0, 1, 5, 2_000_000, chance.randrange(10**7)))
        end = start + chance.choice((0, 1, 7, 3_000_000, chance.randrange(10**7)))
        if chance.random() < odd:
            start, end = chance.choice(((end, start), (1, 2), (START, 2**63 - 1)))
        spans.append(
            Span(
                trace_id,
                span_id,
                parent,
                chance.choice(OPERATIONS),
                chance.choice(list(SpanKind)),
                start,
                end,
                _resource(chance, above),
                Scope(),
                chance.choice((StatusCode.UNSET, StatusCode.UNSET, StatusCode.OK, StatusCode.ERROR)),
                attributes=_attributes(chance, odd),
                links=_links(chance, trace_id, ids),
            )
        )
    chance.shuffle(spans)
    return spans


def _links(chance: Random, trace_id: bytes, ids: list[bytes]) -> tuple[SpanLink, ...]:
    """None mostly; else to spans of this trace, itself included, to another trace, and to nothing."""
    found = []
    for _ in range(chance.choice((0, 0, 0, 0, 1, 1, 3))):
        named = chance.choice(ids)
        links = (trace_id, named), (trace_id, named), (OTHER, named), (trace_id, bytes(8)), (bytes(16), named)
        found.append(SpanLink(*chance.choice(links), attributes=_attributes(chance, 0.0) if chance.random() < 0.2 else {}))
    return tuple(found)


def _resource(chance: Random, above: Span | None) -> Resource:
    return above.resource if above and chance.random() < 0.5 else chance.choice(RESOURCES)


def _attributes(chance: Random, odd: float) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {"app.number": 3}
    for _ in range(chance.choice((0, 0, 1, 2, 4))):
        asked = chance.choice(NAMES)
        value = chance.choice(ODD) if chance.random() < odd else chance.choice(TEXTS.get(asked, ("one", "two")))
        found[chance.choice(asked)] = value
    return found
