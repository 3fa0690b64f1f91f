"""The hops of a trace: each call with its two sides, and where its time went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.call_graph.calls import Rule, calls_of
from processors.call_graph.operations import protocol_of
from processors.call_graph.peers import UNKNOWN, service_node
from processors.call_graph.span_tree import EXITS
from telemetry.call_graph import Hop
from telemetry.environment import DEFAULT_ENVIRONMENT
from telemetry.spans import SpanKind, StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from processors.call_graph.calls import Call
    from processors.call_graph.span_tree import SpanTree, TreeSpan
    from telemetry.call_graph import Segment

Interval = tuple[int, int]

RESOLUTION = 1_000_000
"""Nanoseconds by which two processes of one host may read its clock differently: some SDKs count from their start on."""

_INFERRED = (Rule.SERVICE_CHANGE, Rule.SERVICE_CHANGE_CLIENT)
_MESSAGES = (SpanKind.PRODUCER, SpanKind.CONSUMER)


def hops_of(tree: SpanTree, path: Iterable[Segment]) -> tuple[Hop, ...]:
    """The hops of a trace, sorted by start and id. `path` is its critical path."""
    calls = [(hop_id(call), call) for call in calls_of(tree) if call.source is not None or call.server is not None]
    calls.sort(key=lambda item: (_started(item[1]), item[0]))
    sharing: dict[int, int] = {}  # how many calls one client span has timed together
    for _, call in calls:
        if call.client is not None:
            sharing[id(call.client)] = sharing.get(id(call.client), 0) + 1
    waited = _waits(tree, [call for _, call in calls])
    critical = _critical_time(tree, calls, path)
    duration = sum(critical.values())
    return tuple(
        _hop(call, own, waited, critical.get(own, 0), duration, alone=sharing.get(id(call.client), 0) == 1)
        for own, call in calls
    )


def hop_id(call: Call) -> bytes:
    """The id of a call's hop; see `Hop.id`."""
    span = call.span.span
    if call.link is not None:
        return span.span_id + call.link.trace_id + call.link.span_id
    if call.rule in _INFERRED and call.span.role in EXITS:
        return span.parent_span_id + span.span_id
    return span.span_id


def _started(call: Call) -> int:
    side = call.client or call.server
    assert side is not None  # noqa: S101 - a call has a side
    return side.start


def _hop(call: Call, own: bytes, waited: Mapping[int, list[Interval]], critical: int, total: int, *, alone: bool) -> Hop:
    source, client, server = call.source, call.client, call.server
    near = client or server
    described_by = server or client  # the callee knows best what was asked of it
    assert near is not None  # noqa: S101 - a call has a side
    assert described_by is not None  # noqa: S101 - a call has a side
    peer = call.peer or UNKNOWN
    client_duration = server_duration = gap = queue_wait = skew = None
    self_time = sequential = parallel = None
    failed = False
    if client is not None:
        client_duration = client.end - client.start
        failed = client.span.status is StatusCode.ERROR
    if server is not None:
        server_duration = server.end - server.start
        failed = failed or server.span.status is StatusCode.ERROR
        self_time, sequential, parallel = occupancy(server.start, server.end, waited.get(id(server), ()))
    if client is not None and server is not None:
        if client.role in _MESSAGES or server.role in _MESSAGES or call.link is not None:
            queue_wait = max(0, server.start - client.end)
            skew = max(0, client.start - server.start)  # a message is not received before it is sent
        elif alone and _nested(client, server):
            gap = (client.end - client.start) - (server.end - server.start)
            skew = _skew(client.start - server.start, client.end - server.end)
    caller = source.span.resource if source is not None else None
    callee = server.span.resource if server is not None else None
    sender_unseen = caller is None or call.rule is Rule.LINK_TRACE  # what another trace says of it names no environment
    home = callee if sender_unseen else caller
    return Hop(
        described_by.span.trace_id,
        own,
        service_node(source.service) if source is not None else peer,
        service_node(server.service) if server is not None else peer,
        described_by.operation,
        (protocol_of(client.span) if client is not None else "") or protocol_of(described_by.span),
        near.start,
        near.end,
        client.span.span_id if client is not None else b"",
        server.span.span_id if server is not None else b"",
        client_duration,
        server_duration,
        gap,
        self_time,
        queue_wait,
        sequential,
        parallel,
        critical,
        critical / total if total else 0.0,
        skew,
        failed,
        call.rule in _INFERRED,
        call.link is not None,
        caller.instance if caller is not None else "",
        callee.instance if callee is not None else "",
        server.start if server is not None else None,
        caller.host if caller is not None else "",
        callee.host if callee is not None else "",
        home.environment if home is not None else DEFAULT_ENVIRONMENT,
    )


