"""Tempo's API over the shop, its answers counted over all documents; the schemas are those of Tempo's documentation."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import pytest_asyncio
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from dashboards.read_models import span_search
from dashboards.read_models.bounded_reads import QueryLimits
from dashboards.read_models.reader import Reader
from dashboards.tempo_api.routes import TempoApi
from telemetry.documents import Kind
from telemetry.otlp.encode import encode_spans
from tests.dashboards import shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stores.duckdb.store import DuckDbStore
    from telemetry.documents import Body

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPANS = [document.body for document in shop.documents() if document.kind is Kind.SPAN]
ALL = {"start": str((shop.NOW - 3600 * shop.SECOND) // shop.SECOND), "end": str(shop.NOW // shop.SECOND), "limit": "1000"}
SLOW = shop.trace(shop.FAULTY_FROM + 1)


def served(
    store: DuckDbStore, limits: QueryLimits | None = None, registry: CollectorRegistry | None = None
) -> httpx2.AsyncClient:
    app = Starlette(routes=TempoApi(Reader(store, limits, registry), lambda: shop.NOW, "0.0").routes())
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console/tempo/")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tempo(stored: DuckDbStore) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(stored) as client:
        yield client


def service(span: Body) -> str:
    return str(span["resource"]["attributes"]["service.name"])


async def search(tempo: httpx2.AsyncClient, **asked: str) -> dict[str, Any]:
    answer = await tempo.get("api/search", params=ALL | asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("{}", lambda _: True),
        ('{ resource.service.name = "payment" }', lambda span: service(span) == "payment"),
        ("{ status = error }", lambda span: span["status"]["code"] == "Error"),
        ("{ kind = producer }", lambda span: span["kind"] == "Producer"),
        ("{ duration > 300ms }", lambda span: span["duration"] > 300_000_000),
        ('{ span.http.route = "/buy" }', lambda span: span["attributes"].get("http.route") == "/buy"),
        ('{ .db.system.name != "x" }', lambda span: "db.system.name" in span["attributes"]),
        (
            '{ name =~ "POST.*" && (duration < 80ms || resource.service.name = "checkout") }',
            lambda span: span["name"].startswith("POST") and (span["duration"] < 80_000_000 or service(span) == "checkout"),
        ),
        ('{ name = "nothing" }', lambda _: False),
    ],
)
async def test_a_search_finds_the_spans_that_a_count_over_all_finds(tempo: httpx2.AsyncClient, text: str, matches: Any) -> None:
    wanted: dict[str, list[Body]] = {}
    for span in filter(matches, SPANS):
        wanted.setdefault(span["trace_id"], []).append(span)
    found = await search(tempo, q=text, spss="100")
    assert "status" not in found
    assert found["metrics"]["completedJobs"] == found["metrics"]["totalJobs"]
    assert {trace["traceID"] for trace in found["traces"]} == wanted.keys()
    for trace in found["traces"]:
        (span_set,) = trace["spanSets"]
        assert span_set["matched"] == len(span_set["spans"]) == len(wanted[trace["traceID"]])
        assert {span["spanID"] for span in span_set["spans"]} == {span["span_id"] for span in wanted[trace["traceID"]]}


async def test_a_found_trace_is_as_tempo_documents_it(tempo: httpx2.AsyncClient) -> None:
    found = await search(tempo, q=f'{{ trace:id = "{SLOW.id.hex()}" && span.http.route != nil }} | select(kind)')
    (trace,) = found["traces"]
    root, end = SLOW.spans[0], max(span.end for span in SLOW.spans)
    known = {
        "traceID": SLOW.id.hex(),
        "rootServiceName": "frontend",
        "rootTraceName": "POST /buy",
        "startTimeUnixNano": str(root.start),
        "durationMs": (end - root.start) // 1_000_000,
    }
    assert trace == trace | known
    first = trace["spanSet"]["spans"][0]
    assert first == {
        "spanID": root.span_id.hex(),
        "name": "POST /buy",
        "startTimeUnixNano": str(root.start),
        "durationNanos": str(root.end - root.start),
        "attributes": [
            {"key": "service.name", "value": {"stringValue": "frontend"}},
            {"key": "trace:id", "value": {"stringValue": SLOW.id.hex()}},
            {"key": "http.route", "value": {"stringValue": "/buy"}},
            {"key": "kind", "value": {"stringValue": "server"}},
        ],
    }


async def test_limits_are_kept_and_the_newest_come_first(tempo: httpx2.AsyncClient) -> None:
    found = await search(tempo, q="{}", limit="3", spss="2")
    newest = [shop.trace(number).id.hex() for number in range(shop.TRACES - 1, shop.TRACES - 4, -1)]
    assert [trace["traceID"] for trace in found["traces"]] == newest
    assert all(len(trace["spanSet"]["spans"]) <= 2 for trace in found["traces"])
    hour_ago = await search(tempo, q="{}", start="1", end=str((shop.NOW - 3600 * shop.SECOND) // shop.SECOND))
    assert hour_ago["traces"] == []
    assert len((await tempo.get("api/search", params={"q": "{}"})).json()["traces"]) == 20  # of the last hour


async def test_a_search_by_tags_is_for_parts_of_texts_in_any_case(tempo: httpx2.AsyncClient) -> None:
    found = await search(tempo, tags='service.name=PAY name="Payment/Charge"', minDuration="300ms", maxDuration="1h")
    assert {trace["traceID"] for trace in found["traces"]} == {
        shop.trace(number).id.hex() for number in range(shop.FAULTY_FROM, shop.TRACES)
    }
    assert (await search(tempo, tags="service.name=pay", maxDuration="1ms"))["traces"] == []


async def test_a_search_that_was_cut_says_so(
    stored: DuckDbStore, tempo: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_search, "PAGE", 50)
    whole = await search(tempo, q='{ span.http.route =~ "/b.*" }')
    assert len(whole["traces"]) == shop.TRACES - 1  # over ten pages
    monkeypatch.setattr(span_search, "MAX_EXAMINED", 100)
    cut = await search(tempo, q='{ span.http.route =~ "/b.*" }')
    assert 0 < len(cut["traces"]) < shop.TRACES - 1
    assert cut["status"] == "PARTIAL"
    assert "the search ended after 148 spans" in cut["message"]  # a page begins where the one before ended
    assert cut["metrics"]["completedJobs"] == 0
    registry = CollectorRegistry()
    async with served(stored, registry=registry) as counted:
        assert (await search(counted, q='{ span.http.route =~ "/b.*" }'))["status"] == "PARTIAL"
    assert registry.get_sample_value("spanloom_searches_cut_total") == 1
    async with served(stored, QueryLimits(max_bytes=1 << 20)) as small:
        many = await search(small, q="{}")  # the answer to a page has a limit in bytes too
        assert len(many["traces"]) == shop.TRACES - 1 or many["status"] == "PARTIAL"


def response_type() -> Any:
    """`tempopb.TraceByIDResponse`, as the file of its protocol has it."""
    file = descriptor_pb2.FileDescriptorProto(name="tempo.proto", package="tempopb", syntax="proto3")
    trace = file.message_type.add(name="Trace")
    trace.field.add(name="resource_spans", number=1, type=12, label=3)
    response = file.message_type.add(name="TraceByIDResponse")
    response.field.add(name="trace", number=1, type=11, label=1, type_name=".tempopb.Trace")
    response.field.add(name="status", number=3, type=5, label=1)
    response.field.add(name="message", number=4, type=9, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tempopb.TraceByIDResponse"))


def spans_of(trace: Any) -> dict[bytes, Any]:
    return {span.span_id: span for resource in trace.resource_spans for scope in resource.scope_spans for span in scope.spans}


async def test_a_trace_in_protobuf_is_what_was_sent(tempo: httpx2.AsyncClient) -> None:
    path, accept = f"traces/{SLOW.id.hex()}", {"accept": "application/protobuf"}
    sent = spans_of(TracesData.FromString(encode_spans(SLOW.spans)))
    first = await tempo.get(f"api/{path}", headers=accept)
    assert first.headers["content-type"] == "application/protobuf"
    assert spans_of(TracesData.FromString(first.content)) == sent
    second = response_type().FromString((await tempo.get(f"api/v2/{path}", headers=accept)).content)
    assert not second.status
    resources = TracesData.FromString(b"".join(b"\x0a" + length(one) + one for one in second.trace.resource_spans))
    assert spans_of(resources) == sent


def length(data: bytes) -> bytes:
    size, found = len(data), b""
    while size >= 0x80:
        found, size = found + bytes([size & 0x7F | 0x80]), size >> 7
    return found + bytes([size])


async def test_a_trace_in_json_has_the_same_spans(tempo: httpx2.AsyncClient) -> None:
    path = f"traces/{SLOW.id.hex()}"
    first, second = [(await tempo.get(f"api/{version}{path}")).json() for version in ("", "v2/")]
    assert first["batches"] == second["trace"]["resourceSpans"]
    spans = [span for one in first["batches"] for scope in one["scopeSpans"] for span in scope["spans"]]
    assert {base64.b64decode(span["spanId"]) for span in spans} == {span.span_id for span in SLOW.spans}
    assert {span["kind"] for span in spans} >= {"SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"}


async def test_a_partial_trace_says_so(tempo: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_search, "MAX_SPANS", 4)
    path = f"api/v2/traces/{SLOW.id.hex()}"
    as_json = (await tempo.get(path)).json()
    assert as_json["status"] == "PARTIAL"
    encoded = response_type().FromString((await tempo.get(path, headers={"accept": "application/protobuf"})).content)
    assert encoded.status == 1
    assert encoded.message == as_json["message"]
    assert "4 spans" in encoded.message


async def test_names_of_tags_are_those_of_the_spans(tempo: httpx2.AsyncClient) -> None:
    own = {name for span in SPANS for name in span["attributes"]}
    sender = {name for span in SPANS for name in span["resource"]["attributes"]}
    scopes = {one["name"]: one["tags"] for one in (await tempo.get("api/v2/search/tags", params=ALL)).json()["scopes"]}
    assert scopes["span"] == sorted(own)
    assert scopes["resource"] == sorted(sender)
    assert scopes["event"] == ["exception.type"]
    assert {"duration", "name", "status", "span:kind"} <= set(scopes["intrinsic"])
    flat = (await tempo.get("api/search/tags", params=ALL)).json()["tagNames"]
    assert set(flat) == own | sender | {"exception.type"}
    only = (await tempo.get("api/v2/search/tags", params=ALL | {"scope": "resource", "q": '{ name = "nothing" }'})).json()
    assert only["scopes"] == [{"name": "resource", "tags": []}]


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [
        ("resource.service.name", [("string", name) for name in ("checkout", "frontend", "payment", "shipping")]),
        (".service.name", [("string", name) for name in ("checkout", "frontend", "payment", "shipping")]),
        ("name", [("string", name) for name in sorted({span["name"] for span in SPANS})]),
        ("status", [("keyword", name) for name in ("error", "ok", "unset")]),
        ("span.http.route", [("string", "/buy"), ("string", "/checkout")]),
        ("duration", []),
        ("span.absent", []),
    ],
)
async def test_values_of_a_tag_are_those_of_the_spans(
    tempo: httpx2.AsyncClient, tag: str, wanted: list[tuple[str, str]]
) -> None:
    found = (await tempo.get(f"api/v2/search/tag/{tag}/values", params=ALL)).json()["tagValues"]
    assert [(value["type"], value["value"]) for value in found] == wanted


async def test_values_of_a_tag_are_those_of_the_spans_that_a_query_leaves(tempo: httpx2.AsyncClient) -> None:
    asked = ALL | {"q": "{ status = error }"}
    found = (await tempo.get("api/v2/search/tag/resource.service.name/values", params=asked)).json()["tagValues"]
    assert found == [{"type": "string", "value": "payment"}]
    unfinished = ALL | {"q": "{ status = "}
    everything = (await tempo.get("api/v2/search/tag/span.http.route/values", params=unfinished)).json()["tagValues"]
    assert len(everything) == 2
    old = (await tempo.get("api/search/tag/service.name/values", params=ALL)).json()["tagValues"]
    assert old == ["checkout", "frontend", "payment", "shipping"]


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("api/search?q={", 400, "line 1, col 2: unexpected end of the query"),
        ("api/search?q={}|count()>2", 400, "col 4: of what may follow |, only select"),
        ("api/search?q={}&start=x", 400, "invalid start"),
        ("api/search?q={}&limit=0", 400, "invalid limit"),
        ("api/search?tags=a", 400, "invalid tags: col 1"),
        ("api/search?tags=a%3Db&minDuration=5", 400, "minDuration"),
        ("api/search/tags?scope=x", 400, "invalid scope"),
        ("api/v2/search/tag/nothing/values", 400, "unknown field nothing"),
        ("api/traces/xyz", 400, "no trace id"),
        ("api/traces/abcd", 404, "trace not found"),
        (f"api/v2/traces/{SLOW.id.hex()}?start=1&end=2", 404, "trace not found"),
    ],
)
async def test_what_is_wrong_or_absent_is_refused(tempo: httpx2.AsyncClient, path: str, status: int, reason: str) -> None:
    answer = await tempo.get(path)
    assert (answer.status_code, reason in answer.text) == (status, True), answer.text


async def test_what_grafana_asks_first(tempo: httpx2.AsyncClient) -> None:
    """Its health check, and what it finds out about the version."""
    assert (await tempo.get("api/echo")).text == "echo"
    assert (await tempo.get("ready")).status_code == 200
    assert (await tempo.get("api/status/buildinfo")).json()["version"].startswith("2.")
