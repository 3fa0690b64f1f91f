"""What the other side of a call is named, by what the known side says."""

from __future__ import annotations

import pytest

from processors.call_graph.peers import UNKNOWN, address_of, names_resource, peer_of, queue_of, resource_name
from telemetry.call_graph import Node, NodeKind
from tests.processors.traces import CLIENT, span

KAFKA = {"messaging.system": "kafka"}
TOPIC = KAFKA | {"messaging.destination.name": "orders"}


def said(attributes: dict[str, object]) -> str:
    """Kind and name of the node that a client span with these attributes calls."""
    node = peer_of(span(1, 0, "a", CLIENT, 0, 1, attributes=attributes))
    return f"{node.kind.value} {node.name}"


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        (TOPIC, "kafka:orders"),
        (TOPIC | {"messaging.destination.template": "orders-{region}"}, "kafka:orders-{region}"),
        (TOPIC | {"messaging.destination.temporary": True}, "kafka:(temporary)"),
        (TOPIC | {"messaging.destination.anonymous": True}, "kafka:(anonymous)"),
        (TOPIC | {"messaging.destination.temporary": True, "messaging.destination.anonymous": True}, "kafka:(temporary)"),
        (TOPIC | {"messaging.destination.temporary": False, "messaging.destination.anonymous": False}, "kafka:orders"),
        (TOPIC | {"server.address": "broker-1", "server.port": 9092}, "kafka:orders"),
        (KAFKA, "kafka"),
        ({"messaging.destination.name": "orders"}, "orders"),
        ({}, "unknown"),
    ],
    ids=["name", "template", "temporary", "anonymous", "both", "neither", "broker", "no name", "no system", "nothing"],
)
def test_a_queue_is_named_by_its_system_and_destination(attributes: dict[str, object], name: str) -> None:
    assert queue_of(span(1, 0, "a", CLIENT, 0, 1, attributes=attributes)) == Node(NodeKind.QUEUE, name)


@pytest.mark.parametrize(
    ("attributes", "node"),
    [
        ({}, "unknown unknown"),
        ({"http.request.method": "GET"}, "unknown unknown"),
        ({"server.address": "bank.example"}, "external bank.example"),
        ({"server.address": "bank.example", "server.port": 443}, "external bank.example"),
        ({"server.address": "bank.example", "server.port": 80}, "external bank.example"),
        ({"server.address": "bank.example", "server.port": 8443}, "external bank.example:8443"),
        ({"server.address": "bank.example:8443", "server.port": 8443}, "external bank.example:8443"),
        ({"server.address": "::1", "server.port": 8443}, "external [::1]:8443"),
        ({"url.full": "https://u:p@bank.example/x?y"}, "external bank.example"),
        ({"url.full": "https://bank.example:443/x"}, "external bank.example"),
        ({"url.full": "http://bank.example:80/x"}, "external bank.example"),
        ({"url.full": "http://bank.example:81/x"}, "external bank.example:81"),
        ({"url.full": "http://bank.example:81/x", "server.port": 81}, "external bank.example:81"),
        ({"url.full": "http://[::1"}, "unknown unknown"),
        ({"url.full": "http://bank.example:x/"}, "unknown unknown"),
        ({"network.peer.address": "10.0.0.1", "network.peer.port": 99}, "external 10.0.0.1:99"),
        ({"network.peer.address": "10.0.0.1", "network.peer.port": 99, "server.port": 98}, "external 10.0.0.1:98"),
        ({"server.address": "bank.example", "network.peer.address": "10.0.0.1"}, "external bank.example"),
        ({"service.peer.name": "bank", "server.address": "bank.example"}, "service bank"),
        ({"service.peer.name": "bank", "service.peer.namespace": "pay"}, "service pay/bank"),
        (TOPIC | {"service.peer.name": "bank"}, "queue kafka:orders"),
        ({"db.system.name": "postgresql", "service.peer.name": "db"} | TOPIC, "database db"),
        ({"db.system.name": "postgresql"}, "database postgresql"),
        ({"db.system.name": "postgresql", "db.namespace": "orders"}, "database postgresql:orders"),
        ({"db.system.name": "postgresql", "server.address": "pg"}, "database postgresql://pg"),
        (
            {"db.system.name": "postgresql", "server.address": "pg", "server.port": 5432, "db.namespace": "orders"},
            "database postgresql://pg/orders",
        ),
        ({"db.system.name": "postgresql", "server.address": "pg", "server.port": 6432}, "database postgresql://pg:6432"),
        ({"db.system.name": "postgresql", "network.peer.address": "10.0.0.1"}, "database postgresql://10.0.0.1"),
        (
            {"db.system.name": "postgresql", "db.namespace": "orders", "network.peer.address": "10.0.0.1"},
            "database postgresql:orders",
        ),
        ({"db.system.name": "postgresql", "url.full": "postgresql://pg:5432/orders"}, "database postgresql://pg"),
        (
            {"db.system.name": "postgresql", "network.peer.address": "10.0.0.1", "network.peer.port": 5432},
            "database postgresql://10.0.0.1",
        ),
    ],
)  # fmt: skip
def test_the_node_that_a_span_calls(attributes: dict[str, object], node: str) -> None:
    assert said(attributes) == node


def test_a_span_names_a_resource_if_it_names_its_system() -> None:
    found = [
        names_resource(span(1, 0, "a", CLIENT, 0, 1, attributes=item)) for item in ({"db.system.name": "redis"}, KAFKA, {})
    ]
    assert found == [True, True, False]


def test_the_address_of_a_span_is_empty_where_it_names_none() -> None:
    assert address_of(span(1, 0, "a", CLIENT, 0, 1)) == ""
    assert address_of(span(1, 0, "a", CLIENT, 0, 1, attributes={"server.address": "b"})) == "b"
    assert (UNKNOWN.kind, UNKNOWN.name) == (NodeKind.UNKNOWN, "unknown")


def test_a_resource_without_a_system_has_its_name() -> None:
    assert [resource_name("", "", ""), resource_name("", "", "orders"), resource_name("x", "", "")] == ["", "orders", "x"]
