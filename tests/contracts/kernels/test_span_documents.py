"""Spans to documents, in Python and in the native core: the same ids, times and bodies, and the same rows in both stores."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import orjson
import pytest
from google.protobuf.message import DecodeError as ProtobufDecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.kernels.native import KNOWN_GROUPS, NativeKernels
from processors.kernels.protocol import KnownGroups
from processors.kernels.reference import unpack
from stores.checks import LARGEST, UnstorableError, json_text
from stores.duckdb.rows import row
from stores.elasticsearch.attribute_names import LONGEST_AROUND, MAX_SHAPES, AttributeNames
from stores.elasticsearch.source import source
from stores.layout import LAYOUT
from telemetry import otlp
from telemetry.attributes import HTTP_STATUS_CODE
from telemetry.documents import Kind
from telemetry.documents.encoded_span import EncodedSpanDocument
from telemetry.documents.signals import span_document
from telemetry.errors import DecodeError
from telemetry.otlp import PackedSpan, SpanGroup, SpanPacker
from tests.contracts.kernels.alike import FIELDS, alike, stored
from tests.contracts.kernels.wire import DOUBLES, Writer, bytes_field
from tests.generated import traces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processors.kernels.extension import Extension
    from processors.kernels.protocol import Kernels
    from telemetry.spans import Span

GROUP = SpanGroup(b"", "", b"", "")


def decoded(packed: Sequence[PackedSpan]) -> tuple[list[Span], list[PackedSpan | None]]:
    """Those that are spans, and how they came."""
    spans, _ = unpack(packed, KnownGroups())
    by_key = {one.span_id + one.side: one for one in packed}
    return list(spans.values()), [by_key[key] for key in spans]


def written(chance: Random, odd: float, count: int = 5) -> tuple[list[Span], list[PackedSpan | None]]:
    """Spans by chance, with those that are none left away."""
    writer = Writer(chance, odd)
    group = SpanGroup(writer.resource(), "https://schema/1", writer.scope(), "")
    spans: list[Span] = []
    packed: list[PackedSpan | None] = []
    for _ in range(count):
        one = PackedSpan(b"", b"", 0, writer.span(), group, b"")
        with suppress(DecodeError, ProtobufDecodeError):
            spans.append(one.unpack())
            packed.append(replace(one, side=spans[-1].side))
    return spans, packed


def test_documents_are_those_of_the_spans(kernels: Kernels) -> None:
    sent = [span for trace in traces(20) for span in trace]
    spans, packed = decoded(SpanPacker().pack(otlp.encode_spans(sent)))
    for document, span in zip(kernels.span_documents(spans, packed), spans, strict=True):
        expected = span_document(span)
        assert (document.id, document.time, document.body) == (expected.id, expected.time, expected.body)


def test_a_span_of_which_nobody_knows_how_it_came_has_its_document(kernels: Kernels) -> None:
    spans = next(iter(traces(1)))
    documents = kernels.span_documents(spans, [None] * len(spans))
    assert [document.body for document in documents] == [span_document(span).body for span in spans]


def test_nothing_that_sdks_write_is_handed_back(native: NativeKernels) -> None:
    spans, packed = decoded(SpanPacker().pack(otlp.encode_spans([span for trace in traces(50) for span in trace])))
    documents = native.span_documents(spans, packed)
    assert native.counts == {("span_documents", "native"): 600, ("span_documents", "handed_back"): 0}
    assert all(isinstance(document, EncodedSpanDocument) for document in documents)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from((0.0, 0.002, 0.02)))
def test_both_write_the_same(extension: Extension, seed: int, odd: float) -> None:
    spans, packed = written(Random(seed), odd)
    for document, span in zip(NativeKernels(extension).span_documents(spans, packed), spans, strict=True):
        alike(document, span_document(span))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(DOUBLES[:9]), max_size=20))
def test_numbers_are_written_as_orjson_writes_them(extension: Extension, numbers: list[float]) -> None:
    values = b"".join(bytes_field(1, b"\x21" + struct.pack("<d", number)) for number in numbers)
    span = bytes_field(9, bytes_field(1, b"n") + bytes_field(2, bytes_field(5, values)))
    (found,) = extension.span_documents([span], [(b'"environment":"e"', b'"resource":{},"scope":{}')])
    assert found is not None
    assert b'"attributes":' + orjson.dumps({"n": numbers}) + b"," in found[0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from((0.0, 0.02)))
def test_a_shape_that_fitted_before_is_one_that_fits_again(extension: Extension, seed: int, odd: float) -> None:
    """Elasticsearch gets the same, and as many names are refused, as if each document was looked at."""
    kernels, chance = NativeKernels(extension), Random(seed)
    names, others = AttributeNames(lambda: 0.0), AttributeNames(lambda: 0.0)
    known = [written(chance, odd) for _ in range(3)]
    for mapping in ({}, {"attributes.i": "keyword", "attributes.s": "long"}, {"attributes.b": "object"}):
        names.learn(mapping)
        others.learn(mapping)
        for spans, packed in chance.choices(known, k=6):
            for document, span in zip(kernels.span_documents(spans, packed), spans, strict=True):
                assert stored(source, document, names, FIELDS) == stored(source, span_document(span), others, FIELDS)
        assert (len(names), names.refused) == (len(others), others.refused)


def test_shapes_tell_names_types_and_senders_apart_and_are_bounded(native: NativeKernels) -> None:
    span = next(iter(traces(1)))[0]
    usual: dict[str, object] = {"a": "x", "b": True, "c": 1}
    same = usual | {"a": "y", "c": 2}
    other: list[dict[str, object]] = [{"a": "x"}, usual | {"c": "1"}, usual | {"d": 1}]
    unfit: list[dict[str, object]] = [usual | {"a": 1.5}, usual | {"a": ["x"]}, usual | {"a": None}]

    def shape(attributes: dict[str, object]) -> int:
        sent = decoded(SpanPacker().pack(otlp.encode_spans([replace(span, attributes=attributes)])))
        (document,) = native.span_documents(*sent)
        assert isinstance(document, EncodedSpanDocument)
        assert b"service.name" in document.around
        return document.shape

    assert shape(usual) == shape(same) != 0
    assert len({shape(usual), *map(shape, other)}) == 4
    assert [*map(shape, unfit)] == [0, 0, 0]
    names = AttributeNames(lambda: 0.0)
    for number in range(1, MAX_SHAPES + 2):
        names.remember(number, b"{}")
    assert [names.knows(number, b"{}") for number in (1, MAX_SHAPES + 1)] == [False, True]
    names.remember(1, bytes(LONGEST_AROUND + 1))
    assert not names.knows(1, bytes(LONGEST_AROUND + 1))


@pytest.mark.parametrize("name", HTTP_STATUS_CODE)
@pytest.mark.parametrize(
    "value", [b"\x0a\x03404", b"\x0a\x83\x00404", b"\x0a\x03007", b"\x0a\x034x4", b"\x0a\x0240", b"\x18\x03"]
)
def test_status_codes_are_numbers_however_they_were_written(native: NativeKernels, name: str, value: bytes) -> None:
    pair = bytes_field(1, name.encode()) + bytes_field(2, value)
    ids = bytes_field(1, b"t" * 16) + bytes_field(2, b"s" * 8)
    one = PackedSpan(b"", b"", 0, ids + bytes_field(9, pair) + bytes_field(11, bytes_field(3, pair)), GROUP, b"")
    (document,) = native.span_documents([one.unpack()], [one])
    assert isinstance(document, EncodedSpanDocument)
    alike(document, span_document(one.unpack()))


def test_a_document_that_is_too_large_for_any_store_is_refused(native: NativeKernels) -> None:
    (span, *_) = next(iter(traces(1)))
    large = replace(span, attributes={"text": "x" * LARGEST})
    spans, packed = decoded(SpanPacker().pack(otlp.encode_spans([large])))
    (document,) = native.span_documents(spans, packed)
    assert isinstance(document, EncodedSpanDocument)
    for store in (row, lambda one: source(one, AttributeNames(lambda: 0.0), FIELDS)):
        with pytest.raises(UnstorableError, match="at most 10485760"):
            store(document)


def test_the_columns_are_those_of_the_layout(native: NativeKernels) -> None:
    spans, packed = decoded(SpanPacker().pack(otlp.encode_spans(next(iter(traces(1))))))
    for document, span in zip(native.span_documents(spans, packed), spans, strict=True):
        assert row(document)[3:] == row(span_document(span))[3:]
        assert len(row(document)) == 3 + len(LAYOUT[Kind.SPAN])
        assert json_text(document.body) == row(document)[2]


def test_resources_are_not_remembered_without_bound(native: NativeKernels) -> None:
    (span, *_) = next(iter(traces(1)))
    for number in range(KNOWN_GROUPS + 100):
        named = replace(span, resource=replace(span.resource, attributes={"service.name": f"s{number}"}))
        native.span_documents(*decoded(SpanPacker().pack(otlp.encode_spans([named]))))
    assert len(native._around) == KNOWN_GROUPS
