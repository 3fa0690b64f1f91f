"""Numbers at the edges of IEEE 754, and what errors name; what Prometheus answers to common ones is in test_answers.py."""

from __future__ import annotations

import math

import pytest

from alerting.promql.expression import compile_expression
from alerting.promql.vectors import EvaluationError
from alerting.rules.samples import Samples
from components.durations import SECOND
from telemetry.metrics import Point, Series

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ln(vector(0))", -INF),
        ("ln(vector(1))", 0.0),
        ("ln(vector(-1))", NAN),
        ("ln(vector(Inf))", INF),
        ("log2(vector(0))", -INF),
        ("log2(vector(1))", 0.0),
        ("log10(vector(0))", -INF),
        ("sgn(vector(0))", 0.0),
        ("sgn(vector(NaN))", NAN),
        ("sgn(vector(-0.5))", -1.0),
        ("sgn(vector(Inf))", 1.0),
        ("atanh(vector(1))", INF),
        ("atanh(vector(-1))", -INF),
        ("atanh(vector(2))", NAN),
        ("exp(vector(1000))", INF),
        ("exp(vector(-Inf))", 0.0),
        ("cosh(vector(-1000))", INF),
        ("sinh(vector(-1000))", -INF),
        ("sinh(vector(1000))", INF),
        ("sqrt(vector(-1))", NAN),
        ("acos(vector(2))", NAN),
        ("ceil(vector(Inf))", INF),
        ("floor(vector(NaN))", NAN),
        ("sin(vector(Inf))", NAN),
        ("1 % 0", NAN),
        ("-7 % 4", -3.0),
        ("0 ^ -1", INF),
        ("0 ^ -2", INF),
        ("(-0) ^ -1", -INF),
        ("(-0) ^ -2", INF),
        ("(-8) ^ 0.5", NAN),
        ("(-10) ^ 309", -INF),
        ("(-10) ^ 310", INF),
        ("10 ^ 309", INF),
        ("1 / 0", INF),
        ("-1 / 0", -INF),
        ("0 / 0", NAN),
        ("round(vector(2.5))", 3.0),
        ("round(vector(-2.5))", -2.0),
        ("round(vector(7), 5)", 5.0),
        ("clamp(vector(3), 1, 2)", 2.0),
        ("clamp(vector(3), 4, 5)", 4.0),
        ("clamp(vector(3), 4, 4)", 4.0),
        ("clamp(vector(3), NaN, 5)", NAN),
        ("clamp(vector(3), 1, NaN)", NAN),
        ("clamp(vector(NaN), 1, 2)", NAN),
        ("year(vector(253402300800))", 10000.0),
        ("year(vector(-1))", 1969.0),
        ("day_of_week(vector(0))", 4.0),
        ("hour(vector(NaN))", NAN),
        ("hour(vector(-0.5))", 0.0),
        ("day_of_month(vector(1709251198))", 29.0),  # Thursday, 29 February 2024, 23:59:58
        ("day_of_week(vector(1709251198))", 4.0),
        ("day_of_week(vector(1709251198 + 3 * 86400))", 0.0),
        ("day_of_year(vector(1709251198))", 60.0),
        ("days_in_month(vector(1709251198))", 29.0),
        ("hour(vector(1709251198))", 23.0),
        ("minute(vector(1709251198))", 59.0),
        ("month(vector(1709251198))", 2.0),
        ("year(vector(1709251198 - 400 * 365.2425 * 86400))", 1624.0),
    ],
)
def test_a_number_at_an_edge_is_what_go_computes(text: str, expected: float) -> None:
    ((_, value),) = compile_expression(text).evaluate(Samples(), 0)
    assert value == expected or (math.isnan(value) and math.isnan(expected))


def test_bounds_in_the_wrong_order_clamp_to_nothing() -> None:
    assert compile_expression("clamp(vector(3), 5, 4)").evaluate(Samples(), 0) == []


def samples(*series: tuple[str, dict[str, str], float]) -> Samples:
    found = Samples()
    found.add([Point(Series(name, tuple(sorted(labels.items()))), 0, value) for name, labels, value in series])
    return found


TWICE = samples(
    ("few", {"job": "a", "zone": "1"}, 1), ("few", {"job": "a", "zone": "2"}, 2), ("many", {"job": "a", "code": "500"}, 4)
)


FEW = '{__name__="few", job="a", zone="2"} and {__name__="few", job="a", zone="1"}; many-to-many matching is not possible'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "many + on (job) few",
            f'found duplicate series for the match group {{job="a"}} on the right hand-side of the operation: {FEW}',
        ),
        (
            "few * on (job) group_right many",
            f'found duplicate series for the match group {{job="a"}} on the left hand-side of the operation: {FEW}',
        ),
        (
            "few + on (job) many",
            'multiple matches for labels {job="a"}: many-to-one matching must be explicit (group_left, group_right)',
        ),
        ('label_replace(few, "zone", "", "", "")', "vector cannot contain metrics with the same labelset"),
        ("topk(NaN, few)", "topk and bottomk need a whole number, not nan"),
        ("bottomk(1e19, few)", "topk and bottomk need a whole number, not 1e+19"),
    ],
)
def test_an_error_of_evaluation_names_the_side_and_the_series(text: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        compile_expression(text).evaluate(TWICE, 0)
    assert str(caught.value) == message


def test_a_bucket_is_one_whose_bound_go_reads_as_a_number() -> None:
    buckets = [("latency", {"le": le}, count) for le, count in (("1", 1.0), ("1_0", 7.0), ("soon", 7.0), ("+Inf", 2.0))]
    ((_, value),) = compile_expression("histogram_quantile(0.5, latency)").evaluate(samples(*buckets), 0)
    assert value == 1.0
    assert compile_expression("histogram_quantile(0.5, few)").evaluate(TWICE, 0) == []


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([1.0, 2.0, 6.0], 3.0),
        ([1e308, 1e308, 1e308], 1e308),
        ([INF, 1.0], INF),
        ([1.0, -INF, 2.0], -INF),
        ([INF, INF], INF),
        ([-INF, -INF, 3.0], -INF),
        ([INF, -INF], NAN),
        ([INF, NAN], NAN),
        ([NAN, INF], NAN),
    ],
)
def test_a_mean_of_infinities_is_the_one_that_arithmetic_allows(values: list[float], mean: float) -> None:
    found = Samples()
    found.add([Point(Series("x", (("n", str(number)),)), 0, value) for number, value in enumerate(values)])
    found.add([Point(Series("y"), number * SECOND, value) for number, value in enumerate(values)])
    for text in ("avg(x)", "avg_over_time(y[1m])"):
        ((_, value),) = compile_expression(text).evaluate(found, (len(values) - 1) * SECOND)
        assert value == pytest.approx(mean, nan_ok=True), text