def _nested(client: TreeSpan, server: TreeSpan) -> bool:
    """Whether a server span lies inside its client's, by whatever shift of two clocks.

    It does not where it is longer, where it sticks out by the same clock, or where it goes on, and well, after its client has
    failed: that gave up waiting.
    """
    if server.end - server.start > client.end - client.start:
        return False
    if client.start - RESOLUTION <= server.start and server.end <= client.end + RESOLUTION:
        return True
    gave_up = client.span.status is StatusCode.ERROR and server.span.status is not StatusCode.ERROR
    if gave_up and client.start <= server.start <= client.end:  # and ends after it: what lies inside is nested, see above
        return False
    host = client.span.resource.host
    return not host or host != server.span.resource.host


def _skew(least: int, most: int) -> int:
    """The smallest shift of the callee's clock that puts its span inside the client's."""
    return max(least, 0) or min(most, 0)


def occupancy(start: int, end: int, intervals: Iterable[Interval]) -> tuple[int, int, int]:
    """How long none, exactly one, and two or more of the intervals run within [start, end)."""
    clipped = [(max(start, low), min(end, high)) for low, high in intervals]
    inside = [(low, high) for low, high in clipped if low < high]
    if len(inside) < 2:
        one = sum(high - low for low, high in inside)
        return end - start - one, one, 0
    steps = sorted([(low, 1) for low, _ in inside] + [(high, -1) for _, high in inside])
    spent = [0, 0, 0]
    running, at = 0, start
    for time, change in steps:
        spent[min(running, 2)] += time - at
        running, at = running + change, time
    spent[0] += end - at
    return spent[0], spent[1], spent[2]


def _waits(tree: SpanTree, calls: list[Call]) -> dict[int, list[Interval]]:
    """The calls that each server span waits for: the nearest below it, by the identity of the server's tree span."""
    servers = {id(call.server) for call in calls if call.server is not None}
    timed = {id(call.client) for call in calls if call.client is not None}
    timed_by_callee = {  # a call without a client span is timed by its callee; a linked message is no call of the parent
        id(call.server) for call in calls if call.client is None and call.source is not None and call.link is None
    }
    waits: dict[int, list[Interval]] = {}
    inside: dict[int, int] = {}  # tree span -> the server span whose work it is; 0 below a call that is counted already
    for member in tree.order:
        own, parent = id(member), member.parent
        within = inside.get(id(parent), 0) if parent is not None else 0
        if own in servers:
            if within and own in timed_by_callee:
                waits.setdefault(within, []).append((member.start, member.end))
            within = own
        if own in timed and within:
            waits.setdefault(within, []).append((member.start, member.end))
            within = 0
        inside[own] = within
    return waits


def _critical_time(tree: SpanTree, calls: list[tuple[bytes, Call]], path: Iterable[Segment]) -> dict[bytes, int]:
    """The part of the critical path that each hop has: its own spans and those below, up to the next hop.

    What no hop has is under the empty id: the root's own. The parts sum to the path.
    """
    owner: dict[int, bytes] = {}
    for own, call in calls:
        if call.server is not None:
            owner.setdefault(id(call.server), own)
    for own, call in calls:
        if call.client is not None:
            owner.setdefault(id(call.client), own)
    owners: dict[bytes, bytes] = {}
    for member in tree.order:
        mine = owner.get(id(member))
        if mine is None:
            mine = owners[member.parent.span.span_id] if member.parent is not None else b""
        owners[member.span.span_id] = mine
    spent: dict[bytes, int] = {}
    for segment in path:
        own = owners[segment.span_id]
        spent[own] = spent.get(own, 0) + segment.end - segment.start
    return spent
