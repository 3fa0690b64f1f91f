"""What PromQL refuses and what it survives. That its answers are right is compared in tests/interop/test_prometheus.py."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.promql.expression import PromqlError, compile_expression, parse_selector
from alerting.promql.histogram import bucket_quantile
from alerting.promql.vectors import EvaluationError
from alerting.rules.samples import Samples
from components.durations import HOUR, MINUTE, SECOND
from telemetry.metrics import STALE, Point, Series, is_stale


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ratee(x[5m])", 'unknown function "ratee" (did you mean "rate"?)'),
        ("rate(x)", "expected type range vector"),
        ("x offset nan", 'unexpected "nan"'),
        ("sum by (a) (x offset nan 1", 'unexpected "nan"'),
        ("x[5m]", "a range where an instant vector or a scalar is needed"),
        ('"text"', "a string where"),
        ("sum(1)", "expected type instant vector"),
        ("1 > 2", "BOOL"),
        ("limitk(2, x)", 'aggregation "limitk" is not covered'),
        ("info(x)", 'function "info" is not covered'),
        ("histogram_fraction(0, 1, x)", "not covered"),
        ('x{a="1" or b="2"}', "`or` between matchers"),
        ('x{a=~"(?=a)"}', "illegal regex"),
        ('label_replace(x, "1a", "", "b", "")', '"1a" is not a label name'),
        ("x @ 253402300800", "@: a time after the year 9999 is not covered"),
        ("x @ 99999999999999", "@: a time after the year 9999 is not covered"),
        ("x @ 9223372036854775807", "@: a time after the year 9999 is not covered"),
        ("sum(x[5m:] @ -1e15)", "@: a time before 1970 is not covered"),
        ("(" * 200 + "1" + ")" * 200, "nested deeper than 100"),
        ("1" + "+1" * 300, "more than 250 operators"),
        ("-" * 300 + "1", "more than 250 operators"),
        ("x" * 20_000, "at most 16384"),
        ('"' + '\\"' * 8_000, "unterminated quoted string"),
        ("", ""),
    ],
)
def test_what_is_not_covered_is_refused_when_compiled(text: str, reason: str) -> None:
    with pytest.raises(PromqlError) as caught:
        compile_expression(text)
    assert reason in str(caught.value)


@given(st.text(alphabet="ab(){}[]=~!,.\"'5mx +-*/:@<>\n\\", max_size=60))
def test_no_text_breaks_the_compiler(text: str) -> None:
    with suppress(PromqlError):
        compile_expression(text)


@pytest.mark.parametrize(
    ("text", "reach"),
    [
        ("x", 0),
        ("rate(x[5m])", 5 * MINUTE),
        ("rate(x[5m] offset 10m)", 15 * MINUTE),
        ("max_over_time(rate(x[5m])[1h:] offset 1m) + y offset 2h", 2 * HOUR),
        ("max_over_time(rate(x[5m])[1h:] offset 1m)", 66 * MINUTE),
    ],
)
def test_an_expression_says_how_far_back_it_reads(text: str, reach: int) -> None:
    assert compile_expression(text).lookback == reach


def test_a_stale_series_is_gone_at_once_and_a_plain_nan_is_a_value() -> None:
    samples = Samples()
    samples.add([Point(Series("x"), SECOND, 1.0), Point(Series("y"), SECOND, math.nan)])
    samples.append((("__name__", "x"),), 2 * SECOND, STALE)
    assert len(compile_expression("x").evaluate(samples, SECOND)) == 1
    assert compile_expression("x").evaluate(samples, 2 * SECOND) == []
    assert compile_expression("count_over_time(x[1m])").evaluate(samples, 2 * SECOND) == [((), 1.0)]
    assert len(compile_expression("y").evaluate(samples, 2 * SECOND)) == 1
    assert is_stale(STALE)
    assert not is_stale(math.nan)


def test_lookback_and_ranges_leave_out_their_beginning_and_hold_their_end() -> None:
    samples = Samples()
    samples.add([Point(Series("x"), 0, 1.0)])
    for text, width in (("x", 5 * MINUTE), ("x[1m]", MINUTE), ("x[1m:30s]", MINUTE)):
        expression = compile_expression(text if text == "x" else f"count_over_time({text})")
        assert expression.evaluate(samples, 0) != []
        assert expression.evaluate(samples, width - 1) != []
    assert compile_expression("x").evaluate(samples, 5 * MINUTE) == []
    assert compile_expression("count_over_time(x[1m])").evaluate(samples, MINUTE) == []
    assert compile_expression("count_over_time(x[1m:1m])").evaluate(samples, MINUTE) == [((), 1.0)], "at its end only"


def test_a_dot_is_the_end_of_a_line_too() -> None:
    samples = Samples()
    samples.add([Point(Series("x", (("a", "b\nc"),)), 0, 1.0)])
    assert len(compile_expression('x{a=~"b.c"}').evaluate(samples, 0)) == 1
    ((labels, _),) = compile_expression('label_replace(x, "to", "$1", "a", "b(.*)")').evaluate(samples, 0)
    assert dict(labels)["to"] == "\nc"


def test_a_sign_after_an_at_in_a_string_or_a_comment_is_no_time() -> None:
    assert compile_expression('x{a="@ -1"} @ 5 # @ -1').evaluate(Samples(), 0) == []


@pytest.mark.parametrize("text", ["round(x, Inf)", "round(x, 0)", "stddev_over_time(x[1m])"])
def test_what_overflows_is_not_a_number(text: str) -> None:
    samples = Samples()
    samples.add([Point(Series("x"), SECOND, 1e308), Point(Series("x"), 2 * SECOND, -1e308)])
    ((_, value),) = compile_expression(text).evaluate(samples, 2 * SECOND)
    assert math.isnan(value)


def test_a_subquery_has_a_bound() -> None:
    with pytest.raises(EvaluationError, match="at most 11000"):
        compile_expression("max_over_time(x[1d:1s])").evaluate(Samples(), 0)


@given(
    st.lists(st.tuples(st.floats(0.001, 100), st.integers(0, 50)), min_size=1, max_size=20, unique_by=lambda item: item[0]),
    st.floats(0, 1),
)
def test_a_quantile_lies_in_the_bucket_that_holds_its_rank(counts: list[tuple[float, int]], q: float) -> None:
    counts.sort()
    buckets, total = [], 0.0
    for bound, count in counts:
        total += count
        buckets.append((bound, total))
    found = bucket_quantile(q, [*buckets, (math.inf, total)])
    if total == 0 or (q == 0 and counts[0][1] == 0):  # Prometheus divides nothing by nothing in an empty first bucket
        assert math.isnan(found)
        return
    upper = next(bound for bound, below in buckets if below >= q * total)
    lower = max((bound for bound, _ in buckets if bound < upper), default=0.0)
    assert lower * (1 - 1e-12) <= found <= upper * (1 + 1e-12)


def test_a_selector_is_a_name_with_labels_and_else_an_error_says_why() -> None:
    assert [(one.name, one.value) for one in parse_selector('up{job="a"}')] == [("__name__", "up"), ("job", "a")]
    for text in ("up[5m]", "up offset 5m", "up offset -5m", "up @ 0", "up @ start()", "1", "sum(up)", "up + up"):
        with pytest.raises(PromqlError, match=r"^not a name with labels$"):
            parse_selector(text)
    with pytest.raises(PromqlError, match=r"unexpected end of input inside braces"):
        parse_selector("up{")
