from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.exchange import codec
from pipeline.exchange.codec import LogLine
from processors.assembly.assembler import ExemplarReference, LogReference
from telemetry.metrics import Point, Series, is_stale

times = st.integers(0, 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
trace_ids = st.binary(min_size=16, max_size=16)
span_ids = st.binary(min_size=8, max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
label_sets = st.dictionaries(texts, texts, max_size=4).map(lambda labels: tuple(sorted(labels.items())))
series = st.builds(Series, texts, label_sets)


@given(st.lists(st.builds(LogReference, trace_ids, texts, times, st.integers(0, 24))))
def test_log_references_come_back_as_they_were(items: list[LogReference]) -> None:
    assert codec.decode_log_references(codec.encode_log_references(items)) == items


@given(st.lists(st.builds(ExemplarReference, trace_ids, span_ids | st.just(b""), times, texts, numbers)))
def test_exemplars_come_back_as_they_were(items: list[ExemplarReference]) -> None:
    assert codec.decode_exemplars(codec.encode_exemplars(items)) == items


@given(st.lists(st.builds(Point, series, times, numbers)))
def test_points_come_back_as_they_were(items: list[Point]) -> None:
    assert codec.decode_points(codec.encode_points(items)) == items


@given(texts, label_sets, st.booleans())
def test_whether_a_series_is_a_total_comes_back(name: str, labels: tuple[tuple[str, str], ...], total: bool) -> None:  # noqa: FBT001 - drawn
    (point,) = codec.decode_points(codec.encode_points([Point(Series(f"{name}_{total}", labels, total), 1, 1.0)]))
    assert point.series.total is total


@given(st.lists(st.builds(Point, series, times, st.sampled_from([1.0, math.nan, math.inf, -math.inf]))))
def test_a_value_that_is_no_number_is_the_same_after_the_log(items: list[Point]) -> None:
    found = codec.decode_points(codec.encode_points(items))
    assert [(point.series, point.time, repr(point.value)) for point in found] == [
        (point.series, point.time, repr(float(point.value))) for point in items
    ]
    assert not any(is_stale(point.value) for point in found)


def test_what_an_earlier_release_wrote_as_null_ends_its_series() -> None:
    (point,) = codec.decode_points(b'{"series":["[\\"up\\",[]]"],"points":[[0,7,null]]}')
    assert (point.series.name, point.time, is_stale(point.value)) == ("up", 7, True)


def test_a_series_is_named_once_however_many_points_it_has() -> None:
    name = "a_name_that_is_longer_than_the_points"
    value = codec.encode_points([Point(Series(name), time, 1.0) for time in range(100)])
    assert value.count(name.encode()) == 1


lines = st.builds(
    LogLine, texts, texts, texts, times, st.integers(0, 24), st.text(max_size=20, alphabet="abc ü"), trace_ids, span_ids
)


@given(st.lists(lines))
def test_log_lines_come_back_as_they_were(items: list[LogLine]) -> None:
    assert codec.decode_logs(codec.encode_logs(items)) == items


def test_a_long_line_is_cut_where_templates_stop_reading() -> None:
    (line,) = codec.decode_logs(codec.encode_logs([LogLine("s", "", "", 1, 9, "x" * 10_000)]))
    assert line.text == "x" * codec.MAX_LOG_TEXT


def test_what_is_larger_than_a_record_alone_is_omitted_and_the_rest_is_split() -> None:
    items = [b"x" * size for size in (100, codec.MAX_RECORD, 1, codec.MAX_RECORD + 1, 1)]
    values, left_out = codec.within(items, b"".join)
    assert b"".join(values) == b"".join(items[:3] + items[4:])
    assert all(len(value) <= codec.MAX_RECORD for value in values)
    assert left_out == 1
    assert codec.within([], b"".join) == ([], 0)


def test_names_in_a_log_line_are_cut() -> None:
    value = codec.encode_logs([LogLine("\x01" * 800_000, "\x01" * 800_000, "\x01" * 800_000, 1, 9, "x")])
    assert len(value) < 20_000
    (line,) = codec.decode_logs(value)
    assert line.service == line.instance == line.environment == "\x01" * codec.MAX_NAME


@given(st.lists(st.dictionaries(texts, st.integers(-(2**53), 2**53) | texts, max_size=3), max_size=3))
def test_bodies_come_back_as_they_were(items: list[dict[str, Any]]) -> None:
    assert codec.decode_bodies(codec.encode_bodies(items)) == items
