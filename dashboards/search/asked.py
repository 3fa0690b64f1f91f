"""A search of a time and an environment, as a query of the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards.read_models.reader import within
from dashboards.search.filters import filter_of
from dashboards.search.language import parse
from dashboards.search.trace_scores import scores_of
from dashboards.search.vocabulary import LOGS, SPANS
from stores.store import Query
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stores.store import Reads


@dataclass(frozen=True, slots=True)
class Asked:
    """What is searched for: `since <= time < until` in ns, in an environment or, with an empty one, in all."""

    text: str = ""
    since: int | None = None
    until: int | None = None
    environment: str = ""


async def query_of(reads: Reads, asked: Asked, kind: Kind = Kind.SPAN) -> Query:
    """The query for just the documents that a search means.

    Raises:
        SearchTextError: the text is no search.
        TooManyValuesError: a regular expression is on too many values, or more traces have scores than are read.
    """
    everything = Query(kind, within(asked.environment), asked.since, asked.until)

    async def values(path: str, limit: int) -> Sequence[str]:
        bounded = Query(kind, everything.where, asked.since, asked.until, limit=limit)
        return [bucket.value for bucket in (await reads.aggregates.facets(bounded, [path]))[path]]

    async def scores() -> Mapping[str, float]:
        return await scores_of(reads, asked.since)

    condition = await filter_of(parse(asked.text, LOGS if kind is Kind.LOG else SPANS), values, scores)
    return Query(kind, [*everything.where, condition], asked.since, asked.until)
