from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.assembling.trace_telemetry import SAMPLE_SIZE, SKEW_EVERY, SPAN_METRICS_EVERY, TraceTelemetry
from pipeline.exchange import codec, partitions
from pipeline.exchange.codec import HEADER, BatchKind
from pipeline.exchange.environment_topic import EnvironmentTopic
from pipeline.exchange.learning import decode_traces
from processors.assembly.assembler import OpenTrace
from processors.assembly.reconcile import Publication, publish_trace
from processors.root_cause.sampled_trace import sampled_trace
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind
from tests.pipeline.parts import KeepingTopic

if TYPE_CHECKING:
    from telemetry.metrics import Point

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
MS = 1_000_000
NOW = START + 3600 * SECOND


def request(number: int, *, ahead: int = 0) -> list[Span]:
    """A call from web on host a to cart on host b, whose clock may be ahead."""
    trace_id, start = (number + 1).to_bytes(16, "big"), START + number * MS
    web = Resource({"service.name": "web", "host.name": "a"})
    cart = Resource({"service.name": "cart", "host.name": "b"})
    return [
        Span(trace_id, b"1" * 8, b"", "GET /", SpanKind.SERVER, start, start + 20 * MS, web),
        Span(trace_id, b"2" * 8, b"1" * 8, "GET /cart", SpanKind.CLIENT, start + MS, start + 11 * MS, web),
        Span(trace_id, b"3" * 8, b"2" * 8, "GET /cart", SpanKind.SERVER, start + 2 * MS + ahead, start + 10 * MS + ahead, cart),
    ]


def trace(spans: list[Span]) -> OpenTrace:
    return OpenTrace(spans[0].trace_id, {span.span_id: span for span in spans})


class World:
    def __init__(self) -> None:
        self.series = KeepingTopic()
        self.signals = KeepingTopic(1)
        topic: Any = self.series
        self.reported = TraceTelemetry(3, START, topic, EnvironmentTopic(self.signals))

    @property
    def sent(self) -> list[tuple[BatchKind, bytes]]:
        return [(BatchKind(sent.headers[HEADER].decode()), sent.value) for sent in self.signals.sent]

    def count(self, number: int, **options: int) -> Publication:
        publication = publish_trace(trace(request(number, **options)))
        self.reported.count(publication, NOW)
        return publication

    async def points(self, time: int) -> dict[str, list[Point]]:
        self.signals.sent.clear()
        await self.reported.send_metrics(time)
        found: dict[str, list[Point]] = {}
        for batch, value in self.sent:
            assert batch is BatchKind.POINTS
            for point in codec.decode_points(value):
                found.setdefault(point.series.name, []).append(point)
        return found


async def test_rules_see_calls_and_spans_under_the_names_of_existing_dashboards() -> None:
    world = World()
    for number in range(7):
        world.count(number)
    found = await world.points(START + 60 * SECOND)
    (calls,) = (p for p in found["traces_service_graph_request_total"] if p.series.label("client") == "web")
    assert (calls.value, calls.series.label("server"), calls.series.label("instance")) == (7, "cart", "partition-3")
    spans = {
        (p.series.label("service_name"), p.series.label("span_kind")): p.value for p in found["traces_span_metrics_calls_total"]
    }
    assert spans == {("web", "SPAN_KIND_SERVER"): 7, ("web", "SPAN_KIND_CLIENT"): 7, ("cart", "SPAN_KIND_SERVER"): 7}
    assert "traces_span_metrics_duration_milliseconds_bucket" in found


async def test_span_metrics_are_reported_at_intervals() -> None:
    world = World()
    world.count(1)
    assert "traces_span_metrics_calls_total" in await world.points(START)
    assert "traces_span_metrics_calls_total" not in await world.points(START + SPAN_METRICS_EVERY - 1)
    assert "traces_span_metrics_calls_total" in await world.points(START + SPAN_METRICS_EVERY)


