"""Spans that a Jaeger and we are given, and what both are asked: see jaeger_answers.py."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from telemetry.resource import Resource, Scope
from telemetry.spans import Span, SpanEvent, SpanKind, SpanLink, StatusCode
from tests.dashboards import shop

if TYPE_CHECKING:
    from telemetry.documents import Document

HEALTHY, SLOW, FAILED = (shop.trace(number) for number in (shop.LINKED, shop.FAULTY_FROM + 1, shop.FAULTY_FROM))
SHOP = (HEALTHY, SLOW, FAILED)
ODD_ID = bytes.fromhex("0000000000000000a1b2c3d4e5f60718")
START = shop.NOW - 1000 * shop.SECOND


def _odd() -> list[Span]:
    """A trace with a short id and whatever OpenTelemetry allows in a span."""
    resource = Resource(
        {
            "service.name": "odd/service",
            "service.namespace": "team",
            "telemetry.sdk.language": "python",
            "host.cpus": 8,
            "host.arm": False,
            "process.command_args": ["run", "--fast"],
        }
    )
    attributes = {
        "text": "<b>Größe & more</b>",
        "zero": 0,
        "large": 2**62 + 1,
        "negative": -(2**53),
        "ratio": 0.25,
        "whole": 2.0,
        "yes": True,
        "no": False,
        "empty": "",
        "list": ["a", 1, 2.5, True],
        "map": {"b": 1, "a": {"c": "d"}},
        "http.response.status_code": 503,
        "telemetry.sdk.name": "spans-own",
        "deployment.environment.name": "not-here",
    }
    begins = START + 123_456_789
    root = Span(
        ODD_ID,
        b"\0\0\0\0\0\0\0\1",
        b"",
        "GET /odd?x=1",
        SpanKind.SERVER,
        begins,
        begins + 7_654_321,
        resource,
        Scope("odd.library", "1.2", {"in.scope": "yes"}),
        StatusCode.ERROR,
        "it broke",
        attributes,
        (
            SpanEvent(begins + 1_500, "exception", {"exception.type": "Odd", "exception.escaped": True, "a": 1}),
            SpanEvent(begins + 2_500, "", {"event": "named by an attribute", "z": 1, "b": "2"}),
            SpanEvent(begins + 3_500, "bare", {}),
        ),
        (
            SpanLink(HEALTHY.id, HEALTHY.spans[0].span_id, {"why": "batch"}),
            SpanLink(ODD_ID, b"\0\0\0\0\0\0\0\2", {"opentracing.ref_type": "child_of"}),
        ),
        "vendor=1,other=2",
        1,
    )
    child = replace(
        root,
        span_id=b"\0\0\0\0\0\0\0\2",
        parent_span_id=root.span_id,
        name="inside",
        kind=SpanKind.INTERNAL,
        start=begins + 1_000_000,
        end=begins + 1_000_999,
        scope=Scope(""),
        status=StatusCode.OK,
        status_message="",
        attributes={"http.response.status_code": 200},
        events=(),
        links=(SpanLink(ODD_ID, root.span_id), SpanLink(SLOW.id, SLOW.spans[2].span_id)),
        trace_state="",
    )
    last = replace(child, span_id=b"\0\0\0\0\0\0\0\3", kind=SpanKind.UNSPECIFIED, status=StatusCode.UNSET, links=())
    nameless = replace(
        last, span_id=b"\0\0\0\0\0\0\0\4", name="of nobody", resource=Resource({"host.name": "h"}), attributes={}
    )
    return [root, child, last, nameless]


ODD = _odd()
SPANS = [span for one in SHOP for span in one.spans] + ODD


def documents() -> list[Document]:
    """What we store of them."""
    stored, hops = [], []
    for one in (*SHOP, shop.Trace(ODD_ID, ODD, [])):
        of_trace, of_hops = shop.trace_documents(one)
        stored += of_trace
        hops += of_hops
    return stored + shop.edge_documents(hops)


_MICROSECONDS = {"start": (START - shop.SECOND) // 1_000, "end": (shop.NOW + shop.SECOND) // 1_000}
_MOMENTS = {"query.start_time_min": "2027-01-15T07:00:00Z", "query.start_time_max": "2027-01-15T08:10:00.5Z"}


def search(**asked: str | int) -> str:
    """The path of a search in the time of the spans."""
    return f"traces?{urlencode(_MICROSECONDS | {'limit': 20} | asked)}"


def search_v3(**asked: str | int) -> str:
    """The same of the third version of the API."""
    named = {f"query.{name}": value for name, value in ({"num_traces": 20} | asked).items()}
    return f"v3/traces?{urlencode(_MOMENTS | named)}"


TRACES = (*(f"traces/{one.id.hex()}" for one in SHOP), "traces/a1b2c3d4e5f60718", f"traces/{ODD_ID.hex()}")
TRACES_V3 = tuple(f"v3/{path}" for path in (TRACES[1], TRACES[3]))

SEARCHES = (
    search(service="frontend"),
    search(service="payment", operation="Payment/Charge"),
    search(service="payment", operation="POST /checkout"),
    search(service="checkout", operation="Payment/Charge", minDuration="100ms"),
    search(service="checkout", operation="Payment/Charge", maxDuration="100ms"),
    search(service="checkout", operation="Payment/Charge", minDuration="26ms", maxDuration="26ms"),
    search(service="checkout", minDuration="1.5h"),
    search(service="frontend", tags='{"http.route":"/buy"}'),
    search(service="checkout", tags='{"http.route":"/buy"}'),
    search(service="frontend", tag="http.route:/buy"),
    search(service="odd/service", tags='{"http.response.status_code":"503"}'),
    search(service="odd/service", tags='{"http.response.status_code":"503","yes":"true","ratio":"0.25","in.scope":"yes"}'),
    search(service="odd/service", tags='{"http.response.status_code":"200","yes":"true"}'),
    search(service="odd/service", tags='{"host.cpus":"8","text":"<b>Größe & more</b>"}'),
    search(service="odd/service", tags='{"whole":"2"}'),
    search(service="odd/service", tags='{"absent":"1"}'),
    search(service="nobody"),
    search(service="frontend", end=(START + shop.SECOND) // 1_000),
    search(service="frontend", start=(SLOW.spans[0].start) // 1_000),
    search(service="frontend", start=(SLOW.spans[0].start) // 1_000 + 1),
    search(service="frontend", end=(SLOW.spans[0].start) // 1_000),
    search(service="frontend", end=(SLOW.spans[0].start) // 1_000 - 1),
    search(traceID=SLOW.id.hex()),
    search(traceID="ffff"),
)
SEARCHES_V3 = (search_v3(service_name="frontend"), search_v3(service_name="checkout", duration_min="100ms"))

NAMES = (
    "services",
    "services/frontend/operations",
    "services/odd%2Fservice/operations",
    "services/nobody/operations",
    "operations?service=checkout",
    "operations?service=checkout&spanKind=client",
    "operations?service=odd/service",
    "v3/services",
    "v3/operations?service=checkout",
    "v3/operations?service=checkout&span_kind=producer",
)
DEPENDENCIES = tuple(
    f"dependencies?{urlencode({'endTs': (shop.NOW + shop.SECOND) // 1_000_000, 'lookback': 3_600_000} | more)}"
    for more in ({}, {"service": "payment"}, {"service": "nobody"})
)
REFUSED = (
    "operations",
    "traces",
    "traces?service=a&start=x",
    "traces?service=a&minDuration=5",
    "traces?service=a&minDuration=5s&maxDuration=1s",
    "traces?service=a&limit=many",
    "traces?service=a&tag=b",
    "traces?service=a&tags=[1]",
    'traces?service=a&tags={"b":1}',
    "traces?service=a&traceID=x",
    "traces/xyz",
    "traces/" + "a" * 33,
    "traces/abcdef",
    "dependencies?endTs=x",
    "dependencies?lookback=1h",
    "v3/traces?query.service_name=a",
    "v3/traces?query.service_name=a&query.start_time_min=x&query.start_time_max=y",
    "v3/traces/xyz",
    "v3/traces/abcdef",
    search_v3(service_name="nobody"),
)
