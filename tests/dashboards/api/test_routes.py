from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter

from dashboards.api import routes
from dashboards.read_models.reader import Reader
from telemetry.documents import Document, Kind, retracted_hop_document
from telemetry.errors import StoreError
from tests.dashboards import shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stores.duckdb.store import DuckDbStore
    from stores.store import Aggregation, Query, Totals
    from telemetry.documents import Body

pytestmark = pytest.mark.asyncio(loop_scope="module")


def api_of(store: Any) -> FastAPI:
    registry = CollectorRegistry()
    Counter("spans_stored", "Spans.", registry=registry).inc(472)
    app = FastAPI()
    app.include_router(routes.routes(Reader(store), lambda: {"spans_stored": 472}, registry))
    routes.answer_errors(app)
    return app


def client_of(store: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=api_of(store)), base_url="http://console")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(stored: DuckDbStore) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(stored) as client:
        yield client


async def get(client: httpx2.AsyncClient, path: str, **parameters: Any) -> Any:
    response = await client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


async def test_health_status_and_metrics_are_what_the_process_says(client: httpx2.AsyncClient) -> None:
    assert await get(client, "/healthz") == {"status": "ok", "reasons": []}
    assert await get(client, "/api/v1/status") == {"spans_stored": 472}
    plain = await client.get("/metrics")
    assert "spans_stored_total 472.0" in plain.text
    assert plain.headers["content-type"].startswith("text/plain")
    asked = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert asked.text.endswith("# EOF\n")


async def test_find_gives_documents_with_id_and_time_in_the_order_and_number_asked_for(client: httpx2.AsyncClient) -> None:
    found = await get(client, "/api/v1/find", kind="span", limit=5, descending=True)
    times = [body["@timestamp"] for body in found]
    assert times == sorted(times, reverse=True)
    assert len(found) == 5
    sides = {"Server", "Consumer"}  # theirs say which side, for both sides of a call may have one span id
    for body in found:
        assert (body["_id"].partition(".")[0], "." in body["_id"]) == (
            body["trace_id"] + body["span_id"],
            body["kind"] in sides,
        )
    since, until = shop.NOW - 60 * shop.SECOND, shop.NOW - 30 * shop.SECOND
    found = await get(client, "/api/v1/find", kind="trace", since=since, until=until)
    assert [body["start"] for body in found] == [since, since + 10 * shop.SECOND, since + 20 * shop.SECOND]


@pytest.mark.parametrize(
    ("kind", "where", "number"),
    [
        ("span", ["resource.attributes.service.name:payment"], 59),
        ("span", ["resource.attributes.service.name:payment", "status.code:Error"], 4),
        ("span", ["attributes.http.route:/buy"], 59),
        ("trace", ["errors:1"], 4),
        ("trace", ["services:shipping", "errors:0"], 55),
        ("hop", ["failed:true"], 4),
        ("hop", ["callee.name:payment", "critical_path_share:0.5"], 0),
        ("alert", ["service:cart", "state:resolved"], 1),
        ("log", ["body.text:a:b"], 0),
    ],
)
async def test_conditions_all_hold(client: httpx2.AsyncClient, kind: str, where: list[str], number: int) -> None:
    assert len(await get(client, "/api/v1/find", kind=kind, where=where)) == number


@pytest.mark.asyncio(loop_scope="function")
async def test_a_trace_is_found_in_its_newest_revision_only_and_only_if_that_one_meets_the_conditions(
    store: DuckDbStore,
) -> None:
    failed, other = (
        [doc for doc in shop.trace_documents(shop.trace(number))[0] if doc.kind is Kind.TRACE] for number in (45, 46)
    )
    body = failed[0].body
    mended = body | {"revision": body["revision"] + 1, "errors": 0}
    await store.write([*failed, *other, Document(Kind.TRACE, f"{body['id']}.{mended['revision']}", failed[0].time, mended)])
    async with client_of(store) as client:
        assert await get(client, "/api/v1/find", kind="trace", where=["errors:1"]) == []
        found = await get(client, "/api/v1/find", kind="trace")
        assert [one["revision"] for one in found] == [mended["revision"], body["revision"]]


