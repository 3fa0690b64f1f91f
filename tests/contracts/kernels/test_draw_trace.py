"""Spans to call graphs and documents of hops, in Python and in the native core: the same, and the same rows in both stores."""

from __future__ import annotations

import gzip
from collections import defaultdict
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.kernels import reference
from processors.kernels.native import NativeKernels
from processors.kernels.native_graphs import KNOWN_SENDERS
from processors.kernels.protocol import HopPlace
from stores.checks import json_text
from telemetry import otlp
from telemetry.documents.encoded_hop import EncodedHopDocument
from telemetry.otlp import SpanPacker, decode_spans, json_to_protobuf
from telemetry.resource import Resource
from telemetry.spans import SpanKind
from tests import generated
from tests.contracts.kernels.alike import alike
from tests.contracts.kernels.worlds import world
from tests.processors.call_graph.test_real_traces import cases
from tests.processors.traces import sharing_traces, traces

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from processors.kernels.extension import Extension
    from processors.kernels.protocol import DrawnTrace, Kernels
    from telemetry.otlp import PackedSpan
    from telemetry.spans import Span

PLACE = HopPlace(revision=12, partition=3, width=10_000_000_000)


def came(spans: Iterable[Span]) -> tuple[list[Span], list[PackedSpan | None]]:
    """Spans as they are decoded, each key once, and how they came."""
    packed = {one.span_id + one.side: one for one in SpanPacker().pack(otlp.encode_spans(spans))}
    return [one.unpack() for one in packed.values()], list(packed.values())


def same(found: DrawnTrace, expected: DrawnTrace) -> None:
    """The same graph and documents, byte by byte."""
    assert repr(found.graph) == repr(expected.graph)
    assert found.graph == expected.graph
    for document, other in zip(found.hops, expected.hops, strict=True):
        alike(document, other)
        if isinstance(document, EncodedHopDocument):
            assert document.json == json_text(other.body)


def both_draw(kernels: Kernels, spans: Iterable[Span]) -> None:
    of_trace, packed = came(spans)
    same(kernels.draw_trace(of_trace, packed, PLACE), reference.draw_trace(of_trace, PLACE))


def test_what_is_drawn_is_the_graph_of_the_spans(kernels: Kernels) -> None:
    for spans in generated.traces(20):
        both_draw(kernels, spans)


def test_nothing_that_sdks_write_is_handed_back(native: NativeKernels) -> None:
    chance = Random(1)
    for spans in generated.traces(20):
        both_draw(native, spans)
    for _ in range(200):
        both_draw(native, world(chance))
    assert native.counts == {("draw_trace", "native"): 220}


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from((0.0, 0.02, 0.2)))
def test_both_draw_the_same(extension: Extension, seed: int, odd: float) -> None:
    both_draw(NativeKernels(extension), world(Random(seed), odd=odd))


@settings(max_examples=150, deadline=None)
@given(spans=traces() | sharing_traces(), keeps_links=st.booleans())
def test_both_draw_the_same_of_a_hostile_world(extension: Extension, spans: list[Span], *, keeps_links: bool) -> None:
    both_draw(NativeKernels(extension), spans if keeps_links else [replace(span, links=()) for span in spans])


@pytest.mark.shared
@pytest.mark.skipif(not cases(), reason="no public traces")
@pytest.mark.parametrize("path", cases(), ids=lambda path: path.name)
def test_both_draw_the_same_of_real_traces(native: NativeKernels, path: Path) -> None:
    found = defaultdict(list)
    with gzip.open(path) as lines:
        for line in lines:
            if b'"resourceSpans"' in line:
                for span in decode_spans(json_to_protobuf("spans", line)):
                    found[span.trace_id].append(span)
    for spans in list(found.values())[:100]:
        both_draw(native, spans)
    assert native.counts["draw_trace", "native"] >= 0.99 * native.counts.total()


def chain(length: int) -> list[Span]:
    """Spans each below the one before."""
    (first, *_) = next(iter(generated.traces(1)))
    ids = [number.to_bytes(8, "big") for number in range(1, length + 1)]
    return [
        replace(first, span_id=own, parent_span_id=parent, start=first.start + place, end=first.end + place)
        for place, (own, parent) in enumerate(zip(ids, [b"", *ids], strict=False))
    ]


def test_a_trace_deeper_than_any_stack_is_drawn(native: NativeKernels) -> None:
    both_draw(native, chain(5000))
    assert native.counts == {("draw_trace", "native"): 1}


@pytest.mark.parametrize("what", ["cycle", "shared id", "unknown", "list"])
def test_what_is_rare_is_drawn_in_python_and_counted(native: NativeKernels, what: str) -> None:
    spans: Sequence[Span] = chain(3)
    first, second, third = spans
    match what:
        case "cycle":
            spans = [replace(first, parent_span_id=third.span_id), second, third]
        case "shared id":
            spans = [replace(first, kind=kind) for kind in (SpanKind.CLIENT, SpanKind.SERVER)]
        case "list":
            spans = [replace(first, attributes={"http.route": ["/a", "/b"]})]
    of_trace, packed = came(spans)
    if what == "unknown":
        packed[1] = None
    same(native.draw_trace(of_trace, packed, PLACE), reference.draw_trace(of_trace, PLACE))
    assert native.counts == {("draw_trace", "handed_back"): 1}


def test_senders_are_not_remembered_without_bound(native: NativeKernels) -> None:
    (span, *_) = next(iter(generated.traces(1)))
    for number in range(KNOWN_SENDERS + 100):
        native.draw_trace(*came([replace(span, resource=Resource({"service.name": f"s{number}"}))]), PLACE)
    assert len(native._graphs._senders) == KNOWN_SENDERS


def test_each_span_comes_with_how_it_was_packed(native: NativeKernels) -> None:
    of_trace, packed = came(next(generated.traces(1)))
    with pytest.raises(ValueError, match="shorter"):
        native.draw_trace(of_trace, packed[:-1], PLACE)
