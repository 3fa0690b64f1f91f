"""Requests that are too large for a record."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from telemetry import otlp
from telemetry.logs import LogRecord
from telemetry.resource import Resource
from telemetry.spans import Span, SpanKind

LIMIT = 1000
SPAN = Span(b"t" * 16, b"s" * 8, b"", "", SpanKind.SERVER, 1, 2, Resource({"service.name": "cart"}))


@given(sizes=st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 5000)), min_size=1, max_size=12))
def test_each_span_comes_whole_or_truncated_or_is_named_as_omitted(sizes: list[tuple[int, int]]) -> None:
    spans = [
        replace(SPAN, span_id=number.to_bytes(8, "big"), name="n" * name, attributes={"a": "x" * value})
        for number, (name, value) in enumerate(sizes, 1)
    ]
    fitted = otlp.fit("spans", otlp.parse("spans", otlp.encode_spans(spans)), LIMIT)
    assert all(len(part) <= LIMIT for part in fitted.parts)
    found = {span.span_id: span for part in fitted.parts for span in otlp.decode_spans(part)}
    assert list(found) == [span.span_id for span in spans if span.span_id in found], "in order"
    assert sum("spanloom.truncated" in span.attributes for span in found.values()) == fitted.truncated
    assert len(fitted.dropped) == len(spans) - len(found)
    for span in spans:
        if len(span.name) + len(str(span.attributes["a"])) < LIMIT - 200:
            assert found[span.span_id].attributes == span.attributes, "what fits stays as it is"
        elif len(span.name) < LIMIT - 300:
            assert found[span.span_id].name == span.name, "a span is left out only for what cannot be cut"


def test_a_log_record_that_is_too_large_is_omitted_alone() -> None:
    small, large = (LogRecord(1, body, SPAN.resource) for body in ("small", "x" * LIMIT))
    request = otlp.parse("logs", otlp.encode_logs([small, large, small]))
    fitted = otlp.fit("logs", request, LIMIT)
    assert [record.body for part in fitted.parts for record in otlp.decode_logs(part)] == ["small", "small"]
    assert [str(error)[:16] for error in fitted.dropped] == ["a log record of "]
