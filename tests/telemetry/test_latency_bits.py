from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from processors.series import histogram
from telemetry.documents.latency_bits import bucket_of, latency_bits, scale_and_index, weight_of

VALUES = st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1e6)), max_size=50)


@given(one=VALUES, other=VALUES)
def test_documents_counted_by_number_give_each_bucket_its_count(one: list[float], other: list[float]) -> None:
    whole, part = histogram.histogram(one), histogram.histogram(other)
    correction = histogram.subtract(part, whole)
    counts: Counter[int] = Counter()
    for numbers in map(latency_bits, (whole, part, correction)):
        assert len(numbers) == len(set(numbers))
        for number in numbers:
            counts[bucket_of(number)] += weight_of(number)
    found = {scale_and_index(bucket): count for bucket, count in counts.items() if count}
    expected: Counter[tuple[int, int | None]] = Counter()
    for buckets in (whole, part, correction):
        expected[buckets.scale, None] += buckets.zero_count
        for place, count in enumerate(buckets.positive):
            expected[buckets.scale, buckets.positive_offset + place] += count
    assert found == {place: count for place, count in expected.items() if count}


def test_the_finest_scale_is_that_at_which_histograms_begin() -> None:
    assert scale_and_index(bucket_of(latency_bits(histogram.histogram([1.0]))[0])) == (histogram.MAX_SCALE, -1)
