from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processors.root_cause.sampled_trace import sampled_trace
from processors.root_cause.sampling import TraceSample
from processors.root_cause.trace_memory import rank_of
from tests.processors.traces import CLIENT, SERVER, span

WIDTH = 10


@given(st.sets(st.binary(min_size=16, max_size=16), max_size=60), st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_traces_with_the_least_digests_are_kept_whatever_the_order(ids: set[bytes], size: int, chance: Any) -> None:
    order = sorted(ids)
    chance.shuffle(order)
    sample = TraceSample(WIDTH, size)
    kept = {trace_id for trace_id in order if sample.keeps(trace_id, 5)}
    assert set(sorted(ids, key=rank_of)[:size]) <= kept


@given(st.sets(st.binary(min_size=16, max_size=16), min_size=1, max_size=30), st.integers(1, 5), st.data())
def test_a_trace_that_has_grown_is_kept_again_and_takes_no_place_of_another(
    ids: set[bytes], size: int, data: st.DataObject
) -> None:
    order = sorted(ids)
    asked = data.draw(st.permutations(order + data.draw(st.lists(st.sampled_from(order), max_size=30))))
    sample = TraceSample(WIDTH, size)
    answers = [(trace_id, sample.keeps(trace_id, 5)) for trace_id in asked]
    least = set(sorted(ids, key=rank_of)[:size])
    assert all(kept for trace_id, kept in answers if trace_id in least)


@given(st.sets(st.binary(min_size=16, max_size=16), max_size=60), st.integers(1, 5))
def test_asked_for_by_digest_no_trace_is_kept_that_another_replaces(ids: set[bytes], size: int) -> None:
    sample = TraceSample(WIDTH, size)
    order = sorted(ids, key=rank_of)
    assert [trace_id for trace_id in order if sample.keeps(trace_id, 5)] == order[:size]


def test_each_stretch_of_time_has_a_sample_of_its_own() -> None:
    sample = TraceSample(WIDTH, 1)
    least = min((bytes([i]) * 16 for i in range(50)), key=rank_of)
    others = [bytes([i]) * 16 for i in range(50) if bytes([i]) * 16 != least]
    assert sample.keeps(least, 0)
    assert not any(sample.keeps(trace_id, 9) for trace_id in others)
    assert sample.keeps(others[0], 10)


def test_no_more_stretches_are_remembered_than_it_may() -> None:
    sample = TraceSample(WIDTH, 1, buckets=3)
    for start in range(0, 1000, WIDTH):
        sample.keeps(bytes(16), start)
    assert len(sample._least) == 3


def test_a_trace_that_is_looked_at_says_how_long_it_was_and_whether_it_is_whole() -> None:
    spans = [span(2, 1, "cart", SERVER, 20, 120), span(1, 0, "web", SERVER, 10, 90), span(3, 2, "cart", CLIENT, 30, 40)]
    whole = sampled_trace(spans)
    assert (whole.trace_id, whole.start, whole.end, whole.is_whole) == (spans[0].trace_id, 10, 120, True)
    assert [visit.service for visit in whole.visits] == ["web", "cart"]
    assert not sampled_trace([spans[0], spans[2]]).is_whole, "without its root"
    assert not sampled_trace([spans[1], spans[2]]).is_whole, "without the one between"
