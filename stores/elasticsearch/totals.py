"""An aggregation in Elasticsearch's query DSL, and its answer. No scripts: a cluster may forbid them.

A `composite` goes through all groups page by page, so that none is left out; `terms` on the numbers of `latency_bits` counts
documents by number, from which the counts of buckets follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.elasticsearch.search import TIME
from stores.layout import ENVIRONMENT
from stores.store import SAMPLES, Totals
from telemetry.documents.latency_bits import bucket_of, weight_of
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stores.store import Aggregation
    from telemetry.json_object import JsonObject

GROUPS, GROUPS_WITH_BITS = 1000, 100
"""Groups of a page. Each has some hundred numbers of a histogram, and a search at most 65,536 buckets (search.max_buckets)."""

MAX_NUMBERS = 10_000
"""Of a histogram: more than there are of latencies from 1 ns to 292 years, at 32 bits each and one scale."""

_MILLISECOND = 1_000_000


def request(asked: Aggregation, after: JsonObject | None) -> JsonObject:
    """The `aggs` of a page, which begins after the group that the last one ended with."""
    size = GROUPS_WITH_BITS if asked.bits or asked.samples else GROUPS
    within: JsonObject = {f"sum{place}": {"sum": {"field": field}} for place, field in enumerate(asked.sums)}
    within |= {f"peak{place}": {"max": {"field": field}} for place, field in enumerate(asked.peaks)}
    within |= {"oldest": {"min": {"field": TIME}}, "newest": {"max": {"field": TIME}}}
    if asked.bits:
        within["bits"] = {"terms": {"field": asked.bits, "size": MAX_NUMBERS}}
    if asked.samples:
        order = {asked.sample_by: {"order": "desc", "mode": "max", "unmapped_type": "long"}}
        within["samples"] = {"top_hits": {"size": SAMPLES, "sort": [order], "_source": list(asked.samples)}}
    # Without a field the groups are by the environment, and added up.
    fields = list(asked.by) or [ENVIRONMENT]
    sources: list[JsonObject] = [
        {f"key{place}": {"terms": {"field": field, "missing_bucket": True}}} for place, field in enumerate(fields)
    ]
    if asked.step:
        milliseconds = f"{asked.step // _MILLISECOND}ms"
        sources.append({"start": {"date_histogram": {"field": TIME, "fixed_interval": milliseconds}}})
    composite: JsonObject = {"size": size, "sources": sources} | ({"after": after} if after else {})
    return {"groups": {"composite": composite, "aggs": within}}


def added_up(asked: Aggregation, buckets: Iterable[JsonObject]) -> list[Totals]:
    """The groups of all pages. Those of the two ways to name no environment are one."""
    found: dict[tuple[tuple[str, ...], int], Totals] = {}
    for bucket in buckets:
        key = tuple(_text(field, bucket["key"][f"key{place}"]) for place, field in enumerate(asked.by))
        group = Totals(
            key,
            bucket["key"].get("start", 0) * _MILLISECOND,
            bucket["doc_count"],
            tuple(round(bucket[f"sum{place}"]["value"]) for place in range(len(asked.sums))),
            tuple(bucket[f"peak{place}"]["value"] or 0.0 for place in range(len(asked.peaks))),
            _nanoseconds(bucket["oldest"]["value"]),
            _nanoseconds(bucket["newest"]["value"]),
            _counts(bucket["bits"]) if asked.bits else {},
            _samples(asked, bucket) if asked.samples else (),
        )
        known = found.get((key, group.start))
        found[key, group.start] = group if known is None else _added(asked, known, group)
    return list(found.values())


def _samples(asked: Aggregation, bucket: JsonObject) -> tuple[JsonObject, ...]:
    found = [hit["_source"] for hit in bucket["samples"]["hits"]["hits"]]
    return tuple(source for source in found if source.get(asked.sample_by))


def _text(field: str, value: object) -> str:
    text = "" if value is None else str(value)
    return text or DEFAULT_ENVIRONMENT if field == ENVIRONMENT else text


def _nanoseconds(milliseconds: float | None) -> int:
    return int(milliseconds or 0) * _MILLISECOND


def _counts(terms: JsonObject) -> dict[int, int]:
    if terms.get("sum_other_doc_count"):
        raise StoreError(f"Elasticsearch: a histogram of more than {MAX_NUMBERS} numbers")
    counts: dict[int, int] = {}
    for term in terms["buckets"]:
        number = term["key"]
        bucket = bucket_of(number)
        counts[bucket] = counts.get(bucket, 0) + weight_of(number) * term["doc_count"]
    return {bucket: count for bucket, count in counts.items() if count}


def _added(asked: Aggregation, one: Totals, other: Totals) -> Totals:
    buckets = dict(one.buckets)
    for bucket, count in other.buckets.items():
        buckets[bucket] = buckets.get(bucket, 0) + count

    def most(sample: Mapping[str, object]) -> int:
        values = sample[asked.sample_by]
        return max(values) if isinstance(values, list) else 0

    return Totals(
        one.key,
        one.start,
        one.documents + other.documents,
        tuple(here + there for here, there in zip(one.sums, other.sums, strict=True)),
        tuple(map(max, one.peaks, other.peaks)),
        min(one.oldest, other.oldest),
        max(one.newest, other.newest),
        {bucket: count for bucket, count in buckets.items() if count},
        tuple(sorted((*one.samples, *other.samples), key=most, reverse=True)[:SAMPLES]),
    )
