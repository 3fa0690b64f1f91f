"""The usual share of failures."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from processors.detectors.error_rate import MEMORY, PRIOR, SLOWEST, ErrorRateDetector, FailureRate
from processors.detectors.streaming import score_of
from processors.series import histogram
from telemetry.call_graph import Edge, EdgeKey, Node, NodeKind

SECOND = 1_000_000_000


def test_the_spread_of_a_share_is_that_of_a_binomial_with_so_many_calls() -> None:
    expected = PRIOR[0] / PRIOR[1]
    for calls in (1, 4, 100):
        scored = FailureRate().update(0, calls)
        assert scored.expected == pytest.approx(expected)
        assert scored.spread == pytest.approx(math.sqrt(expected * (1 - expected) / calls))


def test_fewer_failures_than_usual_surprise_nobody_and_the_words_have_the_numbers() -> None:
    rate = FailureRate()
    for _ in range(200):
        rate.update(5, 50)
    scored = rate.update(0, 50)
    assert (scored.score, scored.surprise) == (0, 0)
    assert scored.why == "0 of 50 calls failed; usual is 10.0%"
    assert rate.update(40, 50).score > 0.9


def test_the_memory_is_bounded_and_keeps_the_share() -> None:
    rate = FailureRate()
    for _ in range(1000):
        rate.update(5, 50)
    saved = rate.snapshot()
    assert saved["calls"] == MEMORY
    assert saved["failures"] / saved["calls"] == pytest.approx(0.1, rel=0.01)


def test_the_caller_with_most_failures_is_named_with_its_traces() -> None:
    def edge(window: int, caller: str, calls: int, failures: int) -> Edge:
        key = EdgeKey(Node(NodeKind.SERVICE, caller), Node(NodeKind.SERVICE, "pay"), f"{caller}'s", "http")
        counted = Edge(key, window * 10 * SECOND, 10 * SECOND, calls, failures, 0, histogram.EMPTY)
        return replace(counted, failed_traces=(caller.encode(),))

    detector, found = ErrorRateDetector(), []
    for window in range(40):
        bad = window == 39
        # The one that comes last by its name has fewer failures than another.
        edges = [edge(window, "app", 60, 50 if bad else 0), edge(window, "web", 60, 20 if bad else 0)]
        found += detector.add(edges)
    (anomaly,) = found
    assert (anomaly.operation, anomaly.trace_ids, anomaly.seen) == ("app's", (b"app",), 70 / 120)
    assert anomaly.why.endswith("; most of them app → pay app's")


def uniform() -> FailureRate:
    """One failure and one success seen: any share is as likely, and so is any number of failures among the next calls."""
    rate = FailureRate()
    rate.restore({"version": 1, "failures": 1.0, "calls": 2.0})
    return rate


@pytest.mark.parametrize(("failures", "calls"), [(2, 2), (2, 3), (7, 9), (50, 50)])
def test_failures_surprise_by_the_chance_of_at_least_so_many(failures: int, calls: int) -> None:
    scored = uniform().update(failures, calls)
    assert scored.surprise == pytest.approx(math.log((calls + 1) / (calls - failures + 1)))
    assert scored.score == pytest.approx(score_of(scored.surprise))


def test_just_as_many_failures_as_are_usual_surprise_nobody() -> None:
    assert uniform().update(5, 10).surprise == 0
    assert uniform().update(6, 10).surprise > 0


def test_what_is_no_news_counts_in_full_and_what_is_hardly_at_all() -> None:
    usual, incident = uniform(), uniform()
    usual.update(4, 10)
    assert (usual.snapshot()["failures"], usual.snapshot()["calls"]) == (5.0, 12.0)
    assert incident.update(999, 999).score > 0.5
    assert incident.snapshot()["failures"] == pytest.approx(1 + 999 * SLOWEST)
    assert incident.snapshot()["calls"] == pytest.approx(2 + 999 * SLOWEST)
