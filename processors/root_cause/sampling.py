"""Which traces the search for culprits gets to see: an unbiased sample of each stretch of time."""

from __future__ import annotations

import heapq
from collections import OrderedDict

from processors.root_cause.trace_memory import rank_of


class TraceSample:
    """Keeps a trace when fewer than `size` traces of its bucket of `width` nanoseconds had a smaller digest so far.

    The `size` traces with the least digests of a bucket are always among those kept, whatever the order of arrival; asked
    for in the order of their digests, they alone are.
    """

    def __init__(self, width: int, size: int, buckets: int = 64) -> None:
        self._width, self._size, self._buckets = width, size, buckets
        self._least: OrderedDict[int, list[int]] = OrderedDict()  # bucket -> heap of negated digests

    def keeps(self, trace_id: bytes, start: int) -> bool:
        """Whether a trace that began at `start` is in the sample so far."""
        heap = self._least.setdefault(start - start % self._width, [])
        while len(self._least) > self._buckets:
            self._least.popitem(last=False)
        rank = rank_of(trace_id)
        if -rank in heap:
            return True  # it has grown, and counts once
        if len(heap) < self._size:
            heapq.heappush(heap, -rank)
            return True
        if rank >= -heap[0]:
            return False
        heapq.heapreplace(heap, -rank)
        return True
