"""Records of producers that are not ours: of any format, with bad text, with blanks before them, empty, and without times."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from components.sender import HEADER
from pipeline.exchange.codec import BatchKind, decode_logs, decode_points
from pipeline.exchange.inner_records import decode_spans
from pipeline.incoming import RekeyCounts, jaeger_request, otlp_request, zipkin_request
from pipeline.rekey import rekey_logs, rekey_metrics, rekey_spans
from processors.kernels.choose import choose
from processors.kernels.protocol import KnownGroups
from telemetry import otlp
from telemetry.errors import DecodeError
from tests.pipeline.parts import Event, KeepingTopic
from tests.pipeline.wire import fixed64, message

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.rekey import Rekey
    from telemetry.documents import Document
    from telemetry.errors import InputError
    from telemetry.spans import Span

TRACE, SPAN = bytes(range(1, 17)), bytes(range(1, 9))
ARRIVED = 1_795_960_000_123_000_000
LATIN_1 = "café".encode("latin-1")


NOW = ARRIVED + 3600 * 10**9


def now() -> int:
    return NOW


class Written:
    """A writer that keeps what it is given, and offsets that never end."""

    def __init__(self) -> None:
        self.documents: list[Document] = []

    async def write(self, documents: list[Document], *_: Any) -> frozenset[str]:
        self.documents += documents
        return frozenset()

    def has_ended(self, _: Any) -> bool:
        return False


class Stage:
    """The first stage with topics that keep what is sent."""

    def __init__(self) -> None:
        self.traced, self.series = KeepingTopic(partitions=1), KeepingTopic(partitions=1)
        self.counts, self.written = RekeyCounts(), Written()

    def read(
        self, make: Callable[[Stage], Rekey], value: bytes | None, seconds: float = ARRIVED / 1e9, sender: bytes | None = None
    ) -> InputError | None:
        async def run() -> InputError | None:
            record = Event("inlet", 0, 1, value or b"")
            record.value, record.message.timestamp = value, seconds
            if sender is not None:
                record.headers[HEADER] = sender
            after, flaw, _ = make(self)(record)
            await asyncio.gather(*after)
            return flaw

        return asyncio.run(run())

    def spans(self) -> list[Span]:
        return [span for sent in self.traced.sent for span in decode_spans(sent.value)]


def spans(stage: Stage) -> Rekey:
    return rekey_spans(stage.traced, stage.counts, now, choose("auto"), otlp_request)


def zipkin(stage: Stage) -> Rekey:
    return rekey_spans(stage.traced, stage.counts, now, choose("auto"), zipkin_request)


def jaeger(stage: Stage) -> Rekey:
    return rekey_spans(stage.traced, stage.counts, now, choose("auto"), jaeger_request)


def logs(stage: Stage) -> Rekey:
    written: Any = stage.written
    return rekey_logs(stage.traced, stage.series, written, written, stage.counts, now)


def metrics(stage: Stage) -> Rekey:
    written: Any = stage.written
    return rekey_metrics(stage.traced, stage.series, written, written, stage.counts, now)


def otlp_span(name: bytes, *, start: int = 5, end: int = 9) -> bytes:
    times = fixed64(7, start) + fixed64(8, end)
    return message((1, message((2, message((2, message((1, TRACE), (2, SPAN), (5, name)) + times))))))


def zipkin_span(name: bytes) -> bytes:
    return message((1, message((1, TRACE), (3, SPAN), (5, name)) + fixed64(6, 7)))


def jaeger_span(name: bytes) -> bytes:
    return message((1, TRACE), (2, SPAN), (3, name), (6, message((1, 7))))


ZIPKIN = {"traceId": TRACE.hex(), "id": SPAN.hex(), "timestamp": 7}
OTLP = {"traceId": TRACE.hex(), "spanId": SPAN.hex(), "startTimeUnixNano": "5", "endTimeUnixNano": "9"}


def otlp_json(**fields: Any) -> bytes:
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [OTLP | fields]}]}]})


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (spans, otlp_span(LATIN_1)),
        (spans, otlp_json(name="caf??").replace(b"??", b"\xe9")),
        (spans, otlp_json(name="caf??").replace(b"??", rb"\ud83d")),
        (zipkin, zipkin_span(LATIN_1)),
        (zipkin, orjson.dumps([ZIPKIN | {"name": "caf??"}]).replace(b"??", rb"\ud83d")),
        (jaeger, jaeger_span(LATIN_1)),
        (
            jaeger,
            rb'{"traceId":"AQIDBAUGBwgJCgsMDQ4PEA==","spanId":"AQIDBAUGBwg=","operationName":"caf\ud83d","startTime":"2026-01-01T00:00:00Z"}',
        ),
    ],
    ids=["protobuf", "JSON of Latin-1", "JSON of half an emoji", "Zipkin", "Zipkin in JSON", "Jaeger", "Jaeger in JSON"],
)
def test_text_that_is_none_is_replaced_and_counted(make: Callable[[Stage], Rekey], value: bytes) -> None:
    stage = Stage()
    assert stage.read(make, value) is None
    assert [span.name for span in stage.spans()] == ["caf�"]
    assert stage.counts.replaced == 1


def test_text_of_logs_and_metrics_too() -> None:
    stage = Stage()
    assert stage.read(logs, message((1, message((2, message((2, message((3, b"\xff"))))))))) is None
    metric = message((1, b"m\xff"), (5, message((1, fixed64(3, 1) + fixed64(6, 7)))))
    assert stage.read(metrics, message((1, message((2, message((2, metric))))))) is None
    assert [document.body.get("severity_text", document.body.get("name")) for document in stage.written.documents] == [
        "�",
        "m�",
    ]
    assert stage.counts.replaced == 2


@pytest.mark.parametrize("before", [b"", b" \r\n\t", b"\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"], ids=repr)
@pytest.mark.parametrize(
    ("make", "value"),
    [
        (spans, otlp_json(name="x")),
        (zipkin, orjson.dumps([ZIPKIN | {"name": "x"}])),
        (zipkin, orjson.dumps(ZIPKIN | {"name": "x"})),
    ],
)
def test_json_may_have_blanks_and_a_byte_order_mark_before_it(
    make: Callable[[Stage], Rekey], value: bytes, before: bytes
) -> None:
    stage = Stage()
    assert stage.read(make, before + value) is None
    assert [span.name for span in stage.spans()] == ["x"]


@pytest.mark.parametrize("length", [0x5B, 0x7B, 0x22, 0x20])
@pytest.mark.parametrize(("make", "encode"), [(spans, otlp_span), (zipkin, zipkin_span)])
def test_protobuf_whose_first_length_looks_like_json_is_protobuf(
    make: Callable[[Stage], Rekey], encode: Callable[[bytes], bytes], length: int
) -> None:
    name = b"n" * next(n for n in range(length) if encode(b"n" * n)[1] == length) if length > 0x40 else b"n"
    stage = Stage()
    assert stage.read(make, encode(name)) is None
    assert [span.name for span in stage.spans()] == [name.decode()]


@pytest.mark.parametrize("make", [spans, zipkin, jaeger, logs, metrics])
def test_a_tombstone_is_counted_and_no_dead_letter(make: Callable[[Stage], Rekey]) -> None:
    stage = Stage()
    assert stage.read(make, None) is None
    assert stage.counts.empty == {"tombstone": 1}


@pytest.mark.parametrize("make", [spans, logs, metrics])
@pytest.mark.parametrize(
    ("value", "reason"),
    [(b"", "empty"), (b"\x0a\x00", "unknown"), (message((200, b"of another release")), "unknown"), (b'{"x":1}', "unknown")],
)
def test_a_request_that_holds_nothing_known_is_counted(make: Callable[[Stage], Rekey], value: bytes, reason: str) -> None:
    stage = Stage()
    assert stage.read(make, value) is None
    assert stage.counts.empty == {reason: 1}


@pytest.mark.parametrize(
    ("value", "times"),
    [
        (otlp_span(b"x", start=0, end=0), (ARRIVED, ARRIVED)),
        (otlp_span(b"x", start=0, end=ARRIVED - 5), (ARRIVED - 5, ARRIVED - 5)),
        (otlp_span(b"x", start=ARRIVED - 5, end=0), (ARRIVED - 5, ARRIVED - 5)),
        (otlp_json(startTimeUnixNano="0", endTimeUnixNano=None), (ARRIVED, ARRIVED)),
    ],
)
def test_a_span_without_times_is_of_the_time_when_it_came(value: bytes, times: tuple[int, int]) -> None:
    stage = Stage()
    stage.read(spans, value)
    assert [(span.start, span.end) for span in stage.spans()] == [times]
    assert stage.counts.untimed == {"spans": 1}


@pytest.mark.parametrize(
    ("fields", "times"),
    [
        ({"timestamp": None}, (ARRIVED, ARRIVED)),
        ({"timestamp": 0, "duration": 7}, (ARRIVED - 7000, ARRIVED)),
        ({"timestamp": None, "annotations": [{"timestamp": 9, "value": "cs"}]}, (9000, 9000)),
    ],
)
def test_a_span_of_zipkin_without_a_start_too(fields: dict[str, Any], times: tuple[int, int]) -> None:
    stage = Stage()
    assert stage.read(zipkin, orjson.dumps([ZIPKIN | fields])) is None
    assert [(span.start, span.end) for span in stage.spans()] == [times]


def test_a_span_of_jaeger_without_a_start_too() -> None:
    stage = Stage()
    assert stage.read(jaeger, message((1, TRACE), (2, SPAN), (3, "x"), (7, message((2, 50))))) is None
    assert [(span.start, span.end) for span in stage.spans()] == [(ARRIVED - 50, ARRIVED)]


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 5.0, NOW / 1e9 + 2 * 86_400, 1e12])
def test_where_a_producer_set_no_time_that_can_be_its_records_that_of_reading_it_counts(seconds: float) -> None:
    stage, other = Stage(), Stage()
    assert stage.read(spans, otlp_span(b"x", start=0, end=0), seconds) is None
    assert [span.start for span in stage.spans()] == [NOW]
    for make, value in ((logs, log_request()), (metrics, gauge(1.0))):
        assert other.read(make, value, seconds) is None
    assert {document.time for document in other.written.documents} == {NOW}


def log_request(**fields: Any) -> bytes:
    record = {"body": {"stringValue": "no times"}, "traceId": TRACE.hex()} | fields
    return orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record, record]}]}]})


def test_a_log_record_without_times_is_of_the_time_when_it_came_and_its_id_is_not() -> None:
    stage = Stage()
    stage.read(logs, log_request())
    stage.read(logs, log_request(), ARRIVED / 1e9 + 60)
    first, second, again, _ = stage.written.documents
    assert (first.time, second.time, again.time) == (ARRIVED, ARRIVED, ARRIVED + 60 * 10**9)
    assert first.id == again.id != second.id
    (lines, *_) = [sent.value for sent in stage.series.sent if sent.headers["spanloom.batch"] == BatchKind.LOGS.encode()]
    assert [line.time for line in decode_logs(lines)] == [ARRIVED, ARRIVED]
    assert stage.counts.untimed == {"logs": 4}


def gauge(*values: float) -> bytes:
    points = [{"asDouble": value} for value in values]
    return orjson.dumps(
        {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "g", "gauge": {"dataPoints": points}}]}]}]}
    )


def test_points_without_a_time_are_of_the_time_when_they_came_and_none_of_them_is_lost() -> None:
    stage = Stage()
    stage.read(metrics, gauge(1.5, 1.5, 2.5))
    stage.read(metrics, gauge(1.5), ARRIVED / 1e9 + 60)
    assert [document.time for document in stage.written.documents] == [ARRIVED] * 3 + [ARRIVED + 60 * 10**9]
    first, second, other, again = (document.id for document in stage.written.documents)
    assert len({first, second, other}) == 3
    assert again == first, "the time of arrival enters no id"
    assert [point.time for point in decode_points(stage.series.sent[0].value)] == [ARRIVED] * 3
    assert stage.counts.untimed == {"metrics": 4}


BAD_TEXT = b"\xff"


def odd(inside: bytes) -> bytes:
    """A request of two spans, of which one has this within it."""
    both = [message((1, TRACE), (2, id_)) + fixed64(7, 5) + fixed64(8, 9) for id_ in (SPAN, OTHER)]
    return message((1, message((2, message((2, both[0]), (2, both[1] + inside))))))


OTHER = b"otherone"
LATE_EVENT = message((11, fixed64(1, 2**64 - 1)))


@pytest.mark.parametrize(
    "inside", [LATE_EVENT, message((5, BAD_TEXT)), message((9, b"\x0a\xff"))], ids=["event", "text", "none"]
)
def test_what_claims_to_come_from_a_collector_is_looked_into_when_it_is_decoded(inside: bytes) -> None:
    stage = Stage()
    assert stage.read(spans, odd(inside), sender=b"token:x") is None
    (sent,) = stage.traced.sent
    kept, invalid = choose("auto").unpack(otlp.SpanPacker().pack(sent.value), KnownGroups())
    assert ([span.span_id for span in kept.values()], invalid) == ([SPAN], 1)


def test_what_does_not_is_looked_into_at_once() -> None:
    stage = Stage()
    flaw = stage.read(spans, odd(LATE_EVENT))
    assert isinstance(flaw, DecodeError)
    assert flaw.field == "resource_spans[0].scope_spans[0].spans[1].events[0].time_unix_nano"
    assert [span.span_id for span in stage.spans()] == [SPAN]


@pytest.mark.parametrize("sender", [None, b"anonymous"])
def test_an_invalid_id_is_named_whoever_is_said_to_have_sent_it(sender: bytes | None) -> None:
    stage = Stage()
    flaw = stage.read(spans, odd(message((1, b"short"))), sender=sender)
    assert isinstance(flaw, DecodeError)
    assert flaw.field == "resource_spans[0].scope_spans[0].spans[1].trace_id"
    assert [span.span_id for span in stage.spans()] == [SPAN]
