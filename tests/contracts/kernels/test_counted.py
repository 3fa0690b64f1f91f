"""What is counted of drawn traces, by Python and by the native core: the same numbers, names, exemplars and memory."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from processors.kernels import reference
from processors.kernels.drawn import DrawnHops
from processors.kernels.native import NativeKernels
from processors.kernels.protocol import HopPlace
from processors.kernels.reference import PythonKernels
from stores.checks import json_text
from telemetry import otlp
from telemetry.documents import trace_document
from telemetry.documents.encoded_trace import EncodedTraceDocument
from telemetry.otlp import SpanPacker
from tests import generated
from tests.contracts.kernels.alike import alike
from tests.contracts.kernels.counters import counters
from tests.contracts.kernels.worlds import world
from tests.processors.traces import sharing_traces, traces

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processors.kernels.extension import Extension
    from processors.kernels.protocol import DrawnTrace
    from telemetry.spans import Span

PLACE = HopPlace(revision=12, partition=3, width=2_000_000_000)
LOGS = {"logs": {"count": 2, "errors": 1, "warnings": 0}, "exemplars": []}


def drawn_by_both(native: NativeKernels, of_traces: Iterable[Iterable[Span]]) -> tuple[list[DrawnTrace], list[DrawnTrace]]:
    found, expected = [], []
    for spans in of_traces:
        packed = {one.span_id + one.side: one for one in SpanPacker().pack(otlp.encode_spans(spans))}
        decoded = [one.unpack() for one in packed.values()]
        found.append(native.draw_trace(decoded, list(packed.values()), PLACE))
        expected.append(reference.draw_trace(decoded, PLACE))
    return found, expected


def both_count(native: NativeKernels, of_traces: Iterable[Iterable[Span]], budget: int = 1 << 30) -> None:
    found, expected = drawn_by_both(native, of_traces)
    memory, counted = counters(native, found, PLACE, budget)
    least, others = counters(PythonKernels(), expected, PLACE, budget)
    assert counted == others
    assert memory >= least  # an edge that both count is held twice


def test_the_core_counts_what_it_draws(native: NativeKernels) -> None:
    found, expected = drawn_by_both(native, generated.traces(30))
    assert all(isinstance(trace.graph.hops, DrawnHops) for trace in found)
    assert counters(native, found, PLACE) == counters(PythonKernels(), expected, PLACE)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from((0.0, 0.05, 0.3)), st.sampled_from((1 << 30, 40, 3)))
def test_both_count_the_same_also_where_some_traces_are_drawn_in_python(
    extension: Extension, seed: int, odd: float, budget: int
) -> None:
    chance = Random(seed)
    both_count(NativeKernels(extension), [world(chance, odd=odd) for _ in range(6)], budget)


@settings(max_examples=100, deadline=None)
@given(st.lists(traces() | sharing_traces(), max_size=4))
def test_both_count_the_same_of_a_hostile_world(extension: Extension, worlds: list[list[Span]]) -> None:
    both_count(NativeKernels(extension), worlds)


def test_durations_of_months_are_counted_in_python(native: NativeKernels) -> None:
    spans = next(iter(generated.traces(1)))
    longest = [span for span in spans if not span.parent_span_id]
    (found,), _ = drawn_by_both(native, [[_lasting(span, 1 << 53) for span in longest]])
    assert not isinstance(found.graph.hops, DrawnHops)
    both_count(native, [[_lasting(span, (1 << 53) + number) for span in longest] for number in (-1, 0, 1)])


def _lasting(span: Span, duration: int) -> Span:
    return replace(span, end=span.start + duration)


def encoded(traces: Sequence[DrawnTrace]) -> list[EncodedTraceDocument]:
    return [EncodedTraceDocument(one.graph, one.json, 12, LOGS) for one in traces if one.json is not None]


def test_the_document_of_a_trace_is_what_python_writes(native: NativeKernels) -> None:
    chance = Random(5)
    found, expected = drawn_by_both(native, [*generated.traces(20), *(world(chance) for _ in range(200))])
    documents = encoded(found)
    assert len(documents) == 220
    for document, other in zip(documents, (trace_document(one.graph, 12, LOGS) for one in expected), strict=True):
        alike(document, other)
        assert document.json == json_text(other.body)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from((0.02, 0.2)))
def test_the_document_of_an_odd_trace_is_what_python_writes(extension: Extension, seed: int, odd: float) -> None:
    found, expected = drawn_by_both(NativeKernels(extension), [world(Random(seed), odd=odd)])
    for document in encoded(found):
        assert document.json == json_text(trace_document(expected[0].graph, 12, LOGS).body)


def test_hops_are_drawn_again_when_somebody_looks_at_them(native: NativeKernels) -> None:
    (found,), (expected,) = drawn_by_both(native, generated.traces(1))
    assert isinstance(found.graph.hops, DrawnHops)
    assert len(found.graph.hops) == len(expected.graph.hops)
    assert found.graph.hops[0] == expected.graph.hops[0]
    assert found.graph.hops[1:] == expected.graph.hops[1:]
    assert hash(found.graph) == hash(expected.graph)