async def test_a_merged_trace_counts_only_its_new_spans_and_no_calls_again() -> None:
    world = World()
    publication = world.count(1)
    publication.merged, publication.new_spans = True, publication.new_spans[:1]
    world.reported.count(publication, NOW)
    found = await world.points(START)
    assert sum(point.value for point in found["traces_span_metrics_calls_total"]) == 4
    assert {point.value for point in found["traces_service_graph_request_total"]} == {1}


async def test_the_skew_of_two_hosts_is_reported_with_its_error_and_stored_beside_the_times_as_they_came() -> None:
    world = World()
    publications = [world.count(number, ahead=50 * MS) for number in range(30)]
    documents = await world.reported.send_metrics(START + 10 * SECOND)
    stored = {document.body["name"]: document.body for document in documents}
    skew, error = stored["spanloom.clock.skew"], stored["spanloom.clock.skew.error"]
    assert skew["attributes"] == {"host": "a", "other": "b"}
    assert abs(skew["value"] + 0.050) <= error["value"] <= 0.001
    spans = {span.span_id: span for span in publications[0].new_spans}
    assert spans[b"3" * 8].start == START + 52 * MS, "raw times are stored as they came"
    assert await world.reported.send_metrics(START + 10 * SECOND + SKEW_EVERY - 1) == []
    assert "spanloom_clock_skew_seconds" in {p.name for p in await names(world)}


async def names(world: World) -> set[Any]:
    found = await world.points(START + 10 * SECOND + SKEW_EVERY)
    return {point.series for points in found.values() for point in points}


async def test_a_sample_of_whole_traces_goes_to_the_partition_of_their_root() -> None:
    world = World()
    traces = [trace(request(number)) for number in range(4 * SAMPLE_SIZE)]
    await world.reported.send_sample((one, publish_trace(one)) for one in traces)
    (sent,) = world.series.sent
    assert sent.partition == partitions.of_text("web", world.series.partitions)
    assert sent.headers["spanloom.batch"] == b"traces"
    found = decode_traces(sent.value)
    assert SAMPLE_SIZE <= len(found) < 4 * SAMPLE_SIZE
    assert set(found) <= {sampled_trace(request(number)) for number in range(4 * SAMPLE_SIZE)}


async def test_a_trace_that_got_a_late_part_goes_whole_to_the_search_for_culprits_and_not_to_the_shapes() -> None:
    world = World()
    publication = publish_trace(trace(request(1)))
    publication.merged, publication.new_spans = True, publication.spans[2:]
    await world.reported.send_sample([(trace(request(1)[2:]), publication)])
    assert world.series.sent == []
    ((batch, value),) = world.sent
    assert batch is BatchKind.TRACES
    assert decode_traces(value) == [sampled_trace(request(1))]


async def test_a_trace_is_never_split_over_two_records() -> None:
    world = World()
    traces = [trace([replace(span, name="x" * 20_000) for span in request(number)]) for number in range(SAMPLE_SIZE)]
    await world.reported.send_sample([(one, publish_trace(one)) for one in traces])
    records_of = [decode_traces(sent.value) for sent in world.series.sent]
    assert len(records_of) > 1
    assert all(sum(len(visit.span_ids) for visit in found.visits) == 3 for record in records_of for found in record)


async def test_a_trace_that_fills_more_than_a_record_is_omitted_and_the_others_are_sent() -> None:
    world = World()
    (root, call, _), small = request(1), trace(request(2))
    large = trace(
        [
            root,
            *(
                replace(call, span_id=number.to_bytes(8, "big"), resource=Resource({"service.name": f"cart{number}"}))
                for number in range(1, 10_000)
            ),
        ]
    )
    await world.reported.send_sample([(one, publish_trace(one)) for one in (large, small)])
    (sent,) = world.series.sent
    assert [found.trace_id for found in decode_traces(sent.value)] == [small.trace_id]
    assert world.reported.dropped["large_traces"] == 1


async def test_scrapers_see_all_of_it() -> None:
    world = World()
    world.count(1, ahead=50 * MS)
    assert {metric.name for metric in world.reported.metrics(START)} >= {
        "traces_service_graph_request_total",
        "traces.span.metrics.calls",
        "traces.span.metrics.duration",
        "spanloom.clock.skew",
    }
