from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from processors.call_graph import call_graph
from processors.call_graph.adjusted_times import adjusted
from processors.call_graph.clock_skew import ClockSkew, Skew, agreed
from tests.processors.traces import CLIENT, INTERNAL, SERVER, sid, span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.spans import Span

EPOCH = 1_700_000_000_000_000_000
HOSTS = "wxyz"
MS = 1_000_000

delays = st.integers(0, 20 * MS)
clocks = st.fixed_dictionaries({host: st.integers(-500 * MS, 500 * MS) for host in HOSTS})


@st.composite
def requests(draw: st.DrawFn) -> list[Span]:
    """A request through services on several hosts by a true clock: each call is on its way for a while, out and back."""
    numbers = itertools.count(1)
    spans: list[Span] = []

    def serve(parent: int, start: int, depth: int) -> int:
        """A server span from `start` with what it calls; gives its end."""
        own = next(numbers)
        host = draw(st.sampled_from(HOSTS))
        end = start + draw(delays)
        for _ in range(draw(st.integers(0, 2)) if depth < 3 else 0):
            client = next(numbers)
            begun = end
            answered = serve(client, begun + draw(delays), depth + 1) + draw(delays)
            spans.append(span(client, own, f"on-{host}", CLIENT, begun, answered, host=host))
            end = answered + draw(delays)
        spans.append(span(own, parent, f"on-{host}", SERVER, start, end, host=host))
        return end

    serve(0, EPOCH + draw(st.integers(0, 10**10)), 0)
    return spans


def recorded(true: list[Span], behind: Mapping[str, int]) -> list[Span]:
    """The spans as their hosts' clocks told the times."""
    return [replace(one, start=one.start - behind[one.resource.host], end=one.end - behind[one.resource.host]) for one in true]


@given(st.lists(requests(), min_size=1, max_size=6), clocks)
def test_the_true_times_lie_within_the_bound_and_so_no_child_starts_before_its_parent_beyond_it(
    true: list[list[Span]], behind: dict[str, int]
) -> None:
    skew = ClockSkew()
    for trace in true:
        for hop in call_graph(recorded(trace, behind)).hops:
            skew.add(hop, hop.start)
    for trace in true:
        truth = {one.span_id: one for one in trace}
        root_behind = behind[truth[sid(1)].resource.host]  # the root's clock is what all is told by
        found = {item.span_id: item for item in adjusted(recorded(trace, behind), skew.estimate)}
        assert found.keys() == truth.keys()
        for span_id, item in found.items():
            assert item.error is not None, "every host of a request has been called from another, or is the root's"
            assert abs(item.adjusted_start - (truth[span_id].start - root_behind)) <= item.error
            assert item.adjusted_end - item.adjusted_start == truth[span_id].end - truth[span_id].start
            parent = found.get(truth[span_id].parent_span_id)
            if parent is not None and parent.error is not None:
                assert item.adjusted_start >= parent.adjusted_start - parent.error - item.error


def test_a_host_has_one_shift_in_a_trace_and_the_way_with_the_least_error_gives_it() -> None:
    known = {("x", "y"): Skew(100, 5, 9, 9), ("x", "z"): Skew(90, 80, 9, 9), ("y", "z"): Skew(3, 7, 9, 9)}

    def estimate(here: str, there: str) -> Skew | None:
        return known.get((here, there))

    spans = [
        span(1, 0, "a", CLIENT, 1000, 1100, host="x"),
        span(2, 1, "b", SERVER, 910, 980, host="y"),
        span(3, 2, "b", CLIENT, 920, 970, host="y"),
        span(4, 3, "c", SERVER, 930, 960, host="z"),
        span(5, 1, "c", SERVER, 931, 961, host="z"),
        span(6, 4, "d", SERVER, 940, 950, host="w"),
        span(7, 6, "a", INTERNAL, 941, 942, host="x"),
    ]
    found = {item.span_id: item for item in adjusted(spans, estimate)}
    assert [(found[sid(n)].shift, found[sid(n)].error) for n in range(1, 8)] == [
        (0, 0),
        (100, 5),
        (100, 5),
        (103, 12),
        (103, 12),
        (0, None),
        (0, 0),
    ]
    assert (found[sid(2)].start, found[sid(2)].adjusted_start, found[sid(2)].adjusted_end) == (910, 1010, 1080)


def test_clocks_that_may_be_equal_are_left_alone_and_the_bound_says_so() -> None:
    spans = [span(1, 0, "a", CLIENT, 1000, 1100, host="x"), span(2, 1, "b", SERVER, 1010, 1020, host="y")]
    (_, other) = adjusted(spans, lambda _here, _there: Skew(30, 40, 9, 9))
    assert (other.shift, other.error) == (0, 70)


def test_nothing_is_claimed_of_services_that_name_no_host() -> None:
    spans = [span(1, 0, "a", CLIENT, 1000, 1100), span(2, 1, "b", SERVER, 900, 980), span(3, 1, "a", INTERNAL, 1001, 1002)]
    bare = [replace(one, resource=replace(one.resource, attributes={"service.name": one.service})) for one in spans]
    assert [(item.shift, item.error) for item in adjusted(bare, lambda _here, _there: None)] == [(0, 0), (0, None), (0, 0)]
    assert adjusted([], lambda _here, _there: None) == []


offsets = st.integers(-(10**9), 10**9)


@given(offsets, st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**7), st.floats(-1, 1)), min_size=1))
def test_estimates_that_are_right_agree_on_a_bound_around_the_truth(truth: int, made: list[tuple[int, int, float]]) -> None:
    estimates = [(time, Skew(truth + int(error * where), error, 1, 1)) for time, error, where in made]
    found = agreed(estimates, 5 * 10**11)
    assert abs(found.offset - truth) <= found.error
    assert found.agreeing == found.samples == len(made)
