"""The bytes that bound stage 2 are resident memory, whatever telemetry is made of; each shape in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from processors.assembly.assembler import AssemblyLimits, LogReference, TraceAssembler
from telemetry import otlp
from tests.benchmarks.memory import DRAWING, SHAPES, WITHIN, measure, span, trace_id

if TYPE_CHECKING:
    from telemetry.otlp import PackedSpan

BOUND = 24 << 20
LIMITS = AssemblyLimits(inactivity_gap=10, max_open=100, max_traces=10**9, max_signals=10**9)


@pytest.mark.parametrize("name", SHAPES)
def test_open_telemetry_stays_within_its_memory_and_what_is_closed_early_is_counted_and_marked(name: str) -> None:
    filled = measure(name, BOUND)
    assert filled.grown <= WITHIN * BOUND
    assert filled.peak <= WITHIN * BOUND + DRAWING
    assert filled.left <= BOUND
    assert filled.closed_early > 0
    assert (
        filled.marked == filled.stored == filled.closed_early or SHAPES[name].batch == "origins"
    )  # which make no document alone


def packed(*numbers: tuple[int, int], **more: Any) -> list[PackedSpan]:
    return otlp.SpanPacker().pack(otlp.encode_spans([span(trace, number, **more) for trace, number in numbers]))


def test_the_oldest_traces_make_room_and_no_more_of_them_than_has_to_be() -> None:
    assembler = TraceAssembler(LIMITS)
    for number in range(100):
        assembler.add(number, 1, packed((number, 0), (number, 1)))
    most = assembler.memory * 3 // 4
    closed = assembler.shed(most)
    assert [trace.trace_id for trace in closed] == [trace_id(number) for number in range(len(closed))]
    assert all(trace.closed_early and trace.early for trace in closed)
    assert assembler.closed_early == len(closed) == 25
    assert assembler.memory <= most
    assert assembler.shed(most) == []


def test_memory_is_accounted_once_for_what_comes_again_and_is_nothing_when_all_is_closed() -> None:
    assembler = TraceAssembler(LIMITS)
    signals: list[Any] = [*packed((1, 0), (1, 1), (2, 0)), LogReference(trace_id(1), "log", 1, 9)]
    assembler.add(7, 1, signals)
    before = assembler.memory
    assembler.add(7, 1, [*packed((1, 0), (1, 1), (2, 0)), LogReference(trace_id(1), "log", 1, 9)])
    assert assembler.memory == before
    assembler.add(8, 1, packed((1, 0), status_message="a longer one"))
    assert assembler.memory > before
    assembler.close_all()
    assert (assembler.memory, assembler.signals) == (0, 0)


def test_a_trace_that_takes_too_much_memory_closes_at_once_and_grows_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processors.assembly.assembler.MAX_TRACE_BYTES", 5000)
    assembler = TraceAssembler(LIMITS)
    assembler.add(0, 1, packed((1, 0), (2, 0)))
    assert assembler.advance(1) == []
    assembler.add(1, 1, packed((1, 1), attributes={"db.statement": "x" * 5000}))
    (closed,) = assembler.advance(1)
    assert (closed.trace_id, closed.closed_early, closed.is_large) == (trace_id(1), True, True)
