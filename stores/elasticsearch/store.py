"""The store of many processes: Elasticsearch data streams, through the official client."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from elasticsearch import ApiError, BadRequestError, TransportError

from stores.checks import check_aggregation, check_keyword, with_numbers
from stores.elasticsearch.aggregates import ElasticsearchAggregates
from stores.elasticsearch.bulk import BulkWriter
from stores.elasticsearch.client import connect, refusal
from stores.elasticsearch.search import ID, TIME, clause, order
from stores.elasticsearch.source import original
from stores.elasticsearch.templates import data_stream
from stores.elasticsearch.totals import added_up, request
from stores.layout import ENVIRONMENT
from stores.store import AnswerTooLargeError, Capabilities, QueryTimeoutError, QuestionRefusedError, TooManyGroupsError, Usage
from telemetry.documents import Body, Kind
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import StoreError
from telemetry.json_object import JsonObject
from telemetry.sentences.wording import Wording

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence

    from elastic_transport import ObjectApiResponse
    from elasticsearch import AsyncElasticsearch

    from stores.elasticsearch.config import ElasticsearchConfig
    from stores.store import Aggregation, Query, Retention, Totals, Written
    from telemetry.documents import Document

PAGE = 10_000
"""Hits of one search: the default of `index.max_result_window`."""

BOUNDED_PAGE = 1_000
"""Of a query whose answer has a bound in bytes: it is looked at after each page."""

KEEP_ALIVE = "1m"


def open_elasticsearch(url: str, config: ElasticsearchConfig | None = None, namespace: str = "default") -> ElasticsearchStore:
    """A store on the cluster at a URL, its client included. Nothing is asked of the server yet.

    Raises:
        ConfigError: the URL or the CA file cannot be used.
    """
    return ElasticsearchStore(connect(url, config), namespace)


Response = TypeVar("Response", bound="ObjectApiResponse[Any]")


class ElasticsearchStore:
    """A `Store` on the data streams of a namespace. Their templates must be installed, by `templates.install`.

    Args:
        client: closed with the store.
        namespace: the last part of the data streams' names.
    """

    def __init__(self, client: AsyncElasticsearch, namespace: str = "default") -> None:
        self._client = client
        self._namespace = namespace
        self._bulk = BulkWriter(client, namespace)
        self.aggregates = ElasticsearchAggregates(self._aggregated, self._field_types)

    def capabilities(self) -> Capabilities:
        """Many processes. What is written is found after a refresh; age and size are the server's lifecycle."""
        return Capabilities(many_processes=True)

    async def write(self, documents: Sequence[Document]) -> Written:
        """Create what is not there yet; durable on return (the translog is synced for each request)."""
        return await self._bulk.write(documents)

    async def find(self, query: Query) -> list[Body]:
        """The documents of a query; more than a page are read from one point in time."""
        async with _in_time(query):
            size = min(query.limit, _page(query))
            found = await self._ask(self._of(query).search(**self._search(query), size=size, **_MISSING_IS_EMPTY))
            hits = found["hits"]["hits"]
            if len(hits) < _page(query) or query.limit == size:
                return _Answer(query).add(hits)
            return await self._find_many(query)

    async def count(self, query: Query) -> int:
        """How many documents a query has."""
        counted = self._search(query) | {"sort": None, "track_total_hits": True}  # `_count` would count what shards are up
        async with _in_time(query):
            found = await self._ask(self._of(query).search(**counted, size=0, **_MISSING_IS_EMPTY))
        return int(found["hits"]["total"]["value"])

    async def environments(self, query: Query) -> list[str]:
        """The environments that a query's documents name: the most frequent, where there are more than its limit."""
        named = await self._terms(query, {"field": ENVIRONMENT, "missing": DEFAULT_ENVIRONMENT})
        return sorted({name or DEFAULT_ENVIRONMENT for name in named})

    async def values(self, query: Query, field: str) -> list[str]:
        """The values of a keyword field in a query's documents: the most frequent, where there are more than its limit."""
        check_keyword(query.kind, field)
        return sorted(await self._terms(query, {"field": field}))

    async def _terms(self, query: Query, terms: JsonObject) -> list[str]:
        asked = self._search(query) | {"sort": None, "aggs": {"named": {"terms": terms | {"size": query.limit}}}}
        async with _in_time(query):
            found = await self._ask(self._of(query).search(**asked, size=0, **_MISSING_IS_EMPTY))
        return [bucket["key"] for bucket in found.get("aggregations", {}).get("named", {}).get("buckets", ())]

    async def totals(self, asked: Aggregation) -> list[Totals]:
        """What a query's documents add up to, page by page."""
        check_aggregation(asked)
        query, after = asked.query, JsonObject()
        buckets: list[JsonObject] = []
        async with _in_time(query):
            while True:
                aggs = {"sort": None, "aggs": request(asked, after)}
                found = await self._ask(self._of(query).search(**self._search(query) | aggs, size=0, **_MISSING_IS_EMPTY))
                page = found.get("aggregations", {}).get("groups", {})
                buckets += page.get("buckets", ())
                if len(buckets) > query.limit:
                    raise TooManyGroupsError(query.limit)
                after = page.get("after_key")
                if not after:  # as an empty page has it
                    return added_up(asked, buckets)

    async def _aggregated(self, query: Query, more: JsonObject) -> JsonObject:
        """The answer to a search for counts: without hits, unless `more` asks for some."""
        asked = self._search(query) | {"sort": None, "size": 0} | more
        async with _in_time(query):
            found = await self._ask(self._of(query).search(**asked, **_MISSING_IS_EMPTY))
        return JsonObject(found.body)

    async def _field_types(self, query: Query, fields: Sequence[str]) -> JsonObject:
        """The types of fields that a query's documents may have, by their names."""
        streams = self._streams([query.kind])
        async with _in_time(query):
            having = JsonObject(index_filter=clause(query), include_empty_fields=False)
            found = await self._ask(
                self._of(query).field_caps(index=streams, fields=list(fields), **having, **_MISSING_IS_EMPTY)
            )
        return JsonObject(found["fields"])

    async def refresh(self, kinds: Sequence[Kind]) -> None:
        """Make what was written findable."""
        await self._ask(self._client.indices.refresh(index=self._streams(kinds), **_MISSING_IS_EMPTY))

    async def retain(self, retention: Retention, now: int) -> int:  # noqa: ARG002 - the protocol's
        """Refused: Elasticsearch deletes by itself.

        Raises:
            StoreError: always; says where to set it.
        """
        raise StoreError("Elasticsearch deletes by data stream lifecycle: set the days with `spanloom setup elasticsearch`")

    async def usage(self) -> Usage:
        """Documents and bytes of the primary shards."""
        documents: dict[str, int] = {}
        size = 0
        asking = self._client.options(ignore_status=404)  # a data stream begins with its first document
        for kind in Kind:
            stats = await self._ask(asking.indices.stats(index=self._streams([kind]), metric=["docs", "store"]))
            primaries = stats.get("_all", {}).get("primaries", {})
            documents[kind.value] = primaries.get("docs", {}).get("count", 0)
            size += primaries.get("store", {}).get("size_in_bytes", 0)
        return Usage(documents, size)

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.close()

    def counters(self) -> dict[str, int]:
        """What the mapping could not hold, and why: see `source` and `attribute_names`."""
        return self._bulk.counters()

    def _streams(self, kinds: Sequence[Kind]) -> list[str]:
        return [data_stream(kind, self._namespace) for kind in kinds]

    def _search(self, query: Query) -> JsonObject:
        return {
            "index": self._streams([query.kind]),
            "query": clause(query),
            "sort": order(query),
            "track_total_hits": False,
            # A shard that is down (the older generation, while Elasticsearch starts) is no shard without documents.
            "allow_partial_search_results": False,
        } | ({"timeout": f"{math.ceil(query.seconds * 1000)}ms"} if query.seconds else {})

    async def _find_many(self, query: Query) -> list[Body]:
        streams = self._streams([query.kind])
        opened = await self._ask(self._client.open_point_in_time(index=streams, keep_alive=KEEP_ALIVE))
        point = opened["id"]
        search = {key: value for key, value in self._search(query).items() if key != "index"}
        answer, bodies = _Answer(query), list[Body]()
        after: JsonObject = {}
        try:
            while len(bodies) < query.limit:
                size = min(_page(query), query.limit - len(bodies))
                found = await self._ask(
                    self._of(query).search(**search, **after, size=size, pit={"id": point, "keep_alive": KEEP_ALIVE})
                )
                hits = found["hits"]["hits"]
                bodies = answer.add(hits)
                if len(hits) < size:
                    break
                after = {"search_after": hits[-1]["sort"]}
        finally:
            await self._ask(self._client.close_point_in_time(id=point))
        return bodies

    def _of(self, query: Query) -> AsyncElasticsearch:
        """The client for a query: one that is bounded is not made again."""
        return self._client.options(request_timeout=query.seconds + 1, max_retries=0) if query.seconds else self._client

    async def _ask(self, request: Awaitable[Response]) -> Response:
        try:
            answer = await request
        except BadRequestError as error:
            raise QuestionRefusedError(str(refusal(error))) from error
        except (ApiError, TransportError) as error:
            raise refusal(error) from error
        if answer.get("timed_out"):
            raise TimeoutError  # of the query, for which `_in_time` names its seconds
        if shards := answer.get("_shards", {}).get("failed"):
            raise StoreError(Wording.SHARDS_SILENT(shards=shards))
        return answer