@pytest.mark.asyncio(loop_scope="function")
async def test_a_retracted_hop_is_gone(store: DuckDbStore) -> None:
    documents = shop.trace_documents(shop.trace(1))[0]
    hops = [document for document in documents if document.kind is Kind.HOP]
    first = hops[0]
    await store.write([*documents, retracted_hop_document(first.body, first.body["revision"] + 1)])
    expected = {hop.body["id"] for hop in hops[1:]}
    async with client_of(store) as client:
        assert {hop["id"] for hop in await get(client, "/api/v1/find", kind="hop")} == expected
        trace = await get(client, f"/api/v1/traces/{first.body['trace_id']}")
        assert {hop["id"] for hop in trace["hops"]} == expected


async def test_a_trace_comes_with_its_spans_hops_and_logs(client: httpx2.AsyncClient) -> None:
    sent = shop.trace(45)
    found = await get(client, f"/api/v1/traces/{sent.id.hex()}")
    assert {span["span_id"] for span in found["spans"]} == {span.span_id.hex() for span in sent.spans}
    assert found["trace"]["span_count"] == len(sent.spans)
    assert [log["body"]["text"] for log in found["logs"]] == [log.body for log in sent.logs]
    ends = {(hop["caller"]["name"], hop["callee"]["name"]) for hop in found["hops"]}
    assert ends == {
        ("user", "frontend"),
        ("frontend", "checkout"),
        ("checkout", "payment"),
        ("checkout", "sqlite:orders"),
        ("checkout", "shipping"),
    }
    assert found["truncated"] is False


@pytest.mark.asyncio(loop_scope="function")
async def test_a_trace_that_is_open_still_has_its_logs(store: DuckDbStore) -> None:
    open_one = shop.trace(45)
    await store.write([document for document in shop.trace_documents(open_one)[0] if document.kind is Kind.LOG])
    async with client_of(store) as client:
        found = await get(client, f"/api/v1/traces/{open_one.id.hex()}")
    assert found["trace"] is None
    assert len(found["logs"]) == 1


async def test_the_service_map_adds_up_windows_and_partitions(client: httpx2.AsyncClient) -> None:
    shown = await get(client, "/api/v1/service-map")
    edges = {(edge["caller"]["name"], edge["callee"]["name"]): edge for edge in shown["edges"]}
    paid = edges["checkout", "payment"]
    assert (paid["calls"], paid["failures"]) == (59, 4)
    assert paid["operations"] == {"Payment/Charge": 59}
    took = [26_000_000] * 39 + [406_000_000] * 20  # as the caller saw it
    assert paid["p50"] == pytest.approx(statistics.median(took), rel=0.1)
    assert paid["p95"] == pytest.approx(statistics.quantiles(took, n=20)[-1], rel=0.1)
    assert paid["rate"] == pytest.approx(59 / ((shown["until"] - shown["since"]) / 1e9))
    assert edges["checkout", "sqlite:orders"]["protocols"] == ["sqlite"]
    nodes = {node["name"]: node for node in shown["nodes"]}
    assert nodes["payment"] == {
        "environment": "default",
        "kind": "service",
        "name": "payment",
        "calls": 59,
        "failures": 4,
        "anomaly": 0.97,
    }
    assert nodes["sqlite:orders"]["kind"] == "database"
    cost = shown["costs"][0]
    assert (cost["caller"]["name"], cost["callee"]["name"], cost["operation"]) == ("checkout", "payment", "Payment/Charge")
    assert 0.5 < cost["critical_path_share"] < 1
    assert cost["critical_path_time"] == pytest.approx(39 * 26_000_000 + 20 * 406_000_000, rel=0.1)
    assert paid["exemplars"][0] in {shop.trace(number).id.hex() for number in range(shop.FAULTY_FROM, shop.TRACES)}


@pytest.mark.asyncio(loop_scope="function")
async def test_two_environments_share_no_node_and_no_edge_of_the_map(store: DuckDbStore) -> None:
    await store.write([*shop.documents(), *shop.staging_documents()])
    async with client_of(store) as client:
        assert await get(client, "/api/v1/environments") == {"environments": ["default", "staging"]}
        both = await get(client, "/api/v1/service-map")
        own = {name: await get(client, "/api/v1/service-map", environment=name) for name in ("default", "staging")}
        for part in ("nodes", "edges"):
            apart = [item for shown in own.values() for item in shown[part]]
            assert len(both[part]) == len(apart)
            assert {(item["environment"], str(item.get("name") or item["callee"])) for item in both[part]} >= {
                (item["environment"], str(item.get("name") or item["callee"])) for item in apart
            }
            assert {item["environment"] for item in own["staging"][part]} == {"staging"}
        payment = {node["environment"]: node for node in both["nodes"] if node["name"] == "payment"}
        assert (payment["default"]["calls"], payment["default"]["anomaly"]) == (59, 0.97)
        assert (payment["staging"]["calls"], payment["staging"]["anomaly"]) == (shop.STAGED, 0.0)
        for kind in ("span", "trace", "hop", "edge"):
            everything = await get(client, "/api/v1/find", kind=kind, limit=10_000)
            staged = await get(client, "/api/v1/find", kind=kind, limit=10_000, environment="staging")
            rest = await get(client, "/api/v1/find", kind=kind, limit=10_000, environment="default")
            assert staged
            assert {body["environment"] for body in staged} == {"staging"}
            assert len(staged) + len(rest) == len(everything)
        found = await get(client, "/api/v1/find", kind="trace", where=["root.service:frontend", "environment:staging"])
        assert len(found) == shop.STAGED


