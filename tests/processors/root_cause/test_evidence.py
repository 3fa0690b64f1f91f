"""What a ranking says and how it weighs it, on traces and metrics written down by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from processors.call_graph.visits import Event, Visit
from processors.root_cause.latency import LatencyTable
from processors.root_cause.metrics import MetricAttribution
from processors.root_cause.ranking import ALONE, IDLE, MAX_TEMPLATES, CulpritRanker, _metric_evidence
from processors.root_cause.sampled_trace import SampledTrace, TemplatedLine
from telemetry.logs import ERROR
from telemetry.metrics import Point, Series
from tests.processors.root_cause.visited import SECOND, bucket, numbers, visit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.findings import Suspect

STEP = 10 * SECOND
NOW = 300 * SECOND


def feed(ranker: CulpritRanker, visits: Callable[[int], Sequence[Visit]], times: Sequence[int]) -> None:
    """A trace at each of these times in seconds, numbered from 0."""
    for number, time in enumerate(times):
        start = time * SECOND
        ranker.add_trace(SampledTrace(number.to_bytes(16, "big"), start, start, True, tuple(visits(number))))


def slow_since(number: int, *, since: int = 10, gap: bool = False) -> list[Visit]:
    """`front` over `stock`, which takes, or is reached in, 1500 ms instead of 150 from a trace on."""
    slow = 1500.0 if number >= since else 150.0
    return [visit("front"), visit("stock", 150.0 if gap else slow, parent=0, gap=slow if gap else None)]


def only(suspects: Sequence[Suspect], service: str) -> Suspect:
    (found,) = (suspect for suspect in suspects if suspect.service == service)
    return found


def test_slow_work_is_described_with_both_times_and_its_share() -> None:
    ranker = CulpritRanker()
    feed(ranker, slow_since, range(0, 200, 10))
    (stock,) = ranker.rank(NOW)
    (evidence,) = stock.evidence
    assert evidence.text == "stock.do: 150 ms became 1.5 s in itself; accounts for 100% of the time added to requests"
    assert (evidence.signal, numbers(evidence.trace_ids), evidence.series) == ("trace", [10, 11, 12], "")
    table = LatencyTable([bucket(number, 1, slow_since(number)) for number in range(20)])
    assert stock.score == evidence.weight == pytest.approx(table.attributions(10)[0].weight)


def test_a_slow_call_is_described_by_its_two_ends() -> None:
    ranker = CulpritRanker()
    feed(ranker, lambda number: slow_since(number, gap=True), range(0, 200, 10))
    found = ranker.rank(NOW)
    assert [suspect.service for suspect in found] == ["stock", "front"]
    for suspect in found:
        assert suspect.evidence[0].text == (
            "stock.do: 150 ms became 1.5 s between front and stock; accounts for 100% of the time added to requests"
        )


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Event("operation", "SELECT"), "stock.do: operation 'SELECT' in 0 of 10 traces before, 10 of 10 since"),
        (Event("call", "mail", 3), "stock.do: call 'mail' 3 times in 0 of 10 traces before, 10 of 10 since"),
        (Event("log", "t1"), 'stock.do: log "out of <*>" in 0 of 10 traces before, 10 of 10 since'),
        (Event("error log", "t1", 2), 'stock.do: error log "out of <*>" 2 times in 0 of 10 traces before, 10 of 10 since'),
        (Event("log", "t2"), "stock.do: log t2 in 0 of 10 traces before, 10 of 10 since"),
    ],
    ids=["operation", "call", "log", "error log", "unknown template"],
)
def test_what_a_service_does_otherwise_is_described_with_its_counts(event: Event, said: str) -> None:
    ranker = CulpritRanker()
    ranker.add_lines([TemplatedLine("default", b"other", b"other", "t1", '"out of <*>"', 0, ERROR)])
    feed(ranker, lambda number: [visit("stock", events=[event] if number >= 10 else [])], range(0, 200, 10))
    (stock,) = ranker.rank(NOW)
    (evidence,) = stock.evidence
    assert evidence.text == said
    assert evidence.signal == ("log" if "log" in event.kind else "trace")
    assert evidence.weight == stock.score == pytest.approx(math.log1p(20 * math.log(2)))
    assert numbers(evidence.trace_ids) == [10, 11, 12]


def test_the_lines_of_a_trace_are_what_it_did() -> None:
    ranker = CulpritRanker()
    ids = [number.to_bytes(16, "big") for number in range(20)]
    ranker.add_lines(TemplatedLine("default", ids[at], b"stock", "t1", '"gave up"', at, ERROR) for at in range(10, 20))
    feed(ranker, lambda _: [visit("stock")], range(0, 200, 10))
    (stock,) = ranker.rank(NOW)
    assert stock.evidence[0].text.startswith('stock.do: error log "gave up" in 0 of 10')


def test_the_heaviest_of_what_a_service_does_otherwise_speaks_for_all() -> None:
    more, less = Event("operation", "SELECT"), Event("operation", "UPDATE")
    ranker = CulpritRanker()
    feed(
        ranker,
        lambda number: [visit("stock", events=[more] * (number >= 10) + [less] * (number >= 12))],
        range(0, 200, 10),
    )
    (stock,) = ranker.rank(NOW)
    assert [item.text.split("'")[1] for item in stock.evidence] == ["SELECT"]


@pytest.mark.parametrize(
    ("before", "after", "is_change"),
    [(7, 20, False), (8, 20, True), (20, 4, False), (20, 5, True)],
)
def test_a_change_needs_traces_on_both_sides(before: int, after: int, is_change: bool) -> None:  # noqa: FBT001 - a parameter
    """Without a change all are compared with their peers, of which there are none."""
    ranker = CulpritRanker()
    feed(ranker, lambda number: [visit("stock", 100.0 if number >= before else 10.0)], [0] * before + [10] * after)
    assert bool(ranker.rank(NOW)) == is_change


@pytest.mark.parametrize(("now", "is_change"), [(1000, True), (1001, False)])
def test_a_change_before_the_horizon_is_none(now: int, is_change: bool) -> None:  # noqa: FBT001 - a parameter
    ranker = CulpritRanker(horizon=900 * SECOND)
    feed(ranker, slow_since, [0] * 10 + [100] * 10)
    assert bool(ranker.rank(now * SECOND)) == is_change


def test_traces_of_later_than_now_are_not_weighed() -> None:
    ranker = CulpritRanker()
    feed(ranker, slow_since, [*[0] * 10, *range(100, 200, 10)])
    assert ranker.rank(100 * SECOND - 1) == ()
    assert [suspect.service for suspect in ranker.rank(140 * SECOND)] == ["stock"]
    assert ranker.rank(130 * SECOND) == (), "of the changed ones there are four"


def test_a_trace_that_a_clock_dates_later_than_now_began_now() -> None:
    ranker = CulpritRanker()
    late = SampledTrace(b"t" * 16, NOW, NOW, True, (visit("stock"),))
    for now in (None, 20 * SECOND, 2 * NOW):
        ranker.add_trace(late, now)
        (start,) = (start for start, traces in ranker._traces.buckets() if traces)
        assert start == min(NOW, now or NOW)


def metrics(ranker: CulpritRanker, culprit: str, since: int = 100) -> None:
    """Two metrics of four services, a point every ten seconds for 200; those of the culprit leap at a time."""
    for time in range(0, 200, 10):
        for service in ("front", "stock", "mail", "idle"):
            labels = (("k8s_pod_name", f"{service}-1"), ("service_name", service))
            value = 1000.0 if service == culprit and time >= since else 100.0 - time / 100
            ranker.add_points([Point(Series(name, labels), time * SECOND, value) for name in ("cpu", "queue_length")])


@pytest.mark.parametrize(
    ("culprit", "with_traces", "share"),
    [("stock", False, 1.0), ("front", True, ALONE), ("idle", True, ALONE * IDLE), ("stock", True, 1.0)],
    ids=["no traces at all", "traces accuse another", "no trace came through it", "traces accuse it as well"],
)
def test_metrics_count_less_where_requests_do_not_suffer(culprit: str, with_traces: bool, share: float) -> None:  # noqa: FBT001 - a parameter
    ranker = CulpritRanker()
    if with_traces:
        feed(ranker, slow_since, range(0, 200, 10))
    metrics(ranker, culprit)
    alone = CulpritRanker()
    metrics(alone, culprit)
    full = only(alone.rank(NOW), culprit).evidence[0]
    suspect = only(ranker.rank(NOW), culprit)
    (said,) = (item for item in suspect.evidence if item.signal == "metric")
    assert said.series.startswith("cpu{")
    if not with_traces:
        assert suspect.score == full.weight
        return
    dated = ranker._metrics.attributions(100 * SECOND, NOW)
    (moved,) = (attribution for attribution in dated if attribution.service == culprit)
    assert said.weight == pytest.approx(moved.weight * share)
    assert suspect.score == pytest.approx(sum(item.weight for item in suspect.evidence))
    assert suspect.instance == f"{culprit}-1"


def test_a_service_that_traces_accuse_a_little_has_its_metrics_count_a_little_more() -> None:
    """Of the time that calls to `stock` take longer, its callers answer for shares that count below 1."""
    ranker = CulpritRanker()

    def visits(number: int) -> list[Visit]:
        slow = 25.0 if number >= 10 else 10.0
        return [visit("front"), visit("stock", 2000.0 if number >= 10 else 10.0, parent=0), visit("mail", slow, parent=0)]

    feed(ranker, visits, range(0, 200, 10))
    metrics(ranker, "mail")
    mail = only(ranker.rank(NOW), "mail")
    weights = {item.signal: item.weight for item in mail.evidence}
    assert 0 < weights["trace"] < 1
    (moved,) = (item for item in ranker._metrics.attributions(100 * SECOND, NOW) if item.service == "mail")
    assert weights["metric"] == pytest.approx(moved.weight * (ALONE + (1 - ALONE) * weights["trace"]))


def test_of_several_instances_the_one_is_named_against_which_most_speaks() -> None:
    """Traces name none of three pods; metrics name the second."""
    ranker = CulpritRanker()

    def visits(number: int) -> list[Visit]:
        return [visit("stock", 100.0 if number >= 30 else 10.0, pod="123"[number % 3])]

    feed(ranker, visits, [number * 10 // 3 for number in range(60)])
    assert only(ranker.rank(NOW), "stock").instance == ""
    for time in range(0, 200, 10):
        for pod in "123":
            labels = (("k8s_pod_name", f"stock-{pod}"), ("service_name", "stock"))
            value = 1000.0 if pod == "2" and time >= 100 else 100.0
            ranker.add_points([Point(Series(name, labels), time * SECOND, value) for name in ("cpu", "queue_length")])
    found = only(ranker.rank(NOW), "stock")
    assert found.instance == "stock-2"
    assert sorted(item.signal for item in found.evidence) == ["metric", "trace"]


def test_suspects_of_equal_score_are_in_the_order_of_their_names() -> None:
    ranker = CulpritRanker()

    def visits(number: int) -> list[Visit]:
        own = 100.0 if number >= 10 else 10.0
        return [visit("front"), *(visit(name, own, parent=0) for name in ("b", "a", "c"))]

    feed(ranker, visits, range(0, 200, 10))
    assert [suspect.service for suspect in ranker.rank(NOW)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("series", "before", "after", "said"),
    [
        (Series("queue_length", ()), 2.0, 40.0, "queue_length: 2 became 40"),
        (Series("wait_seconds", ()), 0.002, 0.04, "wait_seconds: 2 ms became 40 ms"),
        (Series("queue_length", ()), math.nan, 40.0, "queue_length: 40"),
        (Series("errors_total", (), total=True), 2.0, 40.0, "errors_total: 2 became 40 a second"),
    ],
    ids=["plain", "with a unit", "without a past", "total"],
)
def test_a_metric_is_described_with_what_became_of_it(series: Series, before: float, after: float, said: str) -> None:
    evidence = _metric_evidence(MetricAttribution("pay", "pay-1", series, math.e - 1, before, after), 1.0)
    assert (evidence.signal, evidence.text) == ("metric", f"{said}, unlike in other instances")
    assert evidence.series == f"{series.name}{{}}"
    assert evidence.trace_ids == ()


def line(template: str) -> TemplatedLine:
    return TemplatedLine("default", b"trace", b"span", template, f'"{template}"', 0, ERROR)


def test_the_texts_of_templates_are_bounded_and_the_one_seen_longest_ago_goes() -> None:
    ranker = CulpritRanker()
    ranker.add_lines(line(str(number)) for number in range(MAX_TEMPLATES))
    ranker.add_lines([line("0")])
    assert ranker.dropped["templates"] == 0
    ranker.add_lines([line("new"), line("newer")])
    assert ranker.dropped["templates"] == 2
    assert len(ranker._quoted) == MAX_TEMPLATES
    assert {"0", "new", "newer"} <= ranker._quoted.keys()
    assert not {"1", "2"} & ranker._quoted.keys()


def test_what_the_bounds_have_cost_is_counted_by_kind() -> None:
    ranker = CulpritRanker(width=STEP)
    assert ranker.dropped == {"traces": 0, "logs": 0, "series": 0, "templates": 0}
    feed(ranker, lambda _: [visit("stock")], [0] * 61)
    ranker.add_lines(line(str(number)) for number in range(258))
    assert ranker.dropped == {"traces": 1, "logs": 2, "series": 0, "templates": 0}
    assert ranker.rank(NOW) == ()
