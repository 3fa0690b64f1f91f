"""The attribute names of one data stream, as its mapping has them: read at the start and again while names join."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from elasticsearch import ApiError, NotFoundError, TransportError

from stores.elasticsearch.attribute_names import STRING, AttributeNames, fields_of
from stores.elasticsearch.client import refusal
from telemetry.resource import STORED_AS_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from elasticsearch import AsyncElasticsearch

LEARN_SECONDS = 60.0
"""Seconds after which the mapping is read again, if it has got new names: those of other processes count too."""

_HOLDERS = ("attributes.", "resource.attributes.", "scope.attributes.", "metrics.")


class StreamNames:
    """`names`, kept up to date with the mapping of a data stream's newest index."""

    def __init__(self, client: AsyncElasticsearch, stream: str, monotonic: Callable[[], float]) -> None:
        self._client, self._stream, self._monotonic = client, stream, monotonic
        self._learning = asyncio.Lock()
        self._learned: tuple[float, int] | None = None  # when, and how many names there were
        self.names = AttributeNames(monotonic)
        # Mapped by the template, not by a sender's first value.
        self.names.learn({f"resource.attributes.{name}": STRING for name in STORED_AS_TEXT})

    async def refresh(self) -> None:
        """Read the mapping, if it has not been read or names have joined since, some time ago.

        Raises:
            StoreError: Elasticsearch does not answer.
        """
        async with self._learning:
            now = self._monotonic()
            if self._learned is not None and (now < self._learned[0] + LEARN_SECONDS or len(self.names) == self._learned[1]):
                return
            try:
                found = await self._client.indices.get_mapping(index=self._stream)
            except NotFoundError:  # the stream begins with its first document
                found = None
            except (ApiError, TransportError) as error:
                raise refusal(error) from error
            if found:
                newest = max(found)  # backing indices are numbered
                properties = found[newest]["mappings"].get("properties", {})
                self.names.learn({name: type_ for name, type_ in fields_of(properties).items() if name.startswith(_HOLDERS)})
            self._learned = now, len(self.names)
