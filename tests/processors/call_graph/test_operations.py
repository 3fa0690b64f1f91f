from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.call_graph.operations import normalised, operation_of, protocol_of
from tests.processors.traces import CLIENT, SERVER, span


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GET /orders/4711", "GET /orders/{id}"),
        ("/orders/4711/items/8?full=1", "/orders/{id}/items/{id}"),
        ("/users/550e8400-e29b-41d4-a716-446655440000/cart", "/users/{id}/cart"),
        ("/users/550e8400e29b41d4a716446655440000/cart", "/users/{id}/cart"),
        ("/blobs/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/blobs/{id}"),
        ("/commits/8badf00d", "/commits/{id}"),
        ("/days/2026-11-23", "/days/{id}-{id}-{id}"),
        ("/api/v1/oauth2/token", "/api/v1/oauth2/token"),
        ("/facade/defaced", "/facade/defaced"),
        ("hipstershop.CartService/GetCart", "hipstershop.CartService/GetCart"),
        ("SELECT orders", "SELECT orders"),
        ("process order 31415926", "process order {id}"),
        ("job 550e8400-e29b-41d4-a716-446655440000", "job {id}"),
        ("HTTP 404", "HTTP 404"),
        ("md5 worker", "md5 worker"),
        ("", ""),
    ],
)
def test_what_differs_from_call_to_call_becomes_a_placeholder(name: str, expected: str) -> None:
    assert normalised(name) == expected


@given(st.text())
def test_a_normalised_name_stays_as_it_is(name: str) -> None:
    assert normalised(normalised(name)) == normalised(name)


@given(st.integers(0, 10**12), st.uuids(), st.binary(min_size=8, max_size=20))
def test_paths_that_differ_in_ids_alone_have_one_name(number: int, uuid: object, digest: bytes) -> None:
    assert normalised(f"GET /a/{number}/{uuid}/{digest.hex()}1?x=1") == "GET /a/{id}/{id}/{id}"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"http.route": "/orders/{id}", "http.request.method": "GET"}, "GET /orders/{id}"),
        ({"http.route": "/orders/{id}", "http.method": "PUT"}, "PUT /orders/{id}"),
        ({"url.template": "/orders/{id}"}, "/orders/{id}"),
        ({"db.query.summary": "SELECT orders"}, "SELECT orders"),
        ({"db.operation.name": "SELECT", "db.collection.name": "orders"}, "SELECT orders"),
        ({"db.operation": "find", "db.mongodb.collection": "orders"}, "find orders"),
        ({"db.sql.table": "orders"}, "orders"),
        ({"other": 1}, "GET /orders/{id}"),
    ],
)
def test_the_operation_is_the_route_or_the_query_else_the_normalised_name(attributes: dict[str, object], expected: str) -> None:
    assert operation_of(span(1, 0, "a", SERVER, 0, 1, name="GET /orders/17", attributes=attributes)) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"rpc.system": "grpc", "network.protocol.name": "http"}, "grpc"),
        ({"rpc.system.name": "grpc"}, "grpc"),
        ({"messaging.system": "kafka"}, "kafka"),
        ({"db.system": "mysql"}, "mysql"),
        ({"http.method": "GET"}, "http"),
        ({"net.protocol.name": "amqp"}, "amqp"),
        ({}, ""),
    ],
)
def test_the_protocol_is_the_most_specific_that_is_named(attributes: dict[str, object], expected: str) -> None:
    assert protocol_of(span(1, 0, "a", CLIENT, 0, 1, attributes=attributes)) == expected


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("ingress", "http://shop/orders/17?full=1", "GET /orders/{id}"),
        ("egress shop:8080", "http://shop:8080", "GET /"),
        ("ingress", "", "ingress"),
        ("ingress", "http://[x/", "ingress"),
        ("ingress of grain", "http://shop/orders", "ingress of grain"),
    ],
)
def test_a_proxy_that_names_all_its_spans_the_same_is_named_by_method_and_path(name: str, url: str, expected: str) -> None:
    attributes = {"http.method": "GET", "http.url": url}
    assert operation_of(span(1, 0, "a", SERVER, 0, 1, name=name, attributes=attributes)) == expected
