"""What slow or failed spans have in common: values, and operations of their traces, that the rest has less often."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dashboards.read_models.attribute_values import candidates
from dashboards.read_models.waterfall import service_of
from dashboards.search.asked import query_of
from dashboards.search.filters import paths_of
from dashboards.search.vocabulary import SPANS
from processors.root_cause.overrepresented import overrepresented
from stores.store import Equals, Not, OneOf, Query, Range
from telemetry.documents import Kind

if TYPE_CHECKING:
    from dashboards.search.asked import Asked
    from processors.root_cause.overrepresented import Overrepresented
    from stores.store import Filter, Reads

MAX_FIELDS = 100
"""Attributes that are compared, by name."""

MAX_VALUES = 20
"""Values of each, the most frequent among the picked spans."""

REST_VALUES = 1_000
"""Values of each in the rest: what is not among them is counted by itself."""

MAX_COUNTED = 30
"""Values that are counted by themselves; further ones are not tested."""

SAMPLE = 100
"""Traces of each side whose calls are compared."""

MAX_SPANS = 10_000
"""Spans read of a side's sample."""

TEST = (
    "One-sided exact test of Fisher's on the counts of spans, for calls on those of traces; p is multiplied by the number of "
    "values tested. Spans of one trace are not independent: read p as an order."
)

Value = tuple[str, str]
"""A field, as a search names it, and its value; or a service and its operation."""


@dataclass(frozen=True, slots=True)
class Sides:
    """How many are picked, how many are not, how many values were tested, and those that stand out."""

    picked: int
    rest: int
    tested: int
    found: list[Overrepresented[Value]]


@dataclass(frozen=True, slots=True)
class Common:
    """What spans have in common that are slower than the threshold, or that failed where there is none."""

    threshold: int | None
    values: Sides
    calls: Sides


async def common(reads: Reads, asked: Asked, slower_than: int | None, *, failed: bool = False) -> Common:
    """What the picked of the spans of a search have in common: the failed, or the slower; of themselves the slowest twentieth.

    Raises as `query_of` and `BoundedReads.find` do.
    """
    query = await query_of(reads, asked)
    picks: Filter = Equals("status.code", "Error")
    if not failed:
        if slower_than is None:
            spread = next(iter(await reads.aggregates.spreads(query, [], "duration")), None)
            slower_than = spread.p95 if spread else 0
        picks = Range("duration", at_least=slower_than + 1)
    picked = replace(query, where=[*query.where, picks])
    rest = replace(query, where=[*query.where, Not(picks)])
    values = await _values(reads, picked, rest, frozenset({"status.code"} if failed else ()))
    return Common(None if failed else slower_than, values, await _calls(reads, picked, rest))


async def _values(reads: Reads, picked: Query, rest: Query, without: frozenset[str]) -> Sides:
    names = await reads.aggregates.names(replace(picked, limit=MAX_FIELDS), "")
    shown = {path: name for name in ("service", "operation", "kind", "status") for path in paths_of(SPANS.field(name))}
    shown |= {f"{one.place}.{one.name}": one.name for one in names if f"{one.place}.{one.name}" not in shown}
    paths = [path for path in shown if path not in without]
    picked_all, rest_all = await reads.count(picked), await reads.count(rest)
    if not picked_all or not rest_all:
        return Sides(picked_all, rest_all, 0, [])
    ours = await reads.aggregates.facets(replace(picked, limit=MAX_VALUES), paths)
    theirs = await reads.aggregates.facets(replace(rest, limit=REST_VALUES), paths)
    counts: dict[Value, tuple[int, int]] = {}
    counted = 0
    for path in paths:
        known = {bucket.value: bucket.documents for bucket in theirs[path]}
        for bucket in ours[path]:
            number = known.get(bucket.value, 0)
            if bucket.value not in known and len(known) >= REST_VALUES:
                if counted >= MAX_COUNTED:
                    continue
                counted += 1
                number = await reads.count(replace(rest, where=[*rest.where, _is(path, bucket.value)]))
            counts[shown[path], bucket.value] = (bucket.documents, number)
    return Sides(picked_all, rest_all, len(counts), overrepresented(counts, picked_all, rest_all))


def _is(path: str, value: str) -> Filter:
    return OneOf(path, candidates(value))


async def _calls(reads: Reads, picked: Query, rest: Query) -> Sides:
    """Operations that the traces of the picked have and the traces of the rest have not, of a sample of each."""
    ours = [
        group.value
        for group in await reads.aggregates.groups(replace(picked, descending=True, limit=SAMPLE), "trace_id", "duration")
    ]
    known = set(ours)
    groups = await reads.aggregates.groups(replace(rest, descending=True, limit=2 * SAMPLE), "trace_id", "duration")
    theirs = [group.value for group in groups if group.value not in known][:SAMPLE]
    in_ours, in_theirs = await asyncio.gather(_operations(reads, ours), _operations(reads, theirs))
    counts = {value: (number, in_theirs[value]) for value, number in in_ours.items()}
    return Sides(len(ours), len(theirs), len(counts), overrepresented(counts, len(ours), len(theirs)))


async def _operations(reads: Reads, trace_ids: list[str]) -> Counter[Value]:
    """In how many of the traces each operation is."""
    if not trace_ids:
        return Counter()
    spans = await reads.find(Query(Kind.SPAN, [OneOf("trace_id", trace_ids)], limit=MAX_SPANS))
    in_traces = {(span["trace_id"], service_of(span), span["name"]) for span in spans}
    return Counter((service, name) for _, service, name in in_traces)
