"""Edges of a time as the store adds them up: one of each kind of call, with all corrections in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.series import histogram
from stores.layout import ENVIRONMENT
from stores.store import Aggregation, Query
from telemetry.call_graph import Edge, EdgeKey, Node, NodeKind
from telemetry.documents import Kind
from telemetry.documents.latency_bits import scale_and_index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stores.store import Filter, Reads, Totals
    from telemetry.metrics import ExponentialBuckets

KEY = (ENVIRONMENT, "caller.kind", "caller.name", "callee.kind", "callee.name", "operation", "protocol")
"""What makes two calls the same kind of call."""

SUMS = ("calls", "failures", "latency_sum", "self_time_sum", "critical_path_sum")

MAX_KINDS = 20_000
"""Kinds of calls of one answer."""

EXEMPLARS = 4


ZEROS = -(1 << 20)
"""Below the index of every bucket."""


def latency_of(buckets: Mapping[int, int]) -> ExponentialBuckets:
    """The histogram of a group: at the coarsest scale of its documents, as merging them one by one gives it."""
    scale, counts = counts_of(buckets)
    return histogram.of_counts(scale, counts.pop(ZEROS, 0), counts)


def counts_of(buckets: Mapping[int, int]) -> tuple[int, dict[int, int]]:
    """The coarsest scale of a group's buckets, and the counts by index at that scale; `ZEROS` is where zeros are."""
    read = [(*scale_and_index(bucket), count) for bucket, count in buckets.items()]
    scale = min([scale for scale, _, _ in read], default=histogram.MAX_SCALE)
    counts: dict[int, int] = {}
    for own, index, count in read:
        place = ZEROS if index is None else index >> (own - scale)
        counts[place] = counts.get(place, 0) + count
    return scale, counts


def edge_of(group: Totals) -> Edge:
    """The edge of a group by `KEY`."""
    environment, caller_kind, caller, callee_kind, callee, operation, protocol = group.key
    key = EdgeKey(_node(caller_kind, caller), _node(callee_kind, callee), operation, protocol, environment)
    calls, failures, total, self_time, critical = group.sums
    slowest = exemplars_of(group)
    return Edge(
        key,
        group.oldest,
        group.newest - group.oldest + int(group.peaks[0]),
        calls,
        failures,
        total,
        latency_of(group.buckets),
        self_time,
        critical,
        tuple(bytes.fromhex(trace_id) for trace_id in slowest),
        tuple(slowest.values()),
    )


def exemplars_of(group: Totals) -> dict[str, int]:
    """Trace ids of the slowest calls of a group and how long each was, slowest first."""
    longest: dict[str, int] = {}
    for sample in group.samples:
        ids, durations = sample["exemplars"], sample["exemplar_durations"]
        if isinstance(ids, list) and isinstance(durations, list):
            for trace_id, duration in zip(ids, durations, strict=False):
                longest[trace_id] = max(duration, longest.get(trace_id, 0))
    return dict(sorted(longest.items(), key=lambda item: (-item[1], item[0]))[:EXEMPLARS])


async def edges_by_kind(
    reads: Reads,
    since: int | None,
    until: int | None,
    where: Sequence[Filter] = (),
    by: Sequence[str] = KEY,
    *,
    samples: bool = True,
) -> list[Totals]:
    """What the edges of a time add up to, by kind of call or by fewer fields of it.

    Raises:
        StoreError: the store does not answer, or there are more than `MAX_KINDS`.
    """
    query = Query(Kind.EDGE, where, since, until, limit=MAX_KINDS)
    sampled = ("exemplars", "exemplar_durations") if samples else ()
    return await reads.totals(Aggregation(query, by, 0, SUMS, ("width",), "latency_bits", sampled, "exemplar_durations"))


def _node(kind: str, name: str) -> Node:
    return Node(NodeKind(kind), name)
