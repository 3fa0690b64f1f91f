"""Documents to Elasticsearch in bulk: created where missing, retried where busy, refused with a reason where unfit."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import orjson
from elasticsearch import TransportError
from elasticsearch.helpers import async_streaming_bulk

from stores.store import Rejected, Written
from stores.templates import data_stream
from telemetry.documents import Kind, timestamp
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from elasticsearch import AsyncElasticsearch

    from telemetry.documents import Document

CONCURRENT = 2
"""Bulk requests in flight. One thread of Elasticsearch takes each; a third found no more throughput on two cores."""

CHUNK = 2000
CHUNK_BYTES = 10 * 1024 * 1024
"""Documents and bytes of one request at most: Elastic advises 5 to 15 MB. A single document over it is rejected."""

ID_BYTES = 512
"""Elasticsearch's limit. An id over it would fail the whole request."""

BUSY = (429, 500, 502, 503, 504)
RETRIES = 5
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0
"""Seconds between tries, doubled each time: 6 s in all, then the caller decides."""

_BAD_REQUEST, _NOT_FOUND, _CONFLICT = 400, 404, 409

Action = tuple[dict[str, Any], bytes]


class BulkWriter:
    """Writes documents to the data streams of a namespace. Holds no document between calls."""

    def __init__(self, client: AsyncElasticsearch, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._slots = asyncio.Semaphore(CONCURRENT)

    async def write(self, documents: Sequence[Document]) -> Written:
        """Create what is missing.

        Raises:
            StoreError: Elasticsearch cannot be reached, stays busy, or lacks the templates. Writing again is safe.
        """
        actions: dict[Kind, dict[str, tuple[Document, Action]]] = defaultdict(dict)
        rejected: list[Rejected] = []
        again: list[Document] = []
        for document in documents:
            of_kind = actions[document.kind]
            if document.id in of_kind:
                again.append(document)
                continue
            try:
                of_kind[document.id] = document, self._action(document)
            except (TypeError, ValueError) as error:
                rejected.append(Rejected(document, str(error)))
        chunks = [part for of_kind in actions.values() for part in _parts(list(of_kind.values()))]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._chunk(chunk)) for chunk in chunks]
        except* StoreError as errors:
            raise errors.exceptions[0] from None
        created = sum(task.result()[0] for task in tasks)
        rejected += [one for task in tasks for one in task.result()[1]]
        refused = {(one.document.kind, one.document.id) for one in rejected}
        # The second of an id counts as existing only where the first was taken.
        untold = [document for document in again if (document.kind, document.id) in refused]
        rest = await self.write(untold) if untold else Written(0, 0)
        rejected += rest.rejected
        created += rest.created
        return Written(created, len(documents) - created - len(rejected), tuple(rejected))

    def _action(self, document: Document) -> Action:
        if not 0 < len(document.id.encode()) <= ID_BYTES:
            raise ValueError(f"_id: {len(document.id)} characters, must be 1 to {ID_BYTES} bytes")
        source = orjson.dumps({**document.body, "@timestamp": timestamp(document.time), **_metric(document)})
        if len(source) > CHUNK_BYTES:
            raise ValueError(f"{len(source)} bytes, at most {CHUNK_BYTES}")
        return {"create": {"_index": data_stream(document.kind, self._namespace), "_id": document.id}}, source

    async def _chunk(self, chunk: list[tuple[Document, Action]]) -> tuple[int, list[Rejected]]:
        """Created, and rejected, of documents of one kind."""
        by_id = {document.id: document for document, _ in chunk}
        created, rejected = 0, []
        async with self._slots:
            try:
                results = async_streaming_bulk(
                    self._client,
                    [{"header": header, "source": source} for _, (header, source) in chunk],
                    expand_action_callback=_lines,
                    chunk_size=CHUNK,
                    max_chunk_bytes=CHUNK_BYTES,
                    max_retries=RETRIES,
                    initial_backoff=FIRST_WAIT,
                    max_backoff=LONGEST_WAIT,
                    retry_on_status=BUSY,
                    raise_on_error=False,
                    raise_on_exception=False,
                    require_data_stream=True,
                )
                async for ok, item in results:
                    outcome = item["create"]
                    if ok:
                        created += 1
                    elif outcome["status"] == _BAD_REQUEST and "exception" not in outcome:
                        rejected.append(Rejected(by_id[outcome["_id"]], _reason(outcome["error"])))
                    elif outcome["status"] != _CONFLICT:
                        raise _failure(outcome)
            except TransportError as error:
                raise StoreError(f"Elasticsearch cannot be reached ({error}): is it running, is its address right?") from error
        return created, rejected


def _lines(action: Any) -> Action:
    """The two lines of an action: the document is JSON already, for it was measured."""
    return action["header"], action["source"]


def _parts(items: list[tuple[Document, Action]]) -> Iterable[list[tuple[Document, Action]]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def _metric(document: Document) -> dict[str, Any]:
    """A point's value under the metric's name too, as Elastic's exporter has it and its dashboards read it."""
    body = document.body
    return (
        {"metrics": {body["name"]: body["value"]}} if document.kind is Kind.METRIC and {"name", "value"} <= body.keys() else {}
    )


def _reason(error: Any) -> str:
    """Elasticsearch's reason with its deepest cause, which is the one that names the field."""
    if not isinstance(error, dict):
        return str(error)
    cause = error.get("caused_by")
    return f"{error.get('reason')}" + (f": {_reason(cause)}" if cause else "")


def _failure(outcome: dict[str, Any]) -> StoreError:
    reason = _reason(outcome["error"])
    if outcome["status"] == _NOT_FOUND:
        return StoreError(f"Elasticsearch lacks a data stream: run `spanloom setup elasticsearch` ({reason})")
    return StoreError(f"Elasticsearch did not take documents (status {outcome['status']}): {reason}")
