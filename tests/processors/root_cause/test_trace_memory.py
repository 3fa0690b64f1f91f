from __future__ import annotations

import hashlib

import pytest

from processors.call_graph.visits import Event, Visit, visits_of
from processors.root_cause.trace_memory import EVENT_BYTES, SPAN_BYTES, VISIT_BYTES, TraceMemory, _memory, rank_of
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


def ids(memory: TraceMemory) -> dict[int, set[int]]:
    """The numbers of the traces of each bucket, by its start in seconds."""
    return {start // SECOND: {int.from_bytes(trace.trace_id) for trace in traces} for start, traces in memory.buckets()}


def plain(spans: int = 1) -> list[Visit]:
    return [Visit("shop", "GET /", "shop-1", -1, 0, 9, 9, -1, frozenset(), tuple(bytes([number]) for number in range(spans)))]


def add(memory: TraceMemory, number: int, seconds: float, spans: int = 1) -> None:
    memory.add(number.to_bytes(16, "big"), int(seconds * SECOND), plain(spans))


def test_a_trace_is_in_the_bucket_in_which_it_began() -> None:
    memory = TraceMemory(10 * SECOND)
    for number, seconds in enumerate((25.0, 0.0, 9.999, 10.0)):
        add(memory, number, seconds)
    assert ids(memory) == {0: {1, 2}, 10: {3}, 20: {0}}
    assert list(ids(memory)) == [0, 10, 20], "the order is that of time"


def test_the_operation_of_a_trace_is_that_of_its_first_visit() -> None:
    memory = TraceMemory(10 * SECOND)
    add(memory, 1, 0)
    ((_, (trace,)),) = memory.buckets()
    assert trace.root == "GET /"


def test_the_oldest_bucket_makes_room_and_what_is_older_still_is_dropped() -> None:
    memory = TraceMemory(10 * SECOND, max_buckets=2)
    for number, seconds in ((1, 10), (2, 20), (3, 5)):
        add(memory, number, seconds)
    assert (ids(memory), memory.dropped) == ({10: {1}, 20: {2}}, 1)
    add(memory, 4, 15)
    add(memory, 5, 30)
    assert (ids(memory), memory.dropped) == ({20: {2}, 30: {5}}, 1)


def test_of_a_bucket_those_are_kept_whose_digests_are_least_in_their_order() -> None:
    memory = TraceMemory(10 * SECOND, sample=3)
    ranked = sorted((rank_of(number.to_bytes(16, "big")), number) for number in range(20))
    for number in range(20):
        add(memory, number, 0)
    ((_, traces),) = memory.buckets()
    assert [int.from_bytes(trace.trace_id) for trace in traces] == [number for _, number in ranked[:3]]
    assert (memory.dropped, memory.memory) == (17, 3 * _memory(plain()))


def test_the_rank_of_a_trace_is_eight_bytes_of_blake2b() -> None:
    digest = hashlib.blake2b(b"trace", digest_size=8).digest()
    assert rank_of(b"trace") == sum(byte << 8 * place for place, byte in enumerate(reversed(digest)))


@pytest.mark.parametrize(("first", "second", "kept", "spans"), [(1, 2, 20, 2), (2, 2, 20, 2), (2, 1, 0, 2)])
def test_of_a_trace_that_comes_again_the_version_with_more_spans_stays(first: int, second: int, kept: int, spans: int) -> None:
    memory = TraceMemory(10 * SECOND)
    add(memory, 1, 0, first)
    add(memory, 1, 20, second)
    found = {start: traces for start, traces in memory.buckets() if traces}
    assert list(found) == [kept * SECOND]
    assert [len(visit.span_ids) for trace in found[kept * SECOND] for visit in trace.visits] == [spans]
    assert memory.memory == _memory(plain(spans))
    assert memory.dropped == 0


def test_past_its_bytes_the_memory_drops_the_oldest_bucket() -> None:
    memory = TraceMemory(10 * SECOND, max_memory=4 * _memory(plain()))
    for number, seconds in enumerate((0, 1, 10, 20)):
        add(memory, number, seconds)
    assert (len(ids(memory)), memory.dropped) == (3, 0), "as much as the bound is not too much"
    add(memory, 4, 20)
    assert (ids(memory), memory.dropped) == ({10: {2}, 20: {3, 4}}, 2)


def test_the_last_trace_stays_however_large() -> None:
    memory = TraceMemory(10 * SECOND, max_memory=1)
    add(memory, 1, 0)
    assert (ids(memory), memory.dropped) == ({0: {1}}, 0)
    add(memory, 2, 10)
    assert (ids(memory), memory.dropped) == ({10: {2}}, 1)


def test_the_logs_of_a_bounded_number_of_traces_are_kept() -> None:
    memory = TraceMemory(10 * SECOND, max_logged=2)
    for trace in (1, 2, 1, 3):
        remember(memory, trace, 2)
    assert (kept(memory), memory.logs_dropped) == ({1: 2, 3: 2}, 2)


def test_lines_of_one_template_are_as_many_events_as_there_are_times() -> None:
    memory = TraceMemory(10 * SECOND)
    memory.add(b"trace", 0, [*plain(), plain()[0]._replace(service="other", span_ids=(b"x", b"y"))])
    for time, span_id in enumerate((b"x", b"y", b"y", b"z")):
        memory.add_log(b"trace", span_id, "retried", time, ERROR - 1)
    memory.add_log(b"trace", b"x", "failed", 0, ERROR)
    memory.add_log(b"another", b"x", "retried", 9, ERROR)
    ((_, (trace,)),) = memory.buckets()
    shop, other = trace.visits
    assert trace.trace_id == b"trace"
    assert shop.events == frozenset()
    assert other.events == {*(Event("log", "retried", times) for times in (1, 2, 3)), Event("error log", "failed", 1)}


def test_events_of_lines_are_added_to_those_of_spans() -> None:
    memory = TraceMemory(10 * SECOND)
    did = Event("operation", "SELECT")
    memory.add(b"trace", 0, [plain()[0]._replace(events=frozenset({did}), span_ids=(b"x",))])
    memory.add_log(b"trace", b"x", "paid", 0, 0)
    ((_, (trace,)),) = memory.buckets()
    assert trace.visits[0].events == {did, Event("log", "paid")}