async def test_the_service_map_of_a_time_has_what_was_then(client: httpx2.AsyncClient) -> None:
    until = shop.NOW - (shop.TRACES - shop.FAULTY_FROM) * 10 * shop.SECOND
    before = await get(client, "/api/v1/service-map", until=until)
    assert {edge["failures"] for edge in before["edges"]} == {0}
    assert {edge["calls"] for edge in before["edges"]} == {shop.FAULTY_FROM - 1}
    assert await get(client, "/api/v1/service-map", until=1) == {
        "since": 0,
        "until": 0,
        "nodes": [],
        "edges": [],
        "costs": [],
    }


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/find", "kind: Field required"),
        ("/api/v1/find?kind=spam", "kind: Input should be 'span', "),
        ("/api/v1/find?kind=span&limit=0", "limit: Input should be greater than or equal to 1"),
        ("/api/v1/find?kind=span&limit=10001", "limit: Input should be less than or equal to 10000"),
        ("/api/v1/find?kind=span&limit=many", "limit: Input should be a valid integer"),
        ("/api/v1/find?kind=span&since=-1", "since: Input should be greater than or equal to 0"),
        ("/api/v1/find?kind=span&until=9999999999999999999", "until: Input should be less than 9223372036854775808"),
        ("/api/v1/find?kind=span&wher=a:b", "wher: Extra inputs are not permitted"),
        ("/api/v1/find?kind=span&where=name", "where: 'name' is not field:value, as in where=root.service:checkout"),
        ("/api/v1/find?kind=span&descending=perhaps", "descending: Input should be a valid boolean"),
        ("/api/v1/find?kind=span" + "&where=a:b" * 21, "where: List should have at most 20 items"),
        ("/api/v1/service-map?since=yesterday", "since: Input should be a valid integer"),
        ("/api/v1/traces/XYZ", "trace_id: String should match pattern '^[0-9a-f]{32}$'"),
    ],
)
async def test_what_is_asked_wrongly_is_refused_with_its_place_and_reason(
    client: httpx2.AsyncClient, path: str, said: str
) -> None:
    response = await client.get(path)
    assert response.status_code == 400
    assert said in response.json()["error"]


async def test_all_that_is_wrong_is_said_at_once(client: httpx2.AsyncClient) -> None:
    text = (await client.get("/api/v1/find?kind=span&limit=0&since=x")).json()["error"]
    assert [part.split(":")[0] for part in text.split("; ")] == ["since", "limit"]


async def test_an_unknown_trace_is_not_found(client: httpx2.AsyncClient) -> None:
    response = await client.get(f"/api/v1/traces/{'0' * 32}")
    assert response.status_code == 404
    assert "not found: it may still be in progress" in response.json()["error"]


async def test_a_store_that_does_not_answer_is_a_503_with_its_reason() -> None:
    class Down:
        async def find(self, query: Query) -> list[Body]:
            raise StoreError(f"the store is down for {query.kind}")

        async def totals(self, asked: Aggregation) -> list[Totals]:
            raise StoreError(f"the store is down for {asked.query.kind}")

    async with client_of(Down()) as client:
        for path in ("/api/v1/find?kind=span", f"/api/v1/traces/{'0' * 32}", "/api/v1/service-map"):
            response = await client.get(path)
            assert response.status_code == 503
            assert "the store is down" in response.json()["error"]


async def test_all_kinds_can_be_asked_for(client: httpx2.AsyncClient) -> None:
    found = {kind: await get(client, "/api/v1/find", kind=kind.value) for kind in Kind}
    assert [kind.value for kind, bodies in found.items() if not bodies] == ["metric"]
    ids = [body["_id"] for body in itertools.chain(*found.values())]
    assert len(ids) == len(set(ids))
