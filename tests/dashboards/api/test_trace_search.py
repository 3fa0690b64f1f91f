"""What is said of slow traces and of one trace, on the shop's documents, whose faults are known."""

from __future__ import annotations

import base64
import itertools
import statistics
from typing import TYPE_CHECKING

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from prometheus_client import CollectorRegistry

from dashboards.api.routes import answer_errors, routes
from dashboards.api.traces import trace_routes
from dashboards.read_models.reader import Reader
from telemetry.otlp.encode import encode_spans
from tests.dashboards import shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stores.duckdb.store import DuckDbStore
    from telemetry.documents import Body

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(stored: DuckDbStore) -> AsyncIterator[httpx2.AsyncClient]:
    app, reader = FastAPI(), Reader(stored)
    app.include_router(trace_routes(reader, lambda: shop.NOW))
    app.include_router(routes(reader, dict, CollectorRegistry()))
    answer_errors(app)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console") as client:
        yield client


async def get(client: httpx2.AsyncClient, path: str, **parameters: object) -> Body:
    response = await client.get(path, params={key: str(value) for key, value in parameters.items()})
    assert response.status_code == 200, response.text
    body: Body = response.json()
    return body


async def test_the_slow_ones_have_in_common_what_waits_for_payment(client: httpx2.AsyncClient) -> None:
    found = await get(client, "/api/v1/traces/common", q="", slower_than=300 * shop.MS)
    spans = [span for number in range(1, shop.TRACES) for span in shop.trace(number).spans]
    slow = [span for span in spans if span.end - span.start > 300 * shop.MS]
    assert (found["values"]["picked"], found["values"]["rest"]) == (len(slow), len(spans) - len(slow))
    assert [(one["field"], one["value"]) for one in found["values"]["found"]] == [
        ("kind", "Server"),
        ("operation", "Payment/Charge"),
        ("service", "frontend"),
        ("service.instance.id", "frontend-1"),
    ]
    charge = found["values"]["found"][1]
    of_operation = [span for span in spans if span.name == "Payment/Charge"]
    mine = sum(span in slow for span in of_operation)
    assert (charge["picked"], charge["rest"]) == (mine, len(of_operation) - mine)
    assert charge["lift"] == pytest.approx((mine / len(slow)) / ((len(of_operation) - mine) / (len(spans) - len(slow))))
    assert found["calls"]["found"] == []  # the traces differ in durations alone
    failed = await get(client, "/api/v1/traces/common", failed="true")
    assert failed["threshold"] is None
    assert failed["values"]["picked"] == sum(span.status.name == "ERROR" for span in spans)
    default = await get(client, "/api/v1/traces/common", q="service=payment")
    durations = sorted(span.end - span.start for span in spans if span.resource.attributes["service.name"] == "payment")
    assert durations[0] <= default["threshold"] <= durations[-1]


async def test_spans_have_their_usual_duration_and_why_they_made_an_edge(client: httpx2.AsyncClient) -> None:
    number = shop.FAULTY_FROM + 1
    found = await get(client, f"/api/v1/traces/{shop.trace(number).id.hex()}")
    before = [span for one in range(1, number) for span in shop.trace(one).spans]
    assert found["span_total"] == len(found["spans"])
    for span in found["spans"]:
        service = span["resource"]["attributes"]["service.name"]
        alike = [
            one.end - one.start
            for one in before
            if (one.resource.attributes["service.name"], one.name, one.kind.name.capitalize())
            == (service, span["name"], span["kind"])
        ]
        assert span["usual"]["calls"] == len(alike)
        assert span["usual"]["duration"] in {statistics.median_low(alike), statistics.median_high(alike)}
    edges = {span["span_id"]: span["why"]["hops"] for span in found["spans"] if span["why"]["edge"]}
    assert set(itertools.chain(*edges.values())) == {hop["id"][32:] for hop in found["hops"]}
    assert all(span["why"]["text"] and span["why"]["rules"] for span in found["spans"])


async def test_the_first_trace_has_nothing_usual(client: httpx2.AsyncClient) -> None:
    found = await get(client, f"/api/v1/traces/{shop.trace(1).id.hex()}")
    assert not any("usual" in span for span in found["spans"])


async def test_the_download_is_the_json_of_otlp(client: httpx2.AsyncClient) -> None:
    """By protobuf's own JSON, in which ids are base64: OTLP's are hex."""
    trace = shop.trace(shop.LINKED)
    response = await client.get(f"/api/v1/traces/{trace.id.hex()}", params={"format": "otlp"})
    assert response.headers["content-disposition"] == f'attachment; filename="{trace.id.hex()}.json"'
    body = response.json()
    for span in (span for one in body["resourceSpans"] for scope in one["scopeSpans"] for span in scope["spans"]):
        for holder in (span, *span.get("links", ())):
            for name in {"traceId", "spanId", "parentSpanId"} & holder.keys():
                holder[name] = base64.b64encode(bytes.fromhex(holder[name])).decode()
    read = json_format.ParseDict(body, TracesData())
    sent = TracesData.FromString(encode_spans(trace.spans))

    def spans_of(data: TracesData) -> dict[bytes, str]:
        return {
            span.span_id: f"{sorted(map(str, one.resource.attributes))} {span}"
            for one in data.resource_spans
            for scope in one.scope_spans
            for span in scope.spans
        }

    assert spans_of(read) == spans_of(sent)
    assert (await client.get(f"/api/v1/traces/{'0' * 31}1", params={"format": "otlp"})).status_code == 404
    assert (await client.get(f"/api/v1/traces/{trace.id.hex()}", params={"format": "xml"})).status_code == 400
