"""Documents to Elasticsearch in bulk: created where missing, retried where busy, refused with a reason where unfit."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from elasticsearch import ApiError, TransportError

from stores.checks import UnstorableError
from stores.elasticsearch.bulk_requests import REQUEST_SECONDS, UNFIT, UNREADABLE, BulkRequests, action, failure, reason
from stores.elasticsearch.client import refusal
from stores.elasticsearch.generations import Generations
from stores.elasticsearch.source import plain, source
from stores.elasticsearch.stream_names import StreamNames
from stores.elasticsearch.templates import data_stream, data_stream_fields
from stores.layout import SIGNALS
from stores.store import Rejected, Written
from telemetry.documents import Kind
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from elasticsearch import AsyncElasticsearch

    from stores.elasticsearch.bulk_requests import Action, Answer
    from telemetry.documents import Document

CONCURRENT = 2
"""Bulk requests in flight. One thread of Elasticsearch takes each; a third found no more throughput on two cores."""

CHUNK = 2000
CHUNK_BYTES = 10 * 1024 * 1024
"""Documents and bytes of one request at most: Elastic advises 5 to 15 MB."""


class BulkWriter:
    """Writes documents to the data streams of a namespace. Holds no document between calls."""

    def __init__(self, client: AsyncElasticsearch, namespace: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        # A lost connection is tried again by the client, a busy server by us, item by item.
        self._client = client.options(retry_on_status=(), request_timeout=REQUEST_SECONDS)
        self._requests = BulkRequests(self._client)
        self._slots = asyncio.Semaphore(CONCURRENT)
        self._streams = {kind: data_stream(kind, namespace) for kind in Kind}
        self._fields = {kind: data_stream_fields(kind, namespace) for kind in Kind}
        self._names = {kind: StreamNames(self._client, self._streams[kind], monotonic) for kind in SIGNALS}
        self._unmapped = self._plain = 0
        self._generations = {kind: Generations(self._client, stream) for kind, stream in self._streams.items()}

    async def write(self, documents: Sequence[Document]) -> Written:
        """Create what is missing.

        Raises:
            StoreError: Elasticsearch cannot be reached, stays busy, or lacks the templates. Writing again is safe.
        """
        for kind in {document.kind for document in documents} & SIGNALS:
            await self._names[kind].refresh()
        created, rejected = 0, list[Rejected]()
        left = documents
        while left:
            firsts, again = _firsts(left)
            more, refused = await self._write(firsts)
            created += more
            rejected += refused
            # The second of an id counts as existing only where the first was stored.
            not_stored = {(one.document.kind, one.document.id) for one in refused}
            left = [document for document in again if (document.kind, document.id) in not_stored]
        return Written(created, len(documents) - created - len(rejected), tuple(rejected))

    def counters(self) -> dict[str, int]:
        """Documents of which something, or all, is unmapped, and names that were over a bound, by which."""
        refused: Counter[str] = Counter()
        for of_stream in self._names.values():
            refused.update({f"names_over_{bound}": count for bound, count in of_stream.names.refused.items()})
        return {"unmapped": self._unmapped, "plain": self._plain, **refused}

    async def _write(self, documents: Sequence[Document]) -> tuple[int, list[Rejected]]:
        """Created, and rejected, of documents of which no two have an id."""
        actions: dict[Kind, list[Action]] = defaultdict(list)
        rejected: list[Rejected] = []
        for document in documents:
            try:
                actions[document.kind].append(self._action(document))
            except UnstorableError as error:
                rejected.append(Rejected(document, str(error), unstorable=True))
        chunks = [(kind, part) for kind, of_kind in actions.items() for part in _parts(of_kind)]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._chunk(kind, chunk)) for kind, chunk in chunks]
        except* StoreError as errors:
            raise errors.exceptions[0] from None
        rejected += [one for task in tasks for one in task.result()[1]]
        return sum(task.result()[0] for task in tasks), rejected

    async def _chunk(self, kind: Kind, chunk: Sequence[Action]) -> tuple[int, list[Rejected]]:
        """Created, and rejected, of documents of one kind."""
        async with self._slots:
            try:
                return await self._create(self._streams[kind], self._generations[kind], chunk)
            except (ApiError, TransportError) as error:
                raise refusal(error) from error

    def _action(self, document: Document) -> Action:
        """A document as a request has it.

        Raises:
            UnstorableError: it is nothing that Elasticsearch would store.
        """
        kind = document.kind
        text, has_rest = source(document, self._names[kind].names if kind in SIGNALS else None, self._fields[kind])
        self._unmapped += has_rest
        return action(document, text)

    async def _create(self, stream: str, generations: Generations, chunk: Sequence[Action]) -> tuple[int, list[Rejected]]:
        known = await generations.known()
        stored = await generations.stored([one.document for one in chunk])
        answers = await self._requests.send(stream, [one for one in chunk if one.document.id not in stored])
        answers, rejected = await self._retry_plain(stream, answers)
        indices = {generation.index for generation in known}
        strangers = [document for document, outcome in answers if outcome.get("_index", stream) not in {stream, *indices}]
        if strangers:  # the stream has begun, or rolled over, since `known`
            await generations.learn(known)
            stored = await generations.stored(strangers)
        created = 0
        for document, outcome in answers:
            match outcome["status"]:
                case 201:
                    created += document.id not in stored
                case 409:
                    pass
                case _:
                    raise failure(outcome)
        return created, rejected

    async def _retry_plain(self, stream: str, answers: Sequence[Answer]) -> tuple[list[Answer], list[Rejected]]:
        """What becomes of documents that a mapping refuses, whatever it says: each is offered once more, unmapped."""
        fine = [answer for answer in answers if answer[1]["status"] not in UNFIT]
        if len(fine) == len(answers):
            return fine, []
        first = {document.id: outcome for document, outcome in answers if outcome["status"] in UNFIT}
        again, rejected = [], []
        for document, outcome in answers:
            if outcome["status"] in UNFIT:
                try:
                    again.append(action(document, plain(document, self._fields[document.kind])))
                except UnstorableError as error:
                    rejected.append(Rejected(document, str(error), unstorable=True))
        for document, outcome in await self._requests.send(stream, again):
            if outcome["status"] not in UNFIT:
                self._plain += 1
                fine.append((document, outcome))
            elif outcome["status"] in UNREADABLE or fine:
                rejected.append(Rejected(document, reason(first[document.id]["error"])))
            else:  # Elasticsearch has an error of its own with all there is: it is not this document
                raise failure(outcome)
        return fine, rejected


def _firsts(documents: Sequence[Document]) -> tuple[list[Document], list[Document]]:
    """The first of each kind and id, and the others."""
    firsts: dict[tuple[Kind, str], Document] = {}
    again = []
    for document in documents:
        key = document.kind, document.id
        if key in firsts:
            again.append(document)
        else:
            firsts[key] = document
    return list(firsts.values()), again


def _parts(actions: Iterable[Action]) -> Iterator[list[Action]]:
    """What fits into a request each."""
    part: list[Action] = []
    size = 0
    for one in actions:
        if part and (len(part) == CHUNK or size + len(one.lines) > CHUNK_BYTES):
            yield part
            part, size = [], 0
        part.append(one)
        size += len(one.lines)
    if part:
        yield part
