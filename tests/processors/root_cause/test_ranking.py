from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from processors.root_cause.metrics import MetricAttribution
from processors.root_cause.ranking import CulpritRanker, _metric_evidence
from processors.root_cause.sampled_trace import sampled_trace
from telemetry.logs import ERROR, LogRecord
from telemetry.metrics import Point, Series
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind
from tests.templated import templated

if TYPE_CHECKING:
    from telemetry.findings import Suspect

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
CALLS = {"front": ("cart", "search"), "cart": ("stock",), "search": ("stock",), "stock": ()}


@dataclass(frozen=True)
class Fault:
    """What a service does differently from second 120 on."""

    service: str = ""
    own: float = 0.0  # milliseconds more of its own
    network: float = 0.0  # milliseconds more on each of its incoming calls
    fails: bool = False  # gives up before it calls anyone, and says so in its log; its callers give up too
    pods: int = 1
    faulty: tuple[int, ...] = (1,)  # those of its pods that do so


class Shop:
    """Four services in a diamond over a shared one, a request a second and a bit, made from a seed."""

    def __init__(self, fault: Fault, seed: int = 1) -> None:
        self._fault = fault
        self._rng = random.Random(seed)
        self.traces: list[list[Span]] = []
        self.logs: list[LogRecord] = []
        for number in range(300):
            self._request(number)

    def _request(self, number: int) -> None:
        self._trace_id = self._rng.randbytes(16)
        self._spans: list[Span] = []
        self._faulty = number * 0.8 > 120
        self._visit("front", b"", int(number * 0.8 * SECOND))
        self.traces.append(self._spans)

    def _visit(self, service: str, parent: bytes, start: int) -> tuple[int, bool, float]:
        """End and success of a visit, and how much longer its answer is under way."""
        pod = 1 + self._rng.randrange(self._fault.pods) if self._fault.service == service else 1
        fault = self._fault if self._faulty and self._fault.service == service and pod in self._fault.faulty else Fault()
        span_id, resource = self._rng.randbytes(8), Resource({"service.name": service, "k8s.pod.name": f"{service}-{pod}"})
        at = start + int((self._rng.lognormvariate(1.0, 0.3) + fault.own) * MILLISECOND)
        well = not fault.fails
        for callee in CALLS[service] if well else ():
            client, began = self._rng.randbytes(8), at
            ended, well, slow = self._visit(callee, client, at + MILLISECOND // 2)
            at = ended + int((0.5 + slow) * MILLISECOND)
            self._spans.append(Span(self._trace_id, client, span_id, callee, SpanKind.CLIENT, began, at, resource))
            if not well:
                break
        if not well:
            text = f"could not serve request {self._rng.randint(1, 10**6)}"
            self.logs.append(LogRecord(at, text, resource, severity=ERROR, trace_id=self._trace_id, span_id=span_id))
        self._spans.append(Span(self._trace_id, span_id, parent, f"{service}.do", SpanKind.SERVER, start, at, resource))
        return at, well, fault.network


def suspects(shop: Shop) -> tuple[Suspect, ...]:
    culprits = CulpritRanker()
    for trace in shop.traces:
        culprits.add_trace(sampled_trace(trace))
    culprits.add_lines(templated(shop.logs))
    return culprits.rank(300 * SECOND)


def ranked(shop: Shop) -> list[str]:
    return [suspect.service for suspect in suspects(shop)]


FAULTS = {"slow": Fault(own=60.0), "far": Fault(network=60.0), "failing": Fault(fails=True)}


@pytest.mark.parametrize(
    ("service", "kind"),
    [(service, kind) for service in CALLS for kind in FAULTS if (service, kind) != ("front", "far")],  # none calls the front
)
def test_the_faulty_service_ranks_before_its_victims(service: str, kind: str) -> None:
    assert ranked(Shop(replace(FAULTS[kind], service=service)))[0] == service


@pytest.mark.parametrize("kind", FAULTS)
def test_ids_in_the_names_of_spans_hide_nothing(kind: str) -> None:
    fault = replace(FAULTS[kind], service="stock")
    plain, named = Shop(fault), Shop(fault)
    for number, trace in enumerate(named.traces):
        named.traces[number] = [replace(span, name=f"{span.name}/{number}") for span in trace]
    for number, trace in enumerate(plain.traces):
        plain.traces[number] = [replace(span, name=f"{span.name}/{{id}}") for span in trace]
    assert ranked(named) == ranked(plain)
    assert ranked(named)[0] == "stock"


def test_nobody_is_accused_when_nothing_has_changed() -> None:
    assert ranked(Shop(Fault())) == []
    assert ranked(Shop(Fault("stock", pods=3))) == []


def test_the_ranking_does_not_depend_on_the_order_of_arrival() -> None:
    shop = Shop(Fault("cart", own=60.0))
    first = CulpritRanker()
    first.add_lines(templated(shop.logs))
    for trace in shop.traces:
        first.add_trace(sampled_trace(trace))
    shuffled = CulpritRanker()
    for trace in random.Random(2).sample(shop.traces, len(shop.traces)):
        shuffled.add_trace(sampled_trace(random.Random(3).sample(trace, len(trace))))
    shuffled.add_lines(templated(shop.logs))
    assert first.rank(300 * SECOND) == shuffled.rank(300 * SECOND)


def test_the_evidence_says_what_became_of_what_in_words_and_numbers() -> None:
    culprits = CulpritRanker()
    for trace in Shop(Fault("stock", own=60.0)).traces:
        culprits.add_trace(sampled_trace(trace))
    first = culprits.rank(300 * SECOND)[0]
    assert (first.service, first.instance) == ("stock", "stock-1")
    assert first.evidence[0].signal == "trace"
    assert "in itself" in first.evidence[0].text
    assert "of the time added" in first.evidence[0].text
    assert re.search(r"[\d.]+ ms became [\d.]+ ms", first.evidence[0].text)
    assert len(first.evidence[0].trace_ids) == 3
    weights = [item.weight for item in first.evidence]
    assert weights == sorted(weights, reverse=True)
    assert first.score == pytest.approx(sum(weights))


def test_the_evidence_of_an_event_counts_the_traces_that_have_it_before_and_since() -> None:
    (failing, *_) = suspects(Shop(Fault("stock", fails=True)))
    said = [re.search(r"in (\d+) of (\d+) traces before, (\d+) of (\d+) since", item.text) for item in failing.evidence]
    counted = [tuple(map(int, found.groups())) for found in said if found]
    assert counted
    for hits, trials, hits_after, trials_after in counted:
        assert hits / trials < 0.1 < hits_after / trials_after <= 1
        assert hits_after < trials_after


def test_a_metric_is_evidence_with_its_labels_and_what_became_of_it() -> None:
    queue = Series("queue_length", (("k8s_pod_name", "pay-1"), ("service_name", "pay")))
    evidence = _metric_evidence(MetricAttribution("pay", "pay-1", queue, math.e - 1, 2.0, 40.0), 0.5)
    assert evidence.series == 'queue_length{k8s_pod_name="pay-1",service_name="pay"}'
    assert evidence.text == "queue_length: 2 became 40, unlike in other instances"
    assert evidence.weight == pytest.approx(0.5)


@pytest.mark.parametrize("service", ["cart", "stock"])
@pytest.mark.parametrize("kind", FAULTS)
def test_of_several_pods_the_faulty_one_is_named_with_its_own_numbers(kind: str, service: str) -> None:
    first = suspects(Shop(replace(FAULTS[kind], service=service, pods=3, faulty=(2,))))[0]
    assert (first.service, first.instance) == (service, f"{service}-2")
    assert f" on {service}-2, unlike on its other instances" in first.evidence[0].text


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("faulty", [(1, 2), (1, 2, 3)])
def test_where_several_pods_are_faulty_no_single_one_is_named(kind: str, faulty: tuple[int, ...]) -> None:
    first = suspects(Shop(replace(FAULTS[kind], service="stock", pods=3, faulty=faulty)))[0]
    assert (first.service, first.instance) == ("stock", "")
    assert "unlike" not in first.evidence[0].text


def test_metrics_alone_can_accuse() -> None:
    def feed(culprits: CulpritRanker) -> None:
        for second in range(0, 300, 10):
            for number in range(6):
                for name in ("cpu", "run_queue"):
                    labels = (("k8s_pod_name", f"s{number}-1"), ("service_name", f"s{number}"))
                    value = 5.0 + random.Random(second * 10 + number).random()
                    culprits.add_points(
                        [Point(Series(name, labels), second * SECOND, value + 90.0 * (number == 3 and second > 200))]
                    )

    culprits = CulpritRanker()
    feed(culprits)
    suspects = culprits.rank(300 * SECOND)
    assert (suspects[0].service, suspects[0].instance) == ("s3", "s3-1")
    assert suspects[0].evidence[0].series.startswith("cpu{")


def test_the_sample_is_bounded_and_what_it_leaves_out_is_counted() -> None:
    culprits = CulpritRanker(width=1000 * SECOND)
    for trace in Shop(Fault()).traces:
        culprits.add_trace(sampled_trace(trace))
    assert culprits.dropped["traces"] == 300 - 60


@pytest.mark.parametrize("whole_first", [False, True])
def test_a_trace_that_has_grown_is_remembered_once_and_whole(whole_first: bool) -> None:  # noqa: FBT001 - a parameter
    resource = Resource({"service.name": "front"})
    trace_id, root, child = b"t" * 16, b"r" * 8, b"c" * 8
    late = Span(trace_id, root, b"", "GET", SpanKind.SERVER, 8 * SECOND, 12 * SECOND, resource)
    inside = Span(trace_id, child, root, "GET", SpanKind.SERVER, 11 * SECOND, 12 * SECOND, resource)
    culprits = CulpritRanker(width=10 * SECOND)
    for version in ([late, inside], [inside])[:: 1 if whole_first else -1]:
        culprits.add_trace(sampled_trace(version))
    held = {start: [trace.trace_id for trace in traces] for start, traces in culprits._traces.buckets() if traces}
    assert held == {0: [trace_id]}
    assert [len(trace.visits[0].span_ids) for _, traces in culprits._traces.buckets() for trace in traces] == [2]


def test_a_counter_that_counts_on_accuses_nobody_and_one_that_runs_away_does() -> None:
    culprits = CulpritRanker()
    for second in range(0, 300, 10):
        for pod in ("a", "b", "c", "d"):
            fast = 40 if pod == "a" and second >= 200 else 1
            for name in ("requests_total", "bytes_total", "seconds_bucket"):
                labels = (("instance", pod), ("service_name", pod))
                value = 5.0 * second + (fast - 1) * 5.0 * max(0, second - 190)
                culprits.add_points([Point(Series(name, labels, total=True), second * SECOND, value)])
    found = culprits.rank(300 * SECOND)
    assert [suspect.service for suspect in found] == ["a"]
    assert "5 became 200 a second" in found[0].evidence[0].text