_MISSING_IS_EMPTY: JsonObject = {"ignore_unavailable": True, "allow_no_indices": True}
"""A data stream begins with its first document."""


@asynccontextmanager
async def _in_time(query: Query) -> AsyncIterator[None]:
    """End what takes longer than the query allows. Elasticsearch ends a search whose connection is closed."""
    try:
        async with asyncio.timeout(query.seconds or None):
            yield
    except TimeoutError:
        raise QueryTimeoutError(query.seconds) from None


def _page(query: Query) -> int:
    return BOUNDED_PAGE if query.max_bytes else PAGE


class _Answer:
    """The documents of a query, as long as they have no more bytes than it allows."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._size = 0
        self._bodies: list[Body] = []

    def add(self, hits: Sequence[JsonObject]) -> list[Body]:
        """All documents so far."""
        if self._query.max_bytes:
            self._size += sum(len(orjson.dumps(hit["_source"])) for hit in hits)
            if self._size > self._query.max_bytes:
                raise AnswerTooLargeError(self._query.max_bytes)
        self._bodies += [_body(self._query.kind, hit) for hit in hits]
        return self._bodies


def _body(kind: Kind, hit: JsonObject) -> Body:
    body: Body = hit["_source"]
    time = _nanoseconds(body[TIME])
    body.pop("data_stream", None)
    if kind is Kind.METRIC:
        body.pop("metrics", None)
    body = with_numbers(kind, original(body))
    body[ID], body[TIME] = hit["_id"], time
    return body


def _nanoseconds(text: str) -> int:
    """RFC 3339 as `telemetry.documents.kinds.timestamp` writes it."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(seconds + "+00:00").timestamp()) * 1_000_000_000 + int(fraction.ljust(9, "0"))
