"""What a store counts over documents without handing them out: groups, facets, grids, spreads, and names of attributes.

Fields are named as in `stores.store`. A list counts once for each of its values. Numbers stand in facets as text: `200`, `0.5`.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_DEPTH = 10_000
"""Groups that can be reached by paging: Elasticsearch's `index.max_result_window`."""

EXACT_DISTINCT = 20_000
"""Values up to which every store counts exactly how many there are."""


@dataclass(frozen=True, slots=True)
class Group:
    """Documents that share a value: how many, and the greatest of what was measured."""

    value: str
    documents: int
    greatest: int


@dataclass(frozen=True, slots=True)
class Distinct:
    """How many values there are; about so many where it is not exact."""

    count: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Bucket:
    """A value of a facet, and how many documents have it."""

    value: str
    documents: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How a number is spread over the documents that share these values. The quantiles may be estimates."""

    values: tuple[str, ...]
    documents: int
    least: int
    greatest: int
    median: int
    p95: int


@dataclass(frozen=True, slots=True)
class AttributeName:
    """An attribute that documents have: `place` is `attributes`, `resource.attributes` or `scope.attributes`.

    `type` is `string`, `number`, `boolean` or `mixed`.
    """

    place: str
    name: str
    type: str
