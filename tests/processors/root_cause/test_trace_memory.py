from __future__ import annotations

from processors.call_graph.visits import Event, Visit, visits_of
from processors.root_cause.trace_memory import EVENT_BYTES, SPAN_BYTES, VISIT_BYTES, TraceMemory, _memory
from telemetry.logs import ERROR
from tests.processors.traces import INTERNAL, SERVER, span

SECOND = 1_000_000_000


def remember(memory: TraceMemory, trace: int, lines: int) -> None:
    for number in range(lines):
        memory.add_log(trace.to_bytes(16, "big"), number.to_bytes(8, "big"), "template", number, ERROR)


def kept(memory: TraceMemory) -> dict[int, int]:
    return {int.from_bytes(trace_id): len(lines) for trace_id, lines in memory._logs.items()}


def test_the_lines_of_all_traces_are_bounded_and_those_of_the_trace_silent_longest_are_forgotten_first() -> None:
    memory = TraceMemory(10 * SECOND, max_lines=100)
    remember(memory, 1, 40)
    remember(memory, 2, 40)
    remember(memory, 1, 1)  # again: it counts once
    remember(memory, 3, 60)
    assert (kept(memory), memory.logs_dropped) == ({1: 40, 3: 60}, 40)
    remember(memory, 4, 30)
    assert (kept(memory), memory.logs_dropped) == ({3: 60, 4: 30}, 80)


def test_the_lines_of_a_span_are_events_of_its_visit_and_errors_are_their_own_kind() -> None:
    memory = TraceMemory(10 * SECOND)
    spans = [span(1, 0, "shop", SERVER, 0, 9), span(2, 1, "shop", INTERNAL, 1, 2)]
    memory.add(spans[0].trace_id, 0, visits_of(spans))
    memory.add_log(spans[0].trace_id, spans[0].span_id, "paid", 1, ERROR - 1)
    memory.add_log(spans[0].trace_id, spans[1].span_id, "refused", 2, ERROR)
    ((_, (trace,)),) = memory.buckets()
    events = {(event.kind, event.name) for visit in trace.visits for event in visit.events}
    assert {("log", "paid"), ("error log", "refused")} <= events


def test_the_memory_of_a_trace_is_that_of_its_visits_spans_events_and_names() -> None:
    event = Event("error", "refused", 1)
    visits = [Visit("shop", "GET /", "shop-1", -1, 0, 9, 9, -1, frozenset({event}), (b"1", b"2"))]
    assert _memory(visits) == VISIT_BYTES + 2 * SPAN_BYTES + len("shopGET /shop-1default") + EVENT_BYTES + len("errorrefused")


def test_the_lines_of_one_trace_are_bounded() -> None:
    memory = TraceMemory(10 * SECOND)
    remember(memory, 1, 300)
    assert (kept(memory), memory.logs_dropped) == ({1: 256}, 44)


def test_traces_that_all_began_at_once_are_bounded_too() -> None:
    visits = [Visit("shop", "GET /", "i" * 1000, -1, 0, 9, 9, -1, frozenset(), ())] * 10
    orders = []
    for numbers in (range(50), reversed(range(50))):
        memory = TraceMemory(10 * SECOND, max_memory=5 * _memory(visits))
        for number in numbers:
            memory.add(number.to_bytes(16, "big"), 0, visits)
        ((_, traces),) = memory.buckets()
        assert (len(traces), memory.memory, memory.dropped) == (5, 5 * _memory(visits), 45)
        orders.append([trace.trace_id for trace in traces])
    assert orders[0] == orders[1], "the sample depends on the order"
