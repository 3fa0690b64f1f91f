from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from processors.assembly.assembler import (
    MAX_EXEMPLARS,
    SOURCE_BYTES,
    TRACE_BYTES,
    AssemblyLimits,
    ExemplarReference,
    LogReference,
    TraceAssembler,
    log_summary,
    unpack,
)
from processors.kernels.choose import choose
from telemetry import otlp
from telemetry.resource import Resource
from telemetry.span_links import LinkTarget, SpanReference
from telemetry.spans import Span, SpanKind

if TYPE_CHECKING:
    import random

    import pytest

    from processors.assembly.assembler import OpenTrace
    from telemetry.otlp import PackedSpan

LIMITS = AssemblyLimits(inactivity_gap=10, max_open=100, max_traces=1000, max_signals=1000)


def span(trace: int, number: int, end: int) -> PackedSpan:
    return packed(decoded(trace, number, end))


def packed(*spans: Span) -> PackedSpan:
    (found,) = otlp.SpanPacker().pack(otlp.encode_spans(spans))
    return found


def decoded(trace: int, number: int, end: int) -> Span:
    return Span(bytes([trace]) * 16, bytes([number]) * 8, b"", "work", SpanKind.SERVER, end - 1, end, Resource())


def ids(traces: list[OpenTrace]) -> list[int]:
    return [trace.trace_id[0] for trace in traces]


def test_a_trace_closes_when_nothing_of_it_came_for_the_quiet_time() -> None:
    assembler = TraceAssembler(LIMITS)
    assembler.add(0, 100, [span(1, 1, 100)])
    assembler.add(1, 105, [span(1, 2, 105)])
    assert assembler.advance(114) == []
    (closed,) = assembler.advance(115)
    assert closed.sources == {0, 1}
    assert not closed.closed_early
    assert (len(assembler), assembler.signals) == (0, 0)


def test_a_trace_that_is_full_closes_at_once_and_is_said_to_be_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processors.assembly.assembler.MAX_TELEMETRY_ITEMS", 3)
    assembler = TraceAssembler(LIMITS)
    assembler.add(0, 100, [span(1, 1, 100), span(1, 2, 100), span(2, 1, 100)])
    assert assembler.advance(100) == []
    assembler.add(1, 101, [span(1, 3, 101), span(1, 4, 101)])
    (closed,) = assembler.advance(101)
    assert (closed.trace_id[0], len(closed.packed), closed.closed_early) == (1, 4, True)
    assembler.add(2, 101, [span(1, 5, 101)])
    assert assembler.advance(110) != [], "the other one, which is quiet now"
    assert ids(assembler.close_all()) == [1]


def test_a_trace_that_never_falls_quiet_closes_in_the_end_and_is_said_to_be_cut() -> None:
    assembler = TraceAssembler(LIMITS)
    for end in range(100, 205, 5):
        assembler.add(end, end, [span(1, end - 90, end)])
    (closed,) = assembler.advance(204)
    assert closed.closed_early
    assert assembler.closed_early == 1


def test_a_signal_that_comes_after_the_end_opens_the_trace_again() -> None:
    assembler = TraceAssembler(LIMITS)
    assembler.add(0, 100, [span(1, 1, 100)])
    assert ids(assembler.advance(200)) == [1]
    assembler.add(1, 200, [span(1, 2, 90)])
    assert assembler.advance(209) == []
    (closed,) = assembler.advance(210)
    assert list(closed.packed) == [bytes([2]) * 8]


def test_past_the_limits_the_trace_that_was_touched_longest_ago_goes_first() -> None:
    assembler = TraceAssembler(replace(LIMITS, max_traces=2))
    for number in (1, 2, 3):
        assembler.add(number, 100, [span(number, 1, 100)])
    assembler.add(4, 101, [span(1, 2, 101)])
    assert ids(closed := assembler.advance(101)) == [2]
    assert closed[0].closed_early
    assembler = TraceAssembler(replace(LIMITS, max_signals=3))
    assembler.add(0, 100, [span(1, 1, 100), span(1, 2, 100), span(2, 1, 100), span(2, 2, 100)])
    assert len(assembler.advance(100)) == 1
    assert assembler.signals == 2


