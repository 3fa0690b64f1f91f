"""What a decoder accepts, however odd, no stage may fail at: a record that fails is read again after each restart."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from pipeline.agents import rekey_topic
from pipeline.delivery.record_error import RecordFailedError
from pipeline.exchange.environment_topic import EnvironmentTopic
from pipeline.incoming import RekeyCounts
from pipeline.rekey import rekey_logs, rekey_metrics, rekey_spans
from pipeline.score import ScoreStage
from processors.assembly.assembler import AssemblyLimits, TraceAssembler, unpack
from processors.assembly.reconcile import publish_trace
from processors.kernels.choose import choose
from telemetry import otlp
from telemetry.errors import DecodeError
from telemetry.metrics import DataPoint, Metric, MetricType
from telemetry.resource import Resource
from tests.pipeline.all_detectors import all_detectors
from tests.pipeline.parts import Event, KeepingTopic

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.rekey import Rekey

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def now() -> int:
    return START


texts = st.one_of(
    st.sampled_from(["", "service.name", "k8s.pod.name", "job", "le", "\0", "4xx", "{}", "{x}"]), st.text(max_size=8)
)
times = st.one_of(st.sampled_from([0, 1, START, START + 5, 2**63 - 1]), st.integers(0, 2**63 - 1))
doubles = st.floats(width=64)
values: st.SearchStrategy[AnyValue] = st.recursive(
    st.one_of(
        st.just(AnyValue()),
        st.builds(AnyValue, string_value=texts),
        st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
        st.builds(AnyValue, double_value=doubles),
        st.builds(AnyValue, bool_value=st.booleans()),
        st.builds(AnyValue, bytes_value=st.binary(max_size=4)),
    ),
    lambda inner: st.one_of(
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=st.lists(inner, max_size=3))),
        st.builds(
            AnyValue,
            kvlist_value=st.builds(KeyValueList, values=st.lists(st.builds(KeyValue, key=texts, value=inner), max_size=3)),
        ),
    ),
    max_leaves=5,
)
attributes = st.lists(st.builds(KeyValue, key=texts, value=values), max_size=3)


@st.composite
def metrics(draw: st.DrawFn) -> bytes:
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.extend(draw(attributes))
    for _ in range(draw(st.integers(1, 3))):
        metric = group.scope_metrics.add().metrics.add(
            name=draw(st.one_of(st.sampled_from(OUR_NAMES), texts)),
            unit=draw(st.sampled_from(["", "s", "1", "/", "{x}/y", "é"])),
        )
        of_type = getattr(metric, draw(st.sampled_from(["gauge", "sum", "histogram", "exponential_histogram", "summary"])))
        for _ in range(draw(st.integers(0, 3))):
            point = of_type.data_points.add(attributes=draw(attributes), time_unix_nano=draw(times))
            match metric.WhichOneof("data"):
                case "gauge" | "sum":
                    point.as_double = draw(doubles)
                case "summary":
                    point.quantile_values.add(quantile=draw(doubles), value=draw(doubles))
                case "histogram":
                    point.count = draw(st.integers(0, 2**64 - 1))
                    point.explicit_bounds.append(draw(doubles))
                    point.bucket_counts.extend([1, 2**64 - 1])
                    point.exemplars.add(trace_id=b"t" * 16, time_unix_nano=draw(times), as_double=draw(doubles))
                case _:
                    point.positive.bucket_counts.append(draw(st.integers(0, 2**64 - 1)))
    return request.SerializeToString()


OUR_NAMES = ["spanloom_service_self_time_seconds", "spanloom_edge_latency_p95_seconds", "spanloom_log_lines"]


@st.composite
def logs(draw: st.DrawFn) -> bytes:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(draw(attributes))
    for _ in range(draw(st.integers(1, 3))):
        group.scope_logs.add().log_records.add(
            time_unix_nano=draw(times),
            body=draw(values),
            attributes=draw(attributes),
            severity_number=draw(st.sampled_from([-(2**31), -7, 0, 9, 17, 24, 25, 2**31 - 1])),
            trace_id=draw(st.sampled_from([b"", b"x", b"t" * 16])),
            event_name=draw(texts),
        )
    return request.SerializeToString()


@st.composite
def spans(draw: st.DrawFn) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(draw(attributes))
    for _ in range(draw(st.integers(1, 3))):
        span = group.scope_spans.add().spans.add(
            trace_id=b"t" * 16,
            span_id=draw(st.sampled_from([b"a" * 8, b"b" * 8])),
            parent_span_id=draw(st.sampled_from([b"", b"a" * 8, b"b" * 8])),
            name=draw(texts),
            kind=draw(st.integers(0, 9)),
            start_time_unix_nano=draw(times),
            end_time_unix_nano=draw(times),
            attributes=draw(attributes),
        )
        span.events.add(name=draw(texts), time_unix_nano=draw(times), attributes=draw(attributes))
    return request.SerializeToString()


class Around:
    """What a stage needs around it: every write and every send succeeds."""

    def __init__(self) -> None:
        self.agents: list[Any] = []
        self.flaws: list[Exception] = []
        self.done_with = 0

    def agent(self, *_: Any, **__: Any) -> Callable[[Any], Any]:
        return self.agents.append

    def is_stale(self, _event: Any) -> bool:
        return False

    def timed(self) -> AbstractContextManager[None]:
        return nullcontext()

    def usable(self, _event: Any) -> None:
        pass

    async def admit(self, *_: Any) -> bool:
        return True

    async def write(self, *_: Any) -> frozenset[str]:
        return frozenset()

    def send(self, _event: Any, what: Any) -> Any:
        if isinstance(what, Exception):
            self.flaws.append(what)
        return asyncio.sleep(0)

    def load(self, *_: Any) -> None:
        pass

    async def done(self, _event: Any, after: Any, _documents: int) -> None:
        await asyncio.gather(*after)
        self.done_with += 1

    async def run(self, value: bytes) -> None:
        async def events() -> Any:
            yield Event("inlet", 0, 4711, value)

        await self.agents[-1](SimpleNamespace(noack=lambda: SimpleNamespace(events=events)))


def after_rekey(rekey: Callable[[Any, Any, Any], Rekey], value: bytes) -> tuple[Around, KeepingTopic, KeepingTopic]:
    """One record through stage 1."""
    around: Any = Around()
    traced, series = KeepingTopic(partitions=1), KeepingTopic(partitions=1)
    rekey_topic(around, "rekey", around, around, around, rekey(traced, series, around))
    asyncio.run(around.run(value))
    assert around.done_with == 1
    return around, traced, series


def score(topic: KeepingTopic) -> None:
    """What came of it through stage 3."""

    async def run() -> None:
        around: Any = Around()
        stage = ScoreStage(around, EnvironmentTopic(KeepingTopic(1)), around, lambda: START, all_detectors)
        for number, sent in enumerate(topic.sent):
            event = Event("series", 0, number, sent.value)
            event.headers = sent.headers
            await asyncio.gather(*stage.handle(event))
        await stage.close()

    asyncio.run(run())


@settings(max_examples=40)
@given(metrics())
def test_odd_metrics(value: bytes) -> None:
    _, _, series = after_rekey(lambda traced, series, a: rekey_metrics(traced, series, a, a, RekeyCounts(), now), value)
    score(series)


@settings(max_examples=40)
@given(logs())
def test_odd_logs(value: bytes) -> None:
    _, _, series = after_rekey(lambda traced, series, a: rekey_logs(traced, series, a, a, RekeyCounts(), now), value)
    score(series)


@settings(max_examples=40)
@given(spans())
def test_odd_spans(value: bytes) -> None:
    _, traced, _ = after_rekey(lambda traced, *_: rekey_spans(traced, RekeyCounts(), now, choose("auto")), value)
    for sent in traced.sent:
        assembler = TraceAssembler(AssemblyLimits(SECOND, SECOND, 10, 10))
        assembler.add(0, 0, otlp.SpanPacker().pack(sent.value))
        closed = assembler.close_all()
        unpack(closed, choose("auto"))
        for trace in closed:
            publication = publish_trace(trace)
            publication.parts(0, lambda time: time - time % 5)
            publication.trace()


@pytest.mark.parametrize("where", ["label", "service"])
def test_long_texts_that_grow_when_they_are_said_in_json_are_stored_and_not_analysed(where: str) -> None:
    long = "\x01" * 800_000
    point = DataPoint(START, value=1.0, attributes={"a": long if where == "label" else "b"})
    of = Resource({"service.name": long if where == "service" else "shop"})
    value = otlp.encode_metrics([Metric("load", MetricType.GAUGE, (point,), of)])
    counts = RekeyCounts()
    _, _, series = after_rekey(lambda traced, series, a: rekey_metrics(traced, series, a, a, counts, now), value)
    assert series.sent == []
    assert counts.dropped["large_points"] == 1


def test_what_fails_names_the_record() -> None:
    around: Any = Around()

    def fail(_event: Any) -> Any:
        raise KeyError("no such thing")

    rekey_topic(around, "rekey", around, around, around, fail)
    with pytest.raises(RecordFailedError, match=r"inlet\[0\] offset 4711: KeyError"):
        asyncio.run(around.run(b""))


def test_what_cannot_be_read_is_a_dead_letter() -> None:
    around, _, _ = after_rekey(lambda traced, series, a: rekey_logs(traced, series, a, a, RekeyCounts(), now), b"\xff")
    assert [type(flaw) for flaw in around.flaws] == [DecodeError]
