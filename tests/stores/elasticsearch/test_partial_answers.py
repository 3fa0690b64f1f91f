"""Shards that are down or fail: what a part of Elasticsearch says is not taken for all of it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pytest
from elastic_transport import ApiResponseMeta, BaseAsyncNode, HttpHeaders
from elasticsearch import AsyncElasticsearch

from stores.elasticsearch.client import connect
from stores.elasticsearch.store import PAGE, ElasticsearchStore
from stores.elasticsearch.templates import data_stream, install
from stores.store import OneOf, Query
from telemetry.documents import Document, Kind
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BOTH = Query(Kind.EDGE, [OneOf("operation", ["a", "b"])])
MANY = Query(Kind.EDGE, [OneOf("operation", ["a", "b"])], limit=PAGE + 1)


class Answer(NamedTuple):
    meta: ApiResponseMeta
    body: bytes


class HalfDown(BaseAsyncNode):
    """Says 200, of one shard of two."""

    async def perform_request(self, method: str, target: str, **_: Any) -> Answer:  # type: ignore[override]  # noqa: ARG002
        headers = HttpHeaders({"x-elastic-product": "Elasticsearch", "content-type": "application/json"})
        shards = {"total": 2, "successful": 1, "failed": 1}
        body = {"_shards": shards, "hits": {"total": {"value": 0}, "hits": []}, "count": 0}
        return Answer(ApiResponseMeta(200, "1.1", headers, 0.0, self.config), orjson.dumps(body))

    async def close(self) -> None:  # type: ignore[override]
        pass


async def test_an_answer_of_some_shards_is_no_answer() -> None:
    store = ElasticsearchStore(AsyncElasticsearch("http://127.0.0.1:9", node_class=HalfDown))
    for asked in (store.find(BOTH), store.find(MANY), store.count(BOTH), store.refresh([Kind.EDGE])):
        with pytest.raises(StoreError, match="1 shard"):
            await asked
    await store.close()


@pytest.fixture
async def store(elasticsearch: str) -> AsyncIterator[ElasticsearchStore]:
    client = connect(elasticsearch)
    await install(client)
    made = ElasticsearchStore(client, namespace=uuid.uuid4().hex)
    yield made
    await made.close()


async def test_where_an_older_generation_fails_nothing_is_found_rather_than_a_part(store: ElasticsearchStore) -> None:
    client, stream = store._client, data_stream(Kind.EDGE, store._namespace)
    await store.write([Document(Kind.EDGE, "a", 1, {"operation": "a"})])
    await client.indices.rollover(alias=stream)
    await store.write([Document(Kind.EDGE, "b", 1, {"operation": "b"})])
    await store.refresh([Kind.EDGE])
    assert await store.count(BOTH) == len(await store.find(BOTH)) == 2
    (older, _), *_ = [one["backing_indices"] for one in (await client.indices.resolve_index(name=stream))["data_streams"]]
    await client.indices.put_settings(index=older, settings={"index.max_terms_count": 1})
    for asked in (store.find(BOTH), store.find(MANY), store.count(BOTH)):
        with pytest.raises(StoreError):
            await asked
