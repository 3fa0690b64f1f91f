"""Traces by what their spans are: the newest first, within limits, and with the reason where the answer may lack some."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dashboards.read_models.shared_ids import with_own_ids
from stores.store import OneOf, Query, QueryTimeoutError
from telemetry.documents import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dashboards.read_models.bounded_reads import BoundedReads
    from stores.store import Filter
    from telemetry.documents import Body

PAGE = 2_000
"""Spans asked for at a time."""

MAX_EXAMINED = 40_000
"""Spans looked at for one search."""

SECONDS = 20.0
"""After which a search that goes on asks for no further page."""

MAX_SPANS = 20_000
"""Spans of whole traces in one answer."""

MAX_IDS = 25
"""Traces asked for at a time."""


@dataclass(frozen=True, slots=True)
class SpanCondition:
    """What is searched for.

    Args:
        where: what the store is asked: it may find more than what matches, never less.
        matches: whether a span document is one.
        since: at or after which a span begins, ns.
        until: before which a span begins, ns.
    """

    where: Sequence[Filter]
    matches: Callable[[Body], bool]
    since: int | None
    until: int | None


@dataclass(slots=True)
class FoundSpans:
    """Spans that match, by trace id, the trace with the newest of them first.

    `examined` is how many spans the store gave. `cut` says why there may be more that match, and is empty where there are not.
    """

    by_trace: dict[str, list[Body]] = field(default_factory=lambda: defaultdict(list))
    examined: int = 0
    cut: str = ""


@dataclass(slots=True)
class WholeTraces:
    """Spans of traces by trace id, by start. `cut` says why some may lack spans, and is empty where none does."""

    by_trace: dict[str, list[Body]]
    cut: str = ""


class SpanSearch:
    """Searches spans, within the limits of all questions.

    Args:
        reads: what is asked.
    """

    def __init__(self, reads: BoundedReads) -> None:
        self._reads = reads

    async def find(self, condition: SpanCondition, limit: int) -> FoundSpans:
        """Spans that match, of as many traces as the limit. Raises as `BoundedReads.find` does."""
        found, until, seen = FoundSpans(), condition.until, frozenset[str]()
        clock = asyncio.get_running_loop().time
        ends = clock() + SECONDS
        while True:
            query = Query(Kind.SPAN, condition.where, condition.since, until, descending=True, limit=PAGE)
            try:
                page, more = await self._reads.as_many(query)
            except QueryTimeoutError as error:
                if not found.examined:
                    raise
                found.cut = self._reads.cut(str(error))
                return found
            fresh = [body for body in page if body["_id"] not in seen]
            for body in fresh:
                found.examined += 1
                if condition.matches(body) and not self._add(found, body, limit):
                    return found
            if not more:
                return found
            last = page[-1]["@timestamp"]
            oldest = frozenset(body["_id"] for body in page if body["@timestamp"] == last)
            seen = oldest | (seen if until == last + 1 else frozenset())
            until = last + 1
            if why := _why(found.examined, fresh, clock() >= ends):
                found.cut = self._reads.cut(why)
                return found

    @staticmethod
    def _add(found: FoundSpans, body: Body, limit: int) -> bool:
        trace_id = body["trace_id"]
        if trace_id not in found.by_trace and len(found.by_trace) >= limit:
            return False
        found.by_trace[trace_id].append(body)
        return True

    async def traces(self, trace_ids: Sequence[str], where: Sequence[Filter] = ()) -> WholeTraces:
        """All spans of these traces, in their order; one that is not there is not in the answer.

        Spans that share their id have ids of their own: see `shared_ids`. Raises as `BoundedReads.find` does.
        """
        whole = WholeTraces({})
        left = MAX_SPANS
        for first in range(0, len(trace_ids), MAX_IDS):
            asked = trace_ids[first : first + MAX_IDS]
            if left <= 0:
                break
            query = Query(Kind.SPAN, [*where, OneOf("trace_id", asked)], limit=left)
            spans, more = await self._reads.as_many(query)
            left = 0 if more else left - len(spans)
            whole.by_trace |= await asyncio.to_thread(_grouped, asked, spans)
        if left <= 0:
            whole.cut = self._reads.cut(
                f"the answer is cut: {MAX_SPANS} spans or queries.max_bytes are reached; ask for fewer traces"
            )
        return whole


def _why(examined: int, fresh: Sequence[Body], late: bool) -> str:  # noqa: FBT001  of no other use
    if examined >= MAX_EXAMINED:
        return f"the search ended after {examined} spans: name less time, or more of what is looked for"
    if late:
        return f"the search ended after {SECONDS:g} s and {examined} spans: name less time, or more of what is looked for"
    return "" if fresh else f"the search ended at {PAGE} spans that begin in the same nanosecond"


def _grouped(trace_ids: Sequence[str], spans: Sequence[Body]) -> Mapping[str, list[Body]]:
    by_trace: dict[str, list[Body]] = {trace_id: [] for trace_id in trace_ids}
    for span in spans:
        by_trace[span["trace_id"]].append(span)
    return {trace_id: with_own_ids(found, ())[0] for trace_id, found in by_trace.items() if found}
