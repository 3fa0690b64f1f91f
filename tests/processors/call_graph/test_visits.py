from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given

from processors.call_graph.visits import Event, visits_of
from telemetry.spans import SpanEvent, StatusCode
from tests.processors.traces import CLIENT, INTERNAL, SERVER, span, traces

if TYPE_CHECKING:
    from telemetry.spans import Span


def test_spans_of_one_service_that_hang_together_are_one_visit() -> None:
    shop, cart = visits_of(
        [
            span(1, 0, "shop", SERVER, 0, 100, name="GET /"),
            span(2, 1, "shop", INTERNAL, 5, 95, name="render"),
            span(3, 2, "shop", CLIENT, 10, 60, name="call"),
            span(4, 3, "cart", SERVER, 20, 50, name="get", status=StatusCode.ERROR),
        ]
    )
    assert (shop.operation, shop.duration, shop.self_time, shop.gap, shop.parent) == ("GET /", 100, 50, -1, -1)
    assert shop.events == {Event("operation", "render"), Event("operation", "call"), Event("call", "cart")}
    assert (cart.operation, cart.self_time, cart.gap, cart.parent) == ("get", 30, 20, 0)
    assert cart.events == {Event("error", "get")}


def test_operations_and_failures_are_named_without_ids_and_by_their_route() -> None:
    shop, cart = visits_of(
        [
            span(1, 0, "shop", SERVER, 0, 100, name="GET /orders/4711"),
            span(2, 1, "shop", INTERNAL, 5, 95, name="render 550e8400-e29b-41d4-a716-446655440000", status=StatusCode.ERROR),
            span(
                3,
                1,
                "cart",
                SERVER,
                20,
                50,
                name="GET",
                attributes={"http.route": "/carts/{name}", "http.request.method": "GET"},
            ),
        ]
    )
    assert (shop.operation, cart.operation) == ("GET /orders/{id}", "GET /carts/{name}")
    assert shop.events == {Event("operation", "render {id}"), Event("error", "render {id}"), Event("call", "cart")}


def test_a_callee_without_a_client_span_has_no_gap() -> None:
    shop, cart = visits_of(
        [
            span(1, 0, "shop", SERVER, 0, 100),
            span(2, 1, "shop", INTERNAL, 5, 15),
            span(3, 1, "cart", SERVER, 20, 50),
        ]
    )
    assert (shop.self_time, cart.gap) == (70, -1)


def test_parallel_calls_are_waited_for_once() -> None:
    spans = [span(1, 0, "shop", SERVER, 0, 100)]
    for number in (2, 4):
        spans += [span(number, 1, "shop", CLIENT, 10, 60), span(number + 1, number, "cart", SERVER, 20, 50)]
    assert visits_of(spans)[0].self_time == 50


@given(spans=traces())
def test_every_span_is_in_one_visit_and_callers_come_first(spans: list[Span]) -> None:
    visits = visits_of(spans)
    inside = [span_id for visit in visits for span_id in visit.span_ids]
    assert sorted(inside) == sorted({span.span_id for span in spans})
    for number, visit in enumerate(visits):
        assert visit.parent < number
        assert 0 <= visit.self_time <= visit.duration


@given(spans=traces())
def test_visits_do_not_depend_on_the_order_of_spans(spans: list[Span]) -> None:
    assert visits_of(spans[::-1]) == visits_of(spans)


def test_an_exception_is_a_failure_and_another_event_of_a_span_is_none() -> None:
    happened = tuple(SpanEvent(50, name) for name in ("exception", "message"))
    (shop,) = visits_of([replace(span(1, 0, "shop", SERVER, 0, 100), events=happened)])
    assert shop.events == {Event("error", "exception")}
    assert all(event.is_failure for event in shop.events)
