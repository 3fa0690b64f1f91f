"""The live traffic as the blast radius needs it: who received which share of the calls of the last minutes, by how many."""

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
"""Calls are counted in buckets of 10 s and evicted after 5 minutes: long enough for a share, short enough to be live."""

MAX_RECEIVERS = 10_000
"""Receivers past this many in a bucket are not distinguished; their calls still count in the whole."""

MAX_SERVICES = 1000
"""Of more services the instances are not counted: of the one that was seen last longest ago they are unknown."""

MAX_INSTANCES = 100
"""So many instances of one service, or more, are an unknown number."""

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
    """What is touched when a target is: instances, and its share of all calls, 0..1. What is None is unknown."""

    instances: int | None
    share: float | None


class LiveTraffic:
    """Counts calls by the service that received them, and the instances of each service that sent spans."""

    def __init__(self) -> None:
        self._buckets: dict[int, Counter[str]] = {}
        self._received: Counter[str] = Counter()  # the sum of the buckets
        self._total = 0
        self._newest = 0
        self._instances: OrderedDict[str, dict[str, int]] = OrderedDict()  # by service: when each was seen last
        self.indistinguishable = 0

    def add(self, service: str, calls: int, at: int) -> None:
        """Count calls that a service received around the time `at`."""
        if at <= self._newest - WINDOW:
            return
        self._newest = max(self._newest, at)
        bucket = self._buckets.setdefault(at // BUCKET, Counter())
        if service not in bucket and len(bucket) >= MAX_RECEIVERS:
            self.indistinguishable += calls
            service = ""
        bucket[service] += calls
        self._received[service] += calls
        self._total += calls
        self._evict(self._newest - WINDOW)

    def add_edges(self, edges: Iterable[Edge], now: int) -> None:
        """Count the calls of some edge windows; corrections subtract. One that a wrong clock puts ahead is as of now."""
        for edge in edges:
            self.add(edge.key.callee.name, edge.calls, min(edge.start, now))

    def see(self, instances: Iterable[tuple[str, str]], at: int) -> None:
        """Take note of services and their instances that sent spans around the time `at`; one without a name is ignored."""
        for service, instance in instances:
            if not instance:
                continue
            seen = self._instances.setdefault(service, {})
            self._instances.move_to_end(service)
            if instance not in seen and len(seen) >= MAX_INSTANCES:
                seen = self._instances[service] = {name: last for name, last in seen.items() if last > at - WINDOW}
            if instance in seen or len(seen) < MAX_INSTANCES:
                seen[instance] = max(at, seen.get(instance, 0))
            if len(self._instances) > MAX_SERVICES:
                self._instances.popitem(last=False)

    def footprint(self, service: str, instance: str, now: int) -> Footprint:
        """What a target is of the whole: an instance, or with `instance` empty the whole service.

        The number of instances is unknown where none sent a span in the last minutes, or too many to be distinguished. The
        share is unknown while nothing was counted in them; a target that is known to take no calls has share 0. Calls are
        not distinguished by instance: any instance of a service is assumed to have all of its share.
        """
        self._evict(now - WINDOW)
        live = sum(last > now - WINDOW for last in self._instances.get(service, {}).values())
        instances = 1 if instance else live if 0 < live < MAX_INSTANCES else None
        share = max(0, self._received[service]) / self._total if self._total > 0 else None
        return Footprint(instances, share)

    def _evict(self, until: int) -> None:
        for number in [number for number in self._buckets if number * BUCKET <= until]:
            for service, calls in self._buckets.pop(number).items():
                self._total -= calls
                self._received[service] -= calls
                if not self._received[service]:
                    del self._received[service]
