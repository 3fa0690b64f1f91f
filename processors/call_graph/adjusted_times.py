"""The times of a trace by one clock, that of its root, beside those by which each host recorded them.

What is stored keeps the times as they came. Here they are shifted for showing, by what is known of the hosts' clocks
(`processors.call_graph.clock_skew`), and only where two clocks differ for certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from processors.call_graph.span_tree import SpanTree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from processors.call_graph.clock_skew import Skew
    from telemetry.spans import Span


@dataclass(frozen=True, slots=True)
class AdjustedSpan:
    """A span's times by its own clock, and by the clock of its trace's root: the same, shifted.

    `error` is how far the shift may be off; None where nothing is known of the host's clock. Then `shift` is 0.
    """

    span_id: bytes
    start: int
    end: int
    shift: int
    error: int | None

    @property
    def adjusted_start(self) -> int:
        """The start by the root's clock."""
        return self.start + self.shift

    @property
    def adjusted_end(self) -> int:
        """The end by the root's clock."""
        return self.end + self.shift


def adjusted(spans: Collection[Span], estimate: Callable[[str, str], Skew | None]) -> list[AdjustedSpan]:
    """The spans of one trace, parents before their children.

    Args:
        spans: of one trace.
        estimate: how far the second host's clock is behind the first's; None where that is not known.
    """
    tree = SpanTree(spans)
    if tree.main is None:
        return []
    clocks = _by_clock_of(tree.main.span.resource.host, {member.span.resource.host for member in tree.order}, estimate)
    alone = tree.main.span.resource  # a resource that names no host has a clock of its own
    found = []
    for member in tree.order:
        resource = member.span.resource
        shift, error = (0, 0) if resource == alone else clocks.get(resource.host, (0, None))
        found.append(AdjustedSpan(member.span.span_id, member.start, member.end, shift, error))
    return found


def _by_clock_of(
    root: str, hosts: Collection[str], estimate: Callable[[str, str], Skew | None]
) -> dict[str, tuple[int, int | None]]:
    """Shift and error of each host whose clock is known, along the way from the root's host that has the least error."""
    offsets: dict[str, tuple[int, int]] = {}
    waiting = [(0, root, 0)] if root else []
    while waiting:
        error, host, offset = heappop(waiting)
        if host in offsets:
            continue
        offsets[host] = offset, error
        for other in hosts:
            skew = estimate(host, other) if other and other not in offsets else None
            if skew is not None:
                heappush(waiting, (error + skew.error, other, offset + skew.offset))
    return {
        host: (offset, error) if abs(offset) > error else (0, error + abs(offset)) for host, (offset, error) in offsets.items()
    }
