"""A trace's times by one clock, from the estimates of clock skew that the stream has stored around its time."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from processors.call_graph.adjusted_times import adjusted
from processors.call_graph.clock_skew import ClockSkew, Skew, agreed
from processors.call_graph.critical_path import critical_path
from processors.call_graph.span_tree import SpanTree
from stores.store import OneOf, Query
from telemetry.documents import Kind, segment_body
from telemetry.documents.read_back import hop_from_body, span_from_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stores.store import Reads
    from telemetry.documents import Body
    from telemetry.spans import Span

OFFSET, ERROR = "spanloom.clock.skew", "spanloom.clock.skew.error"

AROUND = 300_000_000_000
"""Nanoseconds before and after a trace whose estimates are asked for: one is stored each minute."""

MAX_ESTIMATES = 10_000
"""Ten minutes of five hundred pairs, each with its error. More are not read."""


async def with_adjusted_times(store: Reads, spans: Sequence[Body], hops: Sequence[Body]) -> list[Body]:
    """Span documents, each with `adjusted`: `start` by the clock of the trace's root, `shift` and its `error`.

    Nanoseconds; `error` is None where nothing is known of the host's clock. What is recorded stays as it is.

    Raises:
        StoreError: the store does not answer.
    """
    read = [span_from_body(body) for body in spans]
    estimate = await _estimates(store, read, hops)
    times = {
        item.span_id.hex(): {"start": item.adjusted_start, "shift": item.shift, "error": item.error}
        for item in adjusted(read, estimate)
    }
    return [body | {"adjusted": times[body["span_id"]]} for body in spans]


def by_root_clock(spans: Sequence[Body], logs: Iterable[Body]) -> tuple[list[Body], list[Body], list[Body]]:
    """Spans at their `adjusted` times, the critical path that follows from them, and the spans' logs, moved along."""
    shifts = {span["span_id"]: span["adjusted"]["shift"] for span in spans}
    moved = [span | {"start": span["adjusted"]["start"]} for span in spans]
    path = critical_path(SpanTree([span_from_body(span) for span in moved]))
    return (
        moved,
        [segment_body(segment) for segment in path],
        [log | {"@timestamp": log["@timestamp"] + shifts.get(log.get("span_id", ""), 0)} for log in logs],
    )


async def _estimates(store: Reads, spans: Sequence[Span], hops: Sequence[Body]) -> Callable[[str, str], Skew | None]:
    """What the stream has learned of the pairs of hosts; where there is no estimate yet, that from the trace's own hops."""
    own = ClockSkew()
    for body in hops:
        hop = hop_from_body(body)
        own.add(hop, hop.start)
    hosts = sorted({span.resource.host for span in spans} - {""})
    if len(hosts) < 2:
        return own.estimate
    start = min(span.start for span in spans)
    where = [OneOf("name", [OFFSET, ERROR]), OneOf("attributes.host", hosts), OneOf("attributes.other", hosts)]
    found = await store.find(Query(Kind.METRIC, where, start - AROUND, start + AROUND, limit=MAX_ESTIMATES))
    values: dict[tuple[str, str, str, int], dict[str, int]] = defaultdict(dict)
    for body in found:
        pair, instance = body["attributes"], str(body["resource"]["attributes"].get("service.instance.id"))
        values[pair["host"], pair["other"], instance, body["@timestamp"]][body["name"]] = round(body["value"] * 1e9)
    measured: dict[tuple[str, str], list[tuple[int, Skew]]] = defaultdict(list)
    for (host, other, _, time), value in values.items():
        if len(value) == 2:
            measured[host, other].append((time, Skew(value[OFFSET], value[ERROR], 1, 1)))
    together = {pair: agreed(estimates, start) for pair, estimates in measured.items()}

    def estimate(host: str, other: str) -> Skew | None:
        skew = together.get((min(host, other), max(host, other)))
        if skew is None:
            return own.estimate(host, other)
        return skew if host < other else Skew(-skew.offset, skew.error, skew.samples, skew.agreeing)

    return estimate
