"""The live call graph as the blast radius needs it: who received which share of the calls of the last minutes."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.call_graph import NodeKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry.call_graph import Edge

WINDOW = 300 * 10**9
BUCKET = 10 * 10**9
"""Calls are counted in buckets of 10 s and forgotten after 5 minutes: long enough for a share, short enough to be live."""

MAX_RECEIVERS = 10_000
"""Receivers past this many in a bucket are not told apart; their calls still count in the whole."""


ANSWERING = frozenset({NodeKind.SERVICE, NodeKind.DATABASE, NodeKind.EXTERNAL})
"""Kinds of nodes that a caller waits for, so that their trouble becomes its own."""


def awaited_calls(edges: Iterable[Edge]) -> list[tuple[str, str]]:
    """Services and those that they called and waited for, by name."""
    calls = [edge.key for edge in edges if edge.calls > 0]
    return sorted(
        {(k.caller.name, k.callee.name) for k in calls if k.caller.kind is NodeKind.SERVICE and k.callee.kind in ANSWERING}
    )


@dataclass(frozen=True, slots=True)
class Footprint:
    """What is touched when a target is: instances, and its share of all calls, 0..1. A share of None is unknown."""

    instances: int
    share: float | None


class LiveTraffic:
    """Counts calls by receiver. Feed it either edges, or hops with the instance that took the call."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[int, Counter[tuple[str, str]]] = OrderedDict()
        self._newest = 0
        self.not_told_apart = 0

    def add(self, service: str, calls: int, at: int, instance: str = "") -> None:
        """Count calls that `service` received around the time `at`."""
        if at <= self._newest - WINDOW:
            return
        self._newest = max(self._newest, at)
        bucket = self._buckets.setdefault(at // BUCKET, Counter())
        receiver = (service, instance)
        if receiver not in bucket and len(bucket) >= MAX_RECEIVERS:
            self.not_told_apart += calls
            receiver = ("", "")
        bucket[receiver] += calls
        for old in [number for number in self._buckets if number * BUCKET <= self._newest - WINDOW]:
            del self._buckets[old]

    def add_edges(self, edges: Iterable[Edge]) -> None:
        """Count the calls of some edge windows; corrections subtract."""
        for edge in edges:
            self.add(edge.key.callee.name, edge.calls, edge.start)

    def footprint(self, service: str, instance: str, now: int) -> Footprint:
        """What a target is of the whole: an instance, or with `instance` empty the whole service.

        The share is unknown while nothing was counted in the last minutes. A target that is known to take no calls has
        share 0. A service whose instances are not told apart counts as one instance.
        """
        received: Counter[tuple[str, str]] = Counter()
        for number, bucket in self._buckets.items():
            if number * BUCKET > now - WINDOW:
                received.update(bucket)
        total = sum(received.values())
        own = {key: calls for key, calls in received.items() if key[0] == service}
        known = {name for _, name in own if name}
        instances = 1 if instance else max(1, len(known))
        if total <= 0:
            return Footprint(instances, None)
        told_apart = instance in known
        calls = own[service, instance] if told_apart else sum(own.values())
        return Footprint(instances, max(0, calls) / total)
