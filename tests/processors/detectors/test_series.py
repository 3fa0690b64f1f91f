from __future__ import annotations

import json
import random

import pytest

from processors.detectors.series import AT_ONCE, LONGEST, SeriesDetector, SeriesDetectorConfig, _matters
from processors.detectors.streaming import Scored
from telemetry.findings import AnomalyKind
from telemetry.metrics import Point, Series

SECOND = 1_000_000_000
LATENCY = Series("spanloom_edge_latency_p95_seconds", (("operation", "GET /cart"), ("server", "cart")))


def points(values: list[float], series: Series = LATENCY, start: int = 0) -> list[Point]:
    return [Point(series, (start + number) * 5 * SECOND, value) for number, value in enumerate(values)]


def usual(count: int, seed: int = 1) -> list[float]:
    rng = random.Random(seed)
    return [0.02 * rng.lognormvariate(0.0, 0.3) for _ in range(count)]


def test_a_latency_fault_after_a_minute_of_warm_up_is_reported_in_its_first_window() -> None:
    scorer = SeriesDetector()
    assert scorer.add(points(usual(14))) == []
    (anomaly,) = scorer.add(points([0.42], start=14))
    assert (anomaly.kind, anomaly.service, anomaly.operation) == (AnomalyKind.LATENCY, "cart", "GET /cart")
    assert anomaly.score > 0.9
    assert anomaly.unit == "s"
    assert "0.42" in anomaly.why


def test_a_quiet_shop_gives_no_anomalies() -> None:
    scorer = SeriesDetector()
    found = [
        anomaly
        for number in range(40)
        for anomaly in scorer.add(points(usual(400, seed=number), Series("edge_latency_seconds", (("server", str(number)),))))
    ]
    assert len(found) <= 2, "at most two in 16000 windows"


def test_an_anomaly_lasts_while_the_value_stays_away_and_ends_when_it_is_back() -> None:
    scorer = SeriesDetector()
    scorer.add(points(usual(50)))
    assert len(scorer.add(points([0.4] * 5, start=50))) == 5
    assert scorer.add(points(usual(5, seed=9), start=55)) == []


def test_what_has_lasted_long_enough_is_how_things_are_now() -> None:
    scorer = SeriesDetector()
    scorer.add(points(usual(50)))
    assert len(scorer.add(points([0.4] * (LONGEST + 20), start=50))) == LONGEST + 1


def test_a_certain_trifle_is_no_anomaly() -> None:
    scorer = SeriesDetector()
    assert scorer.add(points([10.0] * 100 + [11.0])) == []


@pytest.mark.parametrize(("seen", "expected", "matters"), [(-81.0, -80.0, False), (-120.0, -80.0, True), (81.0, 80.0, False)])
def test_a_change_counts_by_its_distance_and_not_by_its_sign(seen: float, expected: float, matters: bool) -> None:  # noqa: FBT001  # a column
    assert _matters(Series("balance"), seen, Scored(1.0, 99.0, expected, 1.0, ""), 0.1) is matters


@pytest.mark.parametrize("label", ["deployment_environment_name", "environment"])
def test_an_anomaly_names_the_environment_of_its_series(label: str) -> None:
    series = Series(LATENCY.name, tuple(sorted((*LATENCY.labels, (label, "staging")))))
    scorer = SeriesDetector()
    scorer.add(points(usual(50), series))
    (anomaly,) = scorer.add(points([0.4], series, start=50))
    assert (anomaly.environment, anomaly.service, anomaly.operation) == ("staging", "cart", "GET /cart")


def test_a_counter_is_scored_by_its_rate() -> None:
    total, scorer = Series("http_errors_total", (("service_name", "pay"),), total=True), SeriesDetector()
    steady = [5.0 * number for number in range(100)]
    assert scorer.add(points(steady, total)) == []
    (anomaly,) = scorer.add(points([steady[-1] + 500.0], total, start=100))
    assert (anomaly.kind, anomaly.seen, anomaly.expected) == (AnomalyKind.ERRORS, 100.0, 1.0)


def test_a_counter_that_begins_anew_is_no_anomaly() -> None:
    total, scorer = Series("http_requests_total", total=True), SeriesDetector()
    assert scorer.add(points([5.0 * number for number in range(100)] + [0.0, 5.0], total)) == []


def test_a_point_that_is_not_later_than_the_last_is_passed_over_and_counted() -> None:
    scorer = SeriesDetector()
    scorer.add(points(usual(30)))
    assert scorer.add(points([9.0], start=3)) == []
    assert scorer.add(points([9.0], start=29)) == []
    assert scorer.late == 2


def test_the_bound_forgets_the_series_silent_longest_and_counts_it() -> None:
    scorer = SeriesDetector(max_series=2)
    for name in ("a", "b", "a", "c"):
        scorer.add([Point(Series(name), (scorer.evicted + len(scorer) + 1) * SECOND, 1.0)])
    assert (len(scorer), scorer.evicted) == (2, 1)


def test_a_restored_scorer_goes_on_as_the_first_would_have() -> None:
    scorer, again = SeriesDetector(), SeriesDetector()
    scorer.add(points([*usual(50), 0.4]))
    again.restore(json.loads(json.dumps(scorer.snapshot())))
    more = points([0.4, 0.4, *usual(20, seed=3), 0.8], start=51)
    assert again.add(more) == scorer.add(more)


