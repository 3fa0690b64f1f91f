"""What only Elasticsearch does: templates, mappings, retries, reasons."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pytest
from elastic_transport import ApiResponseMeta, BaseAsyncNode, HttpHeaders
from elasticsearch import AsyncElasticsearch, BadRequestError

from stores.elasticsearch import templates
from stores.elasticsearch.bulk import CHUNK_BYTES
from stores.elasticsearch.client import connect
from stores.elasticsearch.store import ElasticsearchStore, open_elasticsearch
from stores.elasticsearch.templates import Installed, InstallResult, data_stream, install
from stores.layout import LAYOUT
from stores.store import Query, QuestionRefusedError, Written
from telemetry.documents import Document, Kind
from telemetry.documents.signals import log_document, metric_document, span_document
from telemetry.errors import StoreError
from telemetry.logs import LogRecord
from telemetry.metrics import DataPoint, Metric, MetricType
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind, StatusCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOON = 1_700_000_000_000_000_123
CART = Resource({"service.name": "cart", "host.name": "a"})


@pytest.fixture
async def client(elasticsearch: str) -> AsyncIterator[AsyncElasticsearch]:
    made = connect(elasticsearch)
    yield made
    await made.close()


@pytest.fixture
async def store(client: AsyncElasticsearch) -> ElasticsearchStore:
    await install(client)
    return ElasticsearchStore(client, namespace=uuid.uuid4().hex)


def outcomes(report: list[Installed]) -> set[InstallResult]:
    return {one.outcome for one in report}


async def test_installing_twice_changes_nothing_and_names_what_the_server_lacks(client: AsyncElasticsearch) -> None:
    await install(client)
    report = await install(client)
    assert outcomes(report) <= {InstallResult.UNCHANGED, InstallResult.SKIPPED}
    for one in report:
        assert (one.outcome is InstallResult.SKIPPED) == bool(one.reason)
        if one.name == "spanloom-match-only-text" and one.outcome is InstallResult.SKIPPED:
            assert "match_only_text" in one.reason


async def test_an_older_version_is_updated_and_a_newer_one_on_the_server_is_left(
    client: AsyncElasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    await install(client)
    known = (await client.indices.get_index_template(name="spanloom-hop"))["index_templates"][0]["index_template"]
    older = {key: known[key] for key in ("index_patterns", "composed_of", "priority", "data_stream")}
    await client.indices.put_index_template(name="spanloom-hop", **older, version=0)
    report = {one.name: one.outcome for one in await install(client)}
    assert report["spanloom-hop"] is InstallResult.UPDATED
    assert report["spanloom-span"] is InstallResult.UNCHANGED
    monkeypatch.setattr(templates, "VERSION", templates.VERSION - 1)
    assert outcomes(await install(client)) <= {InstallResult.NEWER, InstallResult.SKIPPED}


async def test_an_updated_template_holds_from_the_next_document_on_and_no_id_comes_twice(
    client: AsyncElasticsearch, store: ElasticsearchStore
) -> None:
    edge = Document(Kind.EDGE, "a", NOON, {"calls": 1})
    await store.write([edge])
    known = (await client.indices.get_index_template(name="spanloom-edge"))["index_templates"][0]["index_template"]
    older = {key: known[key] for key in ("index_patterns", "composed_of", "priority", "data_stream")}
    await client.indices.put_index_template(name="spanloom-edge", **older, version=0)
    await install(client)
    assert await store.write([edge, Document(Kind.EDGE, "b", NOON, {"calls": 1})]) == Written(1, 1)
    (stream,) = (await client.indices.resolve_index(name=data_stream(Kind.EDGE, store._namespace)))["data_streams"]
    assert len(stream["backing_indices"]) == 2


async def test_the_days_to_keep_can_be_changed(client: AsyncElasticsearch, store: ElasticsearchStore) -> None:
    await store.write([Document(Kind.EDGE, "a", NOON, {})])  # a data stream that is there already
    await install(client, keep_days=7)
    (lifecycle,) = [one for one in await install(client, keep_days=30) if one.name == "spanloom-lifecycle"]
    assert lifecycle.outcome in {InstallResult.UPDATED, InstallResult.SKIPPED}
    await install(client)


async def test_the_audit_trail_and_its_incidents_are_kept_for_ever(client: AsyncElasticsearch) -> None:
    await install(client, keep_days=7)
    composed = {}
    for kind in Kind:
        (found,) = (await client.indices.get_index_template(name=f"spanloom-{kind}"))["index_templates"]
        parts = [name for name in found["index_template"]["composed_of"] if "lifecycle" in name]
        known = [await client.cluster.get_component_template(name=name) for name in parts]
        composed[kind] = [each["component_templates"][0]["component_template"]["template"]["lifecycle"] for each in known]
    if not any(composed.values()):
        pytest.skip("this Elasticsearch offers no lifecycles")
    assert {kind for kind, (lifecycle,) in composed.items() if "data_retention" not in lifecycle} == {Kind.AUDIT, Kind.INCIDENT}
    await install(client)


async def test_without_templates_nothing_is_written_and_the_error_says_what_to_run(
    store: ElasticsearchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stores.elasticsearch.bulk.data_stream", lambda *_: "no-template-for-this")
    store = ElasticsearchStore(store._client)
    with pytest.raises(StoreError, match="spanloom setup elasticsearch"):
        await store.write([Document(Kind.ALERT, "a", NOON, {})])
    assert not await store._client.indices.exists(index="no-template-for-this")


async def test_a_span_lies_as_elastics_exporter_lays_it(store: ElasticsearchStore) -> None:
    span = Span(
        bytes(15) + b"\1",
        bytes(7) + b"\2",
        b"",
        "GET /pay",
        SpanKind.SERVER,
        NOON,
        NOON + 5_000,
        CART,
        status=StatusCode.ERROR,
        attributes={"http.route": "/pay", "http.response.status_code": 500},
    )
    await store.write([span_document(span)])
    await store.refresh([Kind.SPAN])
    stream = data_stream(Kind.SPAN, store._namespace)
    assert stream.startswith("traces-generic.otel-")
    # Passthrough: an attribute is found by its bare name, as Kibana's APM asks for it.
    for field, value in {"http.route": "/pay", "service.name": "cart", "status.code": "Error", "duration": 5_000}.items():
        found = await store._client.search(index=stream, query={"term": {field: value}})
        (hit,) = found["hits"]["hits"]
        assert hit["_source"]["@timestamp"] == "2023-11-14T22:13:20.000000123Z"
        stated = hit["_source"]["data_stream"]
        assert f"{stated['type']}-{stated['dataset']}-{stated['namespace']}" == stream


async def test_when_a_log_record_was_observed_is_kept_and_no_part_of_its_id(store: ElasticsearchStore) -> None:
    seen, again = (log_document(LogRecord(NOON, "paid", CART, observed_time=NOON + later)) for later in (5, 9))
    assert seen.id == again.id
    await store.write([seen])
    await store.refresh([Kind.LOG])
    assert await store.find(Query(Kind.LOG)) == [seen.body | {"_id": seen.id, "@timestamp": NOON}]
    exactly = {"term": {"observed_timestamp": "2023-11-14T22:13:20.000000128Z"}}
    assert (await store._client.count(index=data_stream(Kind.LOG, store._namespace), query=exactly))["count"] == 1


async def test_a_metrics_value_lies_under_its_name_and_comes_back_as_written(store: ElasticsearchStore) -> None:
    metric = Metric("http.server.active_requests", MetricType.GAUGE, (), CART)
    document = metric_document(metric, DataPoint(NOON, value=3))
    await store.write([document, metric_document(metric, DataPoint(NOON + 1, value=0.5))])
    await store.refresh([Kind.METRIC])
    found = await store._client.search(
        index=data_stream(Kind.METRIC, store._namespace),
        size=0,
        aggs={"sum": {"sum": {"field": "http.server.active_requests"}}},
    )
    assert found["aggregations"]["sum"]["value"] == 3.5
    assert await store.find(Query(Kind.METRIC, limit=1)) == [document.body | {"_id": document.id, "@timestamp": NOON}]


async def test_every_field_of_the_layout_is_mapped(store: ElasticsearchStore) -> None:
    for kind, fields in LAYOUT.items():
        await store.write([Document(kind, "a", NOON, {})])
        found = await store._client.field_caps(index=data_stream(kind, store._namespace), fields="*")
        assert set(fields) <= set(found["fields"]), kind


async def test_an_attribute_of_another_type_than_before_is_kept(store: ElasticsearchStore) -> None:
    bodies: list[dict[str, Any]] = [{"attributes": {"size": 5}}, {"attributes": {"size": "large"}}]
    written = await store.write([Document(Kind.SPAN, str(number), NOON, body) for number, body in enumerate(bodies)])
    assert written == Written(2, 0)
    await store.refresh([Kind.SPAN])
    assert [body["attributes"] for body in await store.find(Query(Kind.SPAN, sort="attributes.size"))] == [
        body["attributes"] for body in bodies
    ]


async def test_attributes_beyond_what_a_mapping_holds_are_kept(store: ElasticsearchStore) -> None:
    many: list[dict[str, Any]] = [{f"{user}.{number}": 1 for number in range(6_000)} for user in ("a", "b")]
    written = await store.write([Document(Kind.SPAN, str(n), NOON, {"attributes": one}) for n, one in enumerate(many)])
    assert written == Written(2, 0)
    await store.refresh([Kind.SPAN])
    assert sorted(len(body["attributes"]) for body in await store.find(Query(Kind.SPAN))) == [6_000, 6_000]


@pytest.mark.parametrize("id_", ["", "x" * 513])
async def test_an_id_that_would_fail_the_whole_request_is_rejected_alone(store: ElasticsearchStore, id_: str) -> None:
    written = await store.write([Document(Kind.SPAN, id_, NOON, {}), Document(Kind.SPAN, "good", NOON, {})])
    assert (written.created, len(written.rejected)) == (1, 1)


async def test_a_document_too_large_for_a_request_is_rejected_alone(store: ElasticsearchStore) -> None:
    large = Document(Kind.LOG, "large", NOON, {"body": {"text": "x" * CHUNK_BYTES}})
    written = await store.write([large, Document(Kind.LOG, "good", NOON, {})])
    assert (written.created, [one.document.id for one in written.rejected]) == (1, ["large"])


async def test_a_question_that_the_server_refuses_is_a_store_error(store: ElasticsearchStore) -> None:
    await store.write([Document(Kind.LOG, "a", NOON, {"body": {"text": "x"}})])
    with pytest.raises(QuestionRefusedError, match="did not do it") as caught:
        await store.find(Query(Kind.LOG, sort="body.text"))
    assert isinstance(caught.value.__cause__, BadRequestError)


async def test_a_server_that_is_not_there_is_a_store_error_that_says_so() -> None:
    store = open_elasticsearch("http://127.0.0.1:9")
    for ask in (store.write([Document(Kind.SPAN, "a", NOON, {})]), store.find(Query(Kind.SPAN)), store.usage()):
        with pytest.raises(StoreError, match="cannot be reached"):
            await ask
    await store.close()


class Answer(NamedTuple):
    meta: ApiResponseMeta
    body: bytes


def busy_store(monkeypatch: pytest.MonkeyPatch, *answers: int | list[int]) -> tuple[ElasticsearchStore, list[list[str]]]:
    """A store on a server that gives these answers to bulk requests, then takes all; and the ids of each request."""
    left, asked = list(answers), []

    class Node(BaseAsyncNode):
        async def perform_request(  # type: ignore[override]
            self, method: str, target: str, body: bytes | None = None, **_: Any
        ) -> Answer:
            headers = HttpHeaders({"x-elastic-product": "Elasticsearch", "content-type": "application/json"})
            if target.startswith("/_resolve/") or target.endswith("/_mapping"):  # no data stream yet
                return Answer(ApiResponseMeta(404, "1.1", headers, 0.0, self.config), b"{}")
            assert (method, target.partition("?")[0]) == ("PUT", "/traces-generic.otel-default/_bulk")
            ids = [orjson.loads(line)["create"]["_id"] for line in (body or b"").splitlines()[::2]]
            asked.append(ids)
            answer = left.pop(0) if left else [201] * len(ids)
            status = answer if isinstance(answer, int) else 200
            return Answer(ApiResponseMeta(status, "1.1", headers, 0.0, self.config), reply(ids, answer))

        async def close(self) -> None:  # type: ignore[override]
            pass

    monkeypatch.setattr("stores.elasticsearch.bulk_requests.FIRST_WAIT", 0.001)
    return ElasticsearchStore(AsyncElasticsearch("http://127.0.0.1:9", node_class=Node, max_retries=0)), asked


def reply(ids: list[str], answer: int | list[int]) -> bytes:
    if isinstance(answer, int):
        return orjson.dumps({"error": {"reason": "busy"}, "status": answer})
    items = [
        {"create": {"_id": id_, "status": status} | ({} if status == 201 else {"error": {"reason": f"status {status}"}})}
        for id_, status in zip(ids, answer, strict=False)
    ]
    return orjson.dumps({"errors": True, "items": items})


DOCUMENTS = [Document(Kind.SPAN, id_, NOON, {}) for id_ in ("a", "b", "c", "d")]


async def test_only_the_busy_items_are_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store, asked = busy_store(monkeypatch, [201, 429, 409, 400], [503], 503, [201], [400])
    written = await store.write(DOCUMENTS)
    assert asked == [["a", "b", "c", "d"], ["b"], ["b"], ["b"], ["d"]]
    assert (written.created, written.existing) == (2, 1)
    assert [(one.document.id, one.reason) for one in written.rejected] == [("d", "status 400")]


async def test_a_server_that_stays_busy_is_a_store_error(monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = busy_store(monkeypatch, *[429] * 10)
    with pytest.raises(StoreError, match="429"):
        await store.write(DOCUMENTS)


async def test_a_refused_request_rejects_no_document(monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = busy_store(monkeypatch, 403, *[400] * 7)
    for status in ("403", "400"):
        with pytest.raises(StoreError, match=status):
            await store.write(DOCUMENTS)


async def test_a_request_that_one_document_makes_unreadable_costs_that_document_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    store, asked = busy_store(monkeypatch, 400, [201, 201], 413, [201], 413, 413)
    written = await store.write(DOCUMENTS)
    assert asked == [["a", "b", "c", "d"], ["a", "b"], ["c", "d"], ["c"], ["d"], ["d"]]
    assert (written.created, [one.document.id for one in written.rejected]) == (3, ["d"])


async def test_the_second_of_an_id_is_written_when_the_first_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    store, asked = busy_store(monkeypatch, [400, 201], [400])
    written = await store.write([*DOCUMENTS[:2], *DOCUMENTS[:2]])
    assert asked == [["a", "b"], ["a"], ["a"]]
    assert (written.created, written.existing, len(written.rejected)) == (2, 1, 1)
