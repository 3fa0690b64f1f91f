"""A span that is too large for a record."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import otlp
from telemetry.errors import DecodeError
from telemetry.resource import Resource
from telemetry.spans import Span, SpanEvent, SpanKind

SPAN = Span(b"t" * 16, b"s" * 8, b"", "GET /buy", SpanKind.SERVER, 1, 2, Resource({"service.name": "cart"}))


def truncated(span: Span, limit: int) -> tuple[Span, int]:
    request = otlp.parse("spans", otlp.encode_spans([span]))
    otlp.truncate_spans(request, limit)
    data = request.SerializeToString()
    return otlp.decode_spans(data)[0], len(data)


@given(
    lengths=st.lists(st.integers(0, 5000), min_size=1, max_size=8),
    event=st.integers(0, 3000),
    limit=st.integers(600, 6000),
)
def test_it_fits_and_only_values_longer_than_all_others_are_cut(lengths: list[int], event: int, limit: int) -> None:
    attributes = {f"a{i}": "ä" * (length // 2) for i, length in enumerate(lengths)}
    span = replace(SPAN, attributes=attributes, events=(SpanEvent(1, "e", {"x": "y" * event}),))
    size = len(otlp.encode_spans([span]))
    cut, fits = truncated(span, limit)
    assert fits <= limit
    if size <= limit:
        assert cut == span
        return
    assert cut.attributes["spanloom.truncated"] >= 1  # type: ignore[operator] # a number
    was = [*attributes.values(), "y" * event]
    now = [*(str(cut.attributes[name]) for name in attributes), str(cut.events[0].attributes["x"])]
    longest = max(len(text.encode()) for text in now)
    for before, after in zip(was, now, strict=True):
        assert before.startswith(after)
        assert before == after or len(after.encode()) >= longest - 1  # a character of two bytes is left out whole
    assert (cut.trace_id, cut.span_id, cut.name, cut.start) == (SPAN.trace_id, SPAN.span_id, SPAN.name, SPAN.start)


def test_a_span_that_is_large_in_its_name_alone_is_refused() -> None:
    with pytest.raises(DecodeError, match="its attribute values are not what is large"):
        truncated(replace(SPAN, name="n" * 5000), 1000)
