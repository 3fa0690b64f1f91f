"""Counts that people ask of the store, within the bounds of their other questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from stores.aggregates import AttributeName, Bucket, Distinct, Group, Spread
    from stores.store import Aggregates, Query

Answer = TypeVar("Answer")


class Bounded(Protocol):
    """Asks a query within bounds."""

    async def __call__(self, query: Query, ask: Callable[[Query], Awaitable[Answer]], /) -> Answer:
        """The answer to the query with its bounds."""
        ...


class BoundedAggregates:
    """`Aggregates` of which each answer has its slot, its time and its size.

    Args:
        counted: the store's.
        bounded: gives a query its bounds, and a slot.
    """

    def __init__(self, counted: Aggregates, bounded: Bounded) -> None:
        self._counted, self._bounded = counted, bounded

    async def groups(self, query: Query, field: str, measure: str, offset: int = 0) -> list[Group]:
        """Groups by a keyword field."""
        return await self._bounded(query, lambda asked: self._counted.groups(asked, field, measure, offset))

    async def distinct(self, query: Query, field: str) -> Distinct:
        """How many values of a keyword field there are."""
        return await self._bounded(query, lambda asked: self._counted.distinct(asked, field))

    async def facets(self, query: Query, fields: Sequence[str]) -> Mapping[str, list[Bucket]]:
        """For each field the most frequent values."""
        return await self._bounded(query, lambda asked: self._counted.facets(asked, fields))

    async def spreads(self, query: Query, by: Sequence[str], measure: str) -> list[Spread]:
        """The spread of an integer field by keyword fields."""
        return await self._bounded(query, lambda asked: self._counted.spreads(asked, by, measure))

    async def grid(
        self, query: Query, origin: int, step: int, measure: str, bounds: Sequence[int]
    ) -> Mapping[tuple[int, int], int]:
        """Documents by time and by an integer field."""
        return await self._bounded(query, lambda asked: self._counted.grid(asked, origin, step, measure, bounds))

    async def names(self, query: Query, prefix: str) -> list[AttributeName]:
        """Attributes whose name begins so."""
        return await self._bounded(query, lambda asked: self._counted.names(asked, prefix))