def test_of_two_spans_with_one_id_the_same_is_kept_whichever_came_first() -> None:
    short, long = decoded(1, 1, 100), replace(decoded(1, 1, 100), start=50)
    for order in ([short, long], [long, short]):
        assembler = TraceAssembler(LIMITS)
        assembler.add(0, 100, map(packed, order))
        closed = assembler.close_all()
        unpack(closed, choose("auto"))
        assert list(closed[0].spans.values()) == [long]
        assert assembler.memory == 0


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 60)), max_size=60),
    st.lists(st.integers(0, 30), max_size=60),
)
def test_a_round_closes_what_a_look_at_every_open_trace_would(arrivals: list[tuple[int, int, int]], steps: list[int]) -> None:
    assembler = TraceAssembler(LIMITS)
    opened: dict[int, int] = {}
    last: dict[int, int] = {}
    watermark = 1
    for source, (trace, number, ago) in enumerate(arrivals):
        end = max(2, watermark - ago)
        assembler.add(source, watermark, [span(trace, number, end)])
        opened.setdefault(trace, watermark)
        last[trace] = max(end, last.get(trace, 0))
        watermark += steps[source] if source < len(steps) else 1
        due = {
            known
            for known, since in opened.items()
            if max(last[known], since) + LIMITS.inactivity_gap <= watermark or since + LIMITS.max_open <= watermark
        }
        assert set(ids(assembler.advance(watermark))) == due
        for known in due:
            del opened[known], last[known]


@given(st.randoms(use_true_random=False), st.integers(0, 40))
def test_signals_are_counted_once_however_often_they_come(chance: random.Random, count: int) -> None:
    signals: list[Any] = [span(1, i + 1, 100) for i in range(count)]
    signals += [LogReference(bytes([1]) * 16, f"log{i}", 100, 9) for i in range(count)]
    signals += [ExemplarReference(bytes([1]) * 16, b"", 100, "m", float(i)) for i in range(count)]
    twice = signals + signals
    chance.shuffle(twice)
    assembler = TraceAssembler(LIMITS)
    assembler.add(0, 100, twice)
    assert assembler.signals == 3 * count


def test_of_two_answers_about_a_message_the_longer_is_kept_and_counted_once_whichever_came_first() -> None:
    message = SpanReference(bytes([2]) * 16, bytes([7]) * 8)
    short = LinkTarget(bytes([1]) * 16, message, True, 90, 95, "mail", "mail-1", "h", 100)
    long = replace(short, start=80)
    for order in ([short, long], [long, short], [long, long]):
        assembler = TraceAssembler(LIMITS)
        assembler.add(0, 100, order)
        assert assembler.signals == 1
        (closed,) = assembler.close_all()
        assert closed.link_targets == {message: long}


def test_the_summary_of_logs_counts_by_severity_and_keeps_few_exemplars() -> None:
    trace_id = bytes(16)
    logs = [LogReference(trace_id, str(severity), 1, severity) for severity in (0, 9, 12, 13, 16, 17, 21)]
    exemplars = [ExemplarReference(trace_id, b"", time, "m", 1.0) for time in range(100)]
    summary = log_summary(logs, exemplars)
    assert summary["logs"] == {"count": 7, "errors": 2, "warnings": 2}
    kept: Any = summary["exemplars"]
    assert [item["time"] for item in kept] == list(range(MAX_EXEMPLARS))


def test_a_trace_has_each_of_its_signals_as_it_came() -> None:
    trace_id = bytes([1]) * 16
    log, exemplar = LogReference(trace_id, "log", 101, 17), ExemplarReference(trace_id, b"s" * 8, 102, "m", 2.0)
    target = LinkTarget(trace_id, SpanReference(bytes([2]) * 16, b"p" * 8), True, 90, 95, "mail", "mail-1", "h", 103)
    assembler = TraceAssembler(LIMITS)
    for source in (0, 1):
        assert assembler.add(source, 100, [log, exemplar, target]) == {trace_id}
    used = TRACE_BYTES + 2 * SOURCE_BYTES + log.memory + exemplar.memory + target.memory
    assert (assembler.signals, assembler.memory) == (3, used)
    (closed,) = assembler.close_all()
    assert closed.logs == {"log": log}
    assert closed.exemplars == {exemplar}
    assert closed.link_targets == {target.message: target}
    assert (closed.last, closed.sources, closed.memory) == (103, {0, 1}, used)
    assert (assembler.signals, assembler.memory) == (0, 0)