def test_a_few_units_of_a_countable_thing_are_no_anomaly_however_steady_it_was() -> None:
    scorer = SeriesDetector()
    requests = Series("http_server_active_requests", (("service_name", "cart"),))
    assert scorer.add(points([0.0] * 300 + [1.0, 0.0, 2.0, 0.0, 1.0, 0.0], requests)) == []
    (anomaly,) = scorer.add(points([40.0], requests, start=306))
    assert (anomaly.service, anomaly.seen) == ("cart", 40.0)


def test_a_counter_that_grows_by_a_few_is_no_anomaly_whatever_the_interval() -> None:
    total = Series("shop_orders_total", total=True)
    for interval in (1, 10, 60):
        scorer = SeriesDetector()
        values = [3.0] * 200 + [4.0, 4.0, 7.0, 7.0]
        assert scorer.add(Point(total, n * interval * SECOND, value) for n, value in enumerate(values)) == []
        assert len(scorer.add([Point(total, len(values) * interval * SECOND, 207.0)])) == 1


def test_a_countable_thing_that_is_often_small_gives_no_anomalies() -> None:
    rng, scorer = random.Random(7), SeriesDetector()
    found = [
        anomaly
        for number in range(40)
        for anomaly in scorer.add(
            points([float(sum(rng.random() < 0.02 for _ in range(8))) for _ in range(500)], Series(f"active_{number}"))
        )
    ]
    assert found == []


def test_what_only_sounds_like_a_counter_is_scored_by_its_level() -> None:
    rng, scorer = random.Random(1), SeriesDetector()
    threads = Series("jvm_thread_count", (("service_name", "shop"),))
    scorer.add(points([float(rng.randint(195, 205)) for _ in range(300)], threads))
    (anomaly,) = scorer.add(points([20.0], threads, start=300))
    assert (anomaly.seen, anomaly.unit) == (20.0, "")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("http_server_request_duration_seconds_count", AnomalyKind.THROUGHPUT),
        ("http_server_request_duration_seconds_sum", AnomalyKind.METRIC),
        ("failed_request_duration_seconds_count", AnomalyKind.ERRORS),
        ("http_errors_total", AnomalyKind.ERRORS),
        ("http_requests_total", AnomalyKind.THROUGHPUT),
    ],
)
def test_a_surge_of_requests_is_no_latency(name: str, kind: AnomalyKind) -> None:
    rng, scorer, total, values = random.Random(2), SeriesDetector(), 0.0, []
    for number in range(300):
        total += rng.uniform(480, 520) if number < 299 else 5000
        values.append(total)
    (anomaly,) = scorer.add(points(values, Series(name, (("service_name", "shop"),), total=True)))
    assert anomaly.kind is kind


@pytest.mark.parametrize("name", ["spanloom_edge_latency_p95_seconds", "login_errors"])
def test_what_has_become_better_is_no_anomaly_and_what_then_becomes_worse_is(name: str) -> None:
    rng, scorer = random.Random(3), SeriesDetector()
    series = Series(name)
    before = [rng.uniform(0.50, 0.52) for _ in range(300)]
    assert scorer.add(points([*before, *(rng.uniform(0.050, 0.052) for _ in range(100))], series)) == []
    *_, anomaly = scorer.add(points([20.0, 20.0], series, start=400))
    assert anomaly.seen == 20.0


def test_a_fall_of_the_number_of_calls_is_an_anomaly() -> None:
    rng, scorer = random.Random(3), SeriesDetector()
    series = Series("spanloom_edge_call_rate_per_second")
    (anomaly,) = scorer.add(points([*(rng.uniform(40, 42) for _ in range(300)), 1.5], series))
    assert anomaly.kind is AnomalyKind.THROUGHPUT


def after(history: list[float], config: SeriesDetectorConfig | None = None) -> SeriesDetector:
    scorer = SeriesDetector(config)
    scorer.add(points(history))
    return scorer


def hardly_an_anomaly(history: list[float]) -> float:
    """A latency that scores enough for an anomaly, and not enough to be one alone."""
    value = max(history)
    while True:
        (point,) = points([value], start=len(history))
        score = after(history).score(point).score
        if score >= 0.8:
            assert score < AT_ONCE
            return value
        value *= 1.05


def test_a_single_slow_value_of_a_latency_is_no_anomaly_until_the_next_confirms_it() -> None:
    history = usual(500)
    value = hardly_an_anomaly(history)
    scorer, again = after(history), SeriesDetector()
    assert scorer.add(points([value], start=500)) == []
    again.restore(json.loads(json.dumps(scorer.snapshot())))
    for detector in (scorer, again):
        (anomaly,) = detector.add(points([value], start=501))
        assert (anomaly.start, anomaly.end) == (499 * 5 * SECOND, 501 * 5 * SECOND)
        assert anomaly.score >= 0.8
    assert after(history).add(points([value, history[0], value], start=500)) == []


def test_a_latency_beyond_all_doubt_is_an_anomaly_at_once_and_so_is_any_where_the_setting_says_so() -> None:
    history = usual(500)
    assert after(history).add(points([1000 * max(history)], start=500))
    eager = SeriesDetectorConfig(at_once_score=0.8)
    assert after(history, eager).add(points([hardly_an_anomaly(history)], start=500))
