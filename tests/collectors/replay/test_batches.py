from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collectors.replay import batches as module
from collectors.replay.batches import RequestBatch, batches
from telemetry import otlp
from telemetry.logs import LogRecord
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind

SECOND = 10**9


def log_at(time: int, text: str = "") -> tuple[otlp.Signal, bytes, int]:
    return "logs", otlp.encode_logs([LogRecord(time, text, Resource())]), 1


def span_at(end: int) -> tuple[otlp.Signal, bytes, int]:
    return "spans", otlp.encode_spans([Span(b"t" * 16, b"s" * 8, b"", "", SpanKind.SERVER, 0, end, Resource())]), 1


def texts(found: list[RequestBatch]) -> list[list[object]]:
    return [[record.body for record in otlp.decode_logs(batch.value)] for batch in found]


def test_lines_of_one_signal_are_put_together_up_to_the_number_asked_for() -> None:
    found = list(batches([log_at(n, str(n)) for n in range(5)], lines=2))
    assert texts(found) == [["0", "1"], ["2", "3"], ["4"]]
    assert [batch.lines for batch in found] == [2, 2, 1]


def test_signals_are_not_mixed() -> None:
    found = list(batches([log_at(1), span_at(1), log_at(1), span_at(1)], lines=10))
    assert [(batch.signal, batch.lines) for batch in found] == [("logs", 2), ("spans", 2)]


def test_a_batch_is_closed_before_it_grows_too_large() -> None:
    half = "x" * (module.MAX_BYTES // 2 + 1)
    assert [batch.lines for batch in batches([log_at(1, half)] * 3, lines=100)] == [1, 1, 1]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 100)), max_size=30), st.integers(1, 5), st.sampled_from([None, 0.5, 1.0])
)
def test_nothing_is_lost_and_each_signal_keeps_its_order(
    times: list[tuple[bool, int]], lines: int, speed: float | None
) -> None:
    requests = [log_at(time) if is_log else span_at(time) for is_log, time in times]
    found = list(batches(requests, lines, speed))
    for signal in ("logs", "spans"):
        together = b"".join(batch.value for batch in found if batch.signal == signal)
        assert together == b"".join(value for kind, value, _ in requests if kind == signal)
    assert sum(batch.lines for batch in found) == len(requests)


def test_at_the_original_speed_lines_are_due_as_far_apart_as_they_were_made() -> None:
    start = 1_700_000_000 * SECOND
    requests = [log_at(start), log_at(start + SECOND // 10), log_at(start + SECOND), log_at(start + 3 * SECOND)]
    assert [(batch.due, batch.lines) for batch in batches(requests, 100, 1.0)] == [(0.0, 2), (1.0, 1), (3.0, 1)]
    assert [(batch.due, batch.lines) for batch in batches(requests, 100, 10.0)] == [(0.0, 3), (0.3, 1)]


def test_a_line_of_an_earlier_or_unknown_time_is_due_with_the_one_before_it() -> None:
    start = 1_700_000_000 * SECOND
    requests = [log_at(0), log_at(start), log_at(start + 2 * SECOND), log_at(start - SECOND), log_at(0)]
    assert [(batch.due, batch.lines) for batch in batches(requests, 100, 1.0)] == [(0.0, 2), (2.0, 3)]


def test_a_span_is_due_when_it_ends() -> None:
    start = 1_700_000_000 * SECOND
    assert [batch.due for batch in batches([span_at(start), span_at(start + SECOND)], 100, 1.0)] == [0.0, 1.0]
