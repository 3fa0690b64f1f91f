"""The critical path of a trace: what held it up, moment by moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.call_graph import Segment

if TYPE_CHECKING:
    from processors.call_graph.span_tree import SpanTree, TreeSpan


def critical_path(tree: SpanTree) -> tuple[Segment, ...]:
    """Segments of the trace during which nothing else would have let it end earlier.

    Segments are disjoint, ordered by start, and their durations sum to the trace's. Walks back from the end of the
    trace: of the children that end before the cursor, the last to end blocked their parent; between its start and the
    end of the one before, the parent itself did. A child that overlaps a chosen sibling ran beside it and is not on the
    path. That is the rule of Dapper's and CRISP's critical path (Zhang et al., USENIX ATC 2022).

    Children end where the last span below them ends, so what a trace does after its root has answered is on the path.
    A child that starts before its parent, by a skewed clock, counts from the parent's start on. What lies outside the
    root, and roots and orphans beside it, hang below the root; without a root, below the earliest orphan.
    """
    main = tree.main
    if main is None:
        return ()
    tops = tree.roots + tree.orphans
    others = [top for top in tops if top is not main]
    start = min(member.start for member in tree.order)
    end = max(top.latest for top in tops)
    walk = _Walk()
    walk.enter(main, start, end, [*main.children, *others] if others else main.children)
    walk.run()
    walk.pieces.reverse()
    return tuple(_merged(walk.pieces))


class _Walk:
    """The walk back in time; its stack is its own, for traces deeper than Python's."""

    def __init__(self) -> None:
        self.pieces: list[tuple[TreeSpan, int, int]] = []  # latest first
        self._stack: list[tuple[TreeSpan, int, list[TreeSpan]]] = []
        self._cursor = 0

    def enter(self, member: TreeSpan, low: int, cursor: int, children: list[TreeSpan]) -> None:
        """Go into a span that is on the path from `low` to `cursor`."""
        self._cursor = cursor
        if len(children) > 1:
            children = sorted(children, key=_by_latest)  # the last to end at the end, where pop() takes it
        self._stack.append((member, low, list(children)))

    def run(self) -> None:
        stack = self._stack
        while stack:
            member, low, children = stack[-1]
            while children:
                child = children.pop()
                if low < child.latest <= self._cursor and child.start < child.latest:
                    self._emit(member, child.latest)
                    self.enter(child, max(low, child.start), child.latest, child.children)
                    break
            else:
                self._emit(member, low)
                stack.pop()

    def _emit(self, member: TreeSpan, low: int) -> None:
        if low < self._cursor:
            self.pieces.append((member, low, self._cursor))
            self._cursor = low


def _by_latest(member: TreeSpan) -> tuple[int, int, bytes]:
    return member.latest, member.start, member.span.span_id


def _merged(pieces: list[tuple[TreeSpan, int, int]]) -> list[Segment]:
    segments: list[Segment] = []
    last: TreeSpan | None = None
    for member, start, end in pieces:
        begin = segments.pop().start if member is last else start
        segments.append(Segment(member.span.span_id, member.service, member.operation, begin, end))
        last = member
    return segments
