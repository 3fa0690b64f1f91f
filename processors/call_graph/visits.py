"""A trace as visits: each stay of a request in one service, with what it did there and how long it waited for others.

Spans of one service that hang together are one visit, whatever their kinds: so a reactive gateway whose spans run beside
each other, or an internal span around each statement, does not scatter the time of the service over many names.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from processors.call_graph.span_tree import SpanTree
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.spans import StatusCode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from processors.call_graph.span_tree import TreeSpan
    from telemetry.spans import Span


class Event(NamedTuple):
    """Something that a visit did at least `times` times: an "operation", "call", "log" or failure, and which one."""

    kind: str
    name: str
    times: int = 1

    @property
    def is_failure(self) -> bool:
        """Whether it says that something went wrong: a span's status or exception, or a log line of severity ERROR."""
        return self.kind in FAILURES


FAILURES = ("error", "error log")
"""The kinds of events that say that something went wrong."""


TIMES = (1, 2, 3, 4, 6, 8, 16, 32)
"""The counts that are distinguished."""


def events_of(counts: Mapping[tuple[str, str], int]) -> Iterator[Event]:
    """What a visit did, from how often it did each kind and name."""
    for (kind, name), count in counts.items():
        for times in TIMES:
            if times > count:
                break
            yield Event(kind, name, times)


class Visit(NamedTuple):
    """One stay in a service.

    `operation` names what was asked for, without ids. `parent` is the index of the calling visit in the trace's visits, -1
    for none. `self_time` is what passed while no call to another service ran. `gap` is how much longer the caller
    waited than the visit took (network and queueing), -1 where no single span of the caller stands for the call. Nanoseconds.
    """

    service: str
    operation: str
    instance: str
    parent: int
    start: int
    duration: int
    self_time: int
    gap: int
    events: frozenset[Event]
    span_ids: tuple[bytes, ...]
    environment: str = DEFAULT_ENVIRONMENT


def visits_of(spans: Collection[Span]) -> list[Visit]:
    """The visits of a trace, callers before callees."""
    tree = SpanTree(spans)
    heads: list[TreeSpan] = []
    members: list[list[TreeSpan]] = []
    callees: list[list[TreeSpan]] = []  # by visit: the heads that it called
    index: dict[int, int] = {}  # id of a span's place -> its visit
    for span in tree.order:
        parent = span.parent
        if parent is not None and parent.service == span.service and _environment(parent) == _environment(span):
            index[id(span)] = own = index[id(parent)]
            members[own].append(span)
            continue
        index[id(span)] = len(heads)
        heads.append(span)
        members.append([span])
        callees.append([])
        if parent is not None:
            callees[index[id(parent)]].append(span)
    return [
        Visit(
            head.service,
            head.operation,
            head.span.resource.instance,
            index[id(head.parent)] if head.parent is not None else -1,
            head.start,
            head.end - head.start,
            _self_time(head, called),
            _gap(head),
            _events(inside, called),
            _ids(inside, tree.shared),
            _environment(head),
        )
        for head, inside, called in zip(heads, members, callees, strict=True)
    ]


def _environment(span: TreeSpan) -> str:
    return span.span.resource.environment


def _ids(inside: Iterable[TreeSpan], shared: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    """The ids that log lines name: one that both sides of a call share stands for the server's, where the work is done."""
    own = (member.span.span_id for member in inside)
    if not shared:
        return tuple(own)
    of_servers = frozenset(shared.values())
    return tuple(shared.get(span_id, span_id) for span_id in own if span_id not in of_servers)


def _stands_for_call(span: TreeSpan) -> bool:
    """Whether everything below a span is in other services: it is the caller's side of a call."""
    return all(child.service != span.service for child in span.children)


def _gap(head: TreeSpan) -> int:
    parent = head.parent
    if parent is None or len(parent.children) != 1 or not _stands_for_call(parent):
        return -1
    return max(0, (parent.end - parent.start) - (head.end - head.start))


def _self_time(head: TreeSpan, called: Iterable[TreeSpan]) -> int:
    waits = []
    for callee in called:
        client = callee.parent
        side = client if client is not None and client is not head and _stands_for_call(client) else callee
        waits.append((side.start, side.end))
    at, waited = head.start, 0
    for start, end in sorted(waits):
        begin, until = max(start, at), min(end, head.end)
        if until > begin:
            waited += until - begin
            at = until
    return max(0, head.end - head.start - waited)


def _events(inside: list[TreeSpan], called: Iterable[TreeSpan]) -> frozenset[Event]:
    counts = Counter(("operation", member.operation) for member in inside[1:])
    counts.update(("call", callee.service) for callee in called)
    for member in inside:
        if member.span.status is StatusCode.ERROR:
            counts["error", member.operation] += 1
        counts.update(("error", event.name) for event in member.span.events if event.name == "exception")
    return frozenset(events_of(counts))
