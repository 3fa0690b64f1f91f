"""Documents to Elasticsearch in bulk: created where missing, retried where busy, refused with a reason where unfit."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from elasticsearch import ApiError, TransportError

from stores.elasticsearch_access import refusal
from stores.generations import Generations
from stores.store import Rejected, Written
from stores.templates import data_stream, data_stream_fields
from telemetry.documents import Kind, timestamp
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from elasticsearch import AsyncElasticsearch

    from telemetry.documents import Body, Document

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

REQUEST_SECONDS = 60.0
"""How long Elasticsearch may take for a request. One that is given up goes on there, and the next adds to its load."""

_NOT_FOUND = 404

_ANSWER = ["items.create.status", "items.create._index", "items.create.error"]
"""What is read of an answer: half of its bytes are not sent."""


class _Action(NamedTuple):
    """A document with its two lines of a request."""

    document: Document
    lines: bytes


Answer = tuple["Document", dict[str, Any]]
"""A document and what Elasticsearch says of it."""


class BulkWriter:
    """Writes documents to the data streams of a namespace. Holds no document between calls."""

    def __init__(self, client: AsyncElasticsearch, namespace: str) -> None:
        # A lost connection is tried again by the client, a busy server by us, item by item.
        self._client = client.options(retry_on_status=(), request_timeout=REQUEST_SECONDS)
        self._slots = asyncio.Semaphore(CONCURRENT)
        self._streams = {kind: data_stream(kind, namespace) for kind in Kind}
        self._fields = {kind: data_stream_fields(kind, namespace) for kind in Kind}
        self._generations = {kind: Generations(self._client, stream) for kind, stream in self._streams.items()}

    async def write(self, documents: Sequence[Document]) -> Written:
        """Create what is missing.

        Raises:
            StoreError: Elasticsearch cannot be reached, stays busy, or lacks the templates. Writing again is safe.
        """
        actions: dict[Kind, dict[str, _Action]] = defaultdict(dict)
        rejected: list[Rejected] = []
        again: list[Document] = []
        for document in documents:
            of_kind = actions[document.kind]
            if document.id in of_kind:
                again.append(document)
                continue
            try:
                of_kind[document.id] = _action(document, self._fields[document.kind])
            except (TypeError, ValueError) as error:
                rejected.append(Rejected(document, str(error)))
        chunks = [(kind, part) for kind, of_kind in actions.items() for part in _parts(of_kind.values())]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._chunk(kind, chunk)) for kind, chunk in chunks]
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

    async def _chunk(self, kind: Kind, chunk: Sequence[_Action]) -> tuple[int, list[Rejected]]:
        """Created, and rejected, of documents of one kind."""
        async with self._slots:
            try:
                return await self._create(self._streams[kind], self._generations[kind], chunk)
            except (ApiError, TransportError) as error:
                raise refusal(error) from error

    async def _create(self, stream: str, generations: Generations, chunk: Sequence[_Action]) -> tuple[int, list[Rejected]]:
        known = await generations.known()
        held = await generations.held([action.document for action in chunk])
        answers = await self._send(stream, [action for action in chunk if action.document.id not in held])
        indices = {generation.index for generation in known}
        strangers = [document for document, outcome in answers if outcome.get("_index", stream) not in {stream, *indices}]
        if strangers:  # the stream has begun, or rolled over, since `known`
            await generations.learn(known)
            held = await generations.held(strangers)
        created, rejected = 0, []
        for document, outcome in answers:
            match outcome["status"]:
                case 201:
                    created += document.id not in held
                case 409:
                    pass
                case 400:
                    rejected.append(Rejected(document, _reason(outcome["error"])))
                case _:
                    raise _failure(outcome)
        return created, rejected

    async def _send(self, stream: str, actions: Sequence[_Action]) -> list[Answer]:
        """What Elasticsearch says of each document in the end: those that it is too busy for are sent again."""
        answers: list[Answer] = []
        attempt = 0
        while actions:
            body: Any = b"".join(action.lines for action in actions)
            busy: list[_Action] = []
            try:
                response = await self._client.bulk(index=stream, operations=body, require_data_stream=True, filter_path=_ANSWER)
            except ApiError as error:
                if error.status_code not in BUSY or attempt == RETRIES:
                    raise
                busy += actions
            else:
                for action, item in zip(actions, response["items"], strict=True):
                    outcome = item["create"]
                    if outcome["status"] in BUSY and attempt < RETRIES:
                        busy.append(action)
                    else:
                        answers.append((action.document, outcome))
            actions = busy
            if actions:
                await asyncio.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2**attempt))
                attempt += 1
        return answers


def _action(document: Document, fields: Body) -> _Action:
    """A document as a request has it, with what Elasticsearch has of it beside its body.

    Raises:
        TypeError, ValueError: it is nothing that Elasticsearch would take.
    """
    if not 0 < len(document.id.encode()) <= ID_BYTES:
        raise ValueError(f"_id: {len(document.id)} characters, must be 1 to {ID_BYTES} bytes")
    source = orjson.dumps({**document.body, "@timestamp": timestamp(document.time), **_metric(document), **fields})
    if len(source) > CHUNK_BYTES:
        raise ValueError(f"{len(source)} bytes, at most {CHUNK_BYTES}")
    return _Action(document, b'{"create":{"_id":%b}}\n%b\n' % (orjson.dumps(document.id), source))


def _parts(actions: Iterable[_Action]) -> Iterator[list[_Action]]:
    """What fits into a request each."""
    part: list[_Action] = []
    size = 0
    for action in actions:
        if part and (len(part) == CHUNK or size + len(action.lines) > CHUNK_BYTES):
            yield part
            part, size = [], 0
        part.append(action)
        size += len(action.lines)
    if part:
        yield part


def _metric(document: Document) -> Body:
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
