"""One id, one document, across the rollovers of a data stream.

Elasticsearch keeps an id unique within one backing index. A document that is written again after its data stream has
rolled over would become a second one, so what an older generation may hold is asked for there first. Which documents
these are follows from their own time: nothing is written before it happened, so what is younger than the newest
generation cannot lie in an older one. A stream of one generation costs nothing, and one of many costs only what is late.

A rollover between the question and the write shows in the answer, which names the generation that stored the document;
then the question is asked again, and a copy that has come about is removed from the newer generation.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import structlog
from elasticsearch import NotFoundError

from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch import AsyncElasticsearch

    from telemetry.documents import Document

log = structlog.get_logger(__name__)

AHEAD = 3_600_000_000_000
"""Nanoseconds by which a document's time may be ahead of Elasticsearch's clock. So long after a rollover live documents are
looked up too, at a third of what writing them costs us. A copy of one that is further ahead is not noticed."""

MOVES = 3
"""Looks at the generations before giving up: each further one is for an index that was deleted or renamed meanwhile."""

_NANOSECONDS = 1_000_000
_DELETED = frozenset({200, 404})


@dataclass(frozen=True, slots=True)
class Generation:
    """A backing index, and since when (nanoseconds since the epoch) it gets documents; 0 where nobody needs to know."""

    index: str
    since: int = 0


class Generations:
    """The generations of one data stream, oldest first, as this process knows them."""

    def __init__(self, client: AsyncElasticsearch, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._known: tuple[Generation, ...] | None = None
        self._learning = asyncio.Lock()

    async def known(self) -> tuple[Generation, ...]:
        """The generations; empty while the data stream has no document. Asked once, until `learn` is called."""
        async with self._learning:
            if self._known is None:
                self._known = await self._ask()
            return self._known

    async def learn(self, known: tuple[Generation, ...]) -> tuple[Generation, ...]:
        """The generations as they are now, given those that have proven to be out of date."""
        async with self._learning:
            if self._known == known:
                self._known = await self._ask()
                if known and len(self._known) != len(known):
                    log.info("data_stream_rolled_over", data_stream=self._stream, generations=len(self._known))
            return self._known or ()

    async def _ask(self) -> tuple[Generation, ...]:
        try:
            resolved = await self._client.indices.resolve_index(name=self._stream)
        except NotFoundError:
            return ()
        indices = [index for stream in resolved["data_streams"] for index in stream["backing_indices"]]
        if len(indices) < 2:
            return tuple(map(Generation, indices))
        created = await self._client.indices.get_settings(index=self._stream, name="index.creation_date", flat_settings=True)
        since = {index: int(found["settings"]["index.creation_date"]) * _NANOSECONDS for index, found in created.items()}
        return tuple(Generation(index, since[index]) for index in indices if index in since)  # else it was deleted just now

    async def stored(self, documents: Sequence[Document]) -> set[str]:
        """Ids of those documents that are stored already, by now in one generation each.

        Only what an older generation may hold is looked for: an id that is not given here may be in the newest.

        Raises:
            StoreError: a generation did not answer.
        """
        generations = await self.known()
        for _ in range(MOVES):
            late = _late(documents, generations)
            if not late:
                return set()
            try:
                return await self._stored_in(late, _candidates(late, generations), generations[-1])
            except _MovedError:
                generations = await self.learn(generations)
        raise StoreError(f"Elasticsearch: generations of {self._stream} keep moving; it is tried again")

    async def _stored_in(self, documents: Sequence[Document], candidates: Sequence[Generation], newest: Generation) -> set[str]:
        stored: set[str] = set()
        copies: list[tuple[str, str]] = []
        ids = [document.id for document in documents]
        for generation in candidates:
            found = await self._found(generation.index, list(stored) if generation is newest else ids)
            copies += [(generation.index, id_) for id_ in found if id_ in stored]
            stored.update(found)
        if copies:
            await self._remove(copies)
        return stored

    async def _found(self, index: str, ids: Sequence[str]) -> list[str]:
        """Those of the ids that a backing index has, refreshed or not."""
        if not ids:
            return []
        answer = await self._client.mget(
            index=index, ids=ids, source=False, filter_path=["docs._id", "docs.found", "docs.error.type"]
        )
        found = []
        for item in answer["docs"]:
            error = item.get("error", {}).get("type")
            if error == "index_not_found_exception":
                raise _MovedError
            if error:
                raise StoreError(f"Elasticsearch cannot say what {index} holds ({error}): is that index healthy?")
            if item["found"]:
                found.append(item["_id"])
        return found

    async def _remove(self, copies: Sequence[tuple[str, str]]) -> None:
        asked = [{"delete": {"_index": index, "_id": id_}} for index, id_ in copies]
        answer = await self._client.bulk(operations=asked)
        failed = [item["delete"] for item in answer["items"] if item["delete"]["status"] not in _DELETED]
        if failed:
            raise StoreError(
                f"Elasticsearch did not remove second copies ({failed[0]['error']}): has the user the right to delete?"
            )
        log.info("duplicates_removed", data_stream=self._stream, documents=len(copies))


class _MovedError(Exception):
    """A backing index is not there any more: deleted by age, or replaced by one of another name."""


def _late(documents: Sequence[Document], generations: Sequence[Generation]) -> list[Document]:
    """The documents that an older generation may hold."""
    if len(generations) < 2:
        return []
    return [document for document in documents if document.time < generations[-1].since + AHEAD]


def _candidates(late: Sequence[Document], generations: Sequence[Generation]) -> list[Generation]:
    """The generations that may hold one of them, the newest included: a copy may be there."""
    oldest = min(document.time for document in late)
    return [one for one, next_ in pairwise(generations) if oldest < next_.since + AHEAD] + [generations[-1]]
