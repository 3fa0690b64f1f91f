"""A service whose clock is ahead changes nothing for the others, in whatever remembers what it was told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from processors.assembly.edges import aggregate
from processors.assembly.window_merge import WindowMerge
from processors.call_graph.clock_skew import ClockSkew
from processors.call_graph.visits import visits_of
from processors.detectors.trace_shapes import TraceShapeDetector
from processors.root_cause.ranking import CulpritRanker
from processors.root_cause.sampled_trace import sampled_trace
from telemetry.call_graph import Hop, Node, NodeKind
from telemetry.documents import edge_body
from telemetry.logs import ERROR
from tests.processors.log_watch import LogWatch
from tests.processors.traces import SERVER, span

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND, MS = 1_000_000_000, 1_000_000
START = 1_700_000_000 * SECOND
HOUR, YEAR = 3600 * SECOND, 365 * 86_400 * SECOND
LATER = START + 10 * YEAR
"""When what has happened long ago is replayed."""


def logs(ahead: int, now: Callable[[int], int]) -> Any:
    """Lines of a shop that fails in the end, and of a service whose clock is ahead."""
    watch, found = LogWatch(), []
    for second in range(1200):
        at = START + second * SECOND
        for number in range(5):
            fails = second >= 900 and number < 4
            text, severity = ("payment failed for order 12", ERROR) if fails else ("order 12 done", 9)
            watch.add("shop", at + number * SECOND // 5, severity, text, now=now(at + SECOND))
        if ahead and second % 5 == 0:
            watch.add("cron", at + ahead, 9, "tick", now=now(at + SECOND))
        found += watch.advance()
    assert watch.late == 0
    return [(anomaly.start, anomaly.series, anomaly.score) for anomaly in found]


def shapes(ahead: int, now: Callable[[int], int]) -> Any:
    """Requests to a shop that calls the cart no longer in the end, and many of a service whose clock is ahead."""
    watch, found, number = TraceShapeDetector(), [], 0
    for second in range(1000):
        at = START + second * SECOND
        spans = [span(1, 0, "shop", SERVER, at, at + 9 * MS), span(2, 1, "cart", SERVER, at + MS, at + 2 * MS)]
        watch.add(second.to_bytes(16, "big"), visits_of(spans if second < 960 else spans[:1]), now(at + SECOND))
        for _ in range(10 if ahead else 0):
            number += 1
            alone = visits_of([span(1, 0, "cron", SERVER, at + ahead, at + ahead + MS)])
            watch.add(number.to_bytes(16, "little"), alone, now(at + SECOND))
        found += watch.advance(at)
    assert (watch.traces_dropped, watch.late) == (0, 0)
    return found


def call(at: int, behind: int, caller: str = "shop") -> Hop:
    """A call whose answer was 20 ms under way."""
    nodes = Node(NodeKind.SERVICE, caller), Node(NodeKind.SERVICE, "bank")
    seen = at + 10 * MS - behind
    hop = Hop(b"t" * 16, b"s" * 8, *nodes, "pay", "http", at, at + 50 * MS, gap=20 * MS, server_start=seen)
    return hop._replace(caller_host=caller, callee_host="bank")


def clocks(ahead: int, now: Callable[[int], int]) -> Any:
    """Calls between two hosts, one of them with a stamp that is ahead, and those of a host that is always ahead."""
    skew = ClockSkew()
    for second in range(1200):
        at = START + second * SECOND
        skew.add(call(at, 40 * MS), now(at + SECOND))
        if ahead:
            skew.add(call(at + ahead, 40 * MS + ahead, "cron"), now(at + SECOND))
            if second == 300:
                skew.add(call(at + ahead, 40 * MS), now(at + SECOND))
        skew.advance(at)
    return skew.estimate("shop", "bank")


def culprits(ahead: int, now: Callable[[int], int]) -> Any:
    """Requests that the bank slows down in the end, and those of a service whose clock is ahead."""
    known = CulpritRanker()
    for second in range(1200):
        at, slow = START + second * SECOND, 500 * MS if second >= 900 else 0
        shop = span(1, 0, "shop", SERVER, at, at + 30 * MS + slow)
        bank = span(2, 1, "bank", SERVER, at + MS, at + 20 * MS + slow)
        both = [replace(one, trace_id=second.to_bytes(16, "big")) for one in (shop, bank)]
        known.add_trace(sampled_trace(both), now(at + SECOND))
        if ahead and second % 10 == 0:
            alone = span(1, 0, "cron", SERVER, at + ahead, at + ahead + MS)
            known.add_trace(sampled_trace([replace(alone, trace_id=second.to_bytes(16, "little"))]), now(at + SECOND))
    return [(suspect.service, round(suspect.score, 1)) for suspect in known.rank(START + 1200 * SECOND)]


def windows(ahead: int, now: Callable[[int], int]) -> Any:
    """Windows of two partitions, in one of which a window was once made by a wrong clock."""
    merge, found = WindowMerge(), []

    def reported(partition: int, at: int, when: int) -> list[Any]:
        edges = aggregate([call(at, 0)], 5 * SECOND).values()
        return merge.add([edge_body(edge) | {"partition": partition, "correction": False} for edge in edges], now(when))

    for number in range(200):
        at = START + number * 5 * SECOND
        found += reported(0, at, at + SECOND) + reported(1, at, at + SECOND)
        if ahead and number == 100:
            assert reported(1, at + ahead, at + SECOND) == []
    assert merge.late == 1, "of the second partition nobody knew at first"
    return found


@pytest.mark.parametrize("ahead", [300 * SECOND, HOUR, YEAR])
@pytest.mark.parametrize("story", [logs, shapes, clocks, culprits, windows])
def test_a_service_whose_clock_is_ahead_changes_nothing_for_the_others(
    story: Callable[[int, Callable[[int], int]], Any], ahead: int
) -> None:
    alone = story(0, lambda at: at)
    assert alone
    assert story(ahead, lambda at: at) == alone


@pytest.mark.parametrize("story", [logs, shapes, clocks, culprits, windows])
def test_what_happened_long_ago_is_found_as_when_it_happened(story: Callable[[int, Callable[[int], int]], Any]) -> None:
    assert story(0, lambda _: LATER) == story(0, lambda at: at)


def test_a_clock_that_is_ahead_fills_no_memory() -> None:
    skew = ClockSkew()
    for number in range(1000):
        skew.add(call(START + number * 60 * SECOND, 0), START)
    assert [len(windows) for windows in skew._pairs.values()] == [1]
