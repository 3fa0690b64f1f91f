"""What a small request would make large only later: records that repeat its resource, documents that do, spans to be cut."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from telemetry import otlp
from telemetry.errors import DecodeError
from telemetry.otlp.truncate import MAX_PARTS

SPAN = {"trace_id": b"t" * 16, "span_id": b"s" * 8, "name": "a"}


def attributes(size: int) -> list[dict[str, Any]]:
    return [{"key": "a", "value": {"string_value": "r" * size}}]


def spans(resource: int, count: int, scopes: int = 1) -> Any:
    by_scope = [{"spans": [SPAN] * count}] * scopes
    return ExportTraceServiceRequest(
        resource_spans=[{"resource": {"attributes": attributes(resource)}, "scope_spans": by_scope}]
    )


def metrics(description: int, points: int) -> Any:
    metric = {"name": "a", "description": "d" * description, "gauge": {"data_points": [{"as_int": 1}] * points}}
    return ExportMetricsServiceRequest(resource_metrics=[{"scope_metrics": [{"metrics": [metric]}]}])


def logs(resource: int, count: int) -> Any:
    return ExportLogsServiceRequest(
        resource_logs=[{"resource": {"attributes": attributes(resource)}, "scope_logs": [{"log_records": [{}] * count}]}]
    )


@pytest.mark.parametrize(
    ("signal", "request_", "where"),
    [
        ("spans", spans(100_000, 2000), r"resource_spans\[0\]\.scope_spans\[0\]"),
        ("spans", spans(100_000, 1, scopes=2000), r"resource_spans\[0\]\.scope_spans\[\d{4}\]"),
        ("logs", logs(100_000, 2000), r"resource_logs\[0\]\.scope_logs\[0\]"),
        ("metrics", metrics(100_000, 2000), r"resource_metrics\[0\]\.scope_metrics\[0\]"),
    ],
    ids=["spans", "scopes", "logs", "points"],
)
def test_documents_that_would_repeat_too_much_are_refused_when_read_from_the_log_too(
    signal: otlp.Signal, request_: Any, where: str
) -> None:
    decode: Any = {"spans": otlp.decode_spans, "logs": otlp.decode_logs, "metrics": otlp.decode_metrics}[signal]
    with pytest.raises(DecodeError, match=f"{where}: resource, scope and description .* which is the limit; send fewer"):
        decode(request_.SerializeToString())


@pytest.mark.parametrize("request_", [spans(4000, 20_000), spans(100_000, 1000), spans(4000, 10, scopes=1000)])
def test_large_resources_of_ordinary_requests_are_let_through(request_: Any) -> None:
    otlp.check_repetition("spans", request_)


def test_a_split_that_would_repeat_its_resource_too_often_is_refused() -> None:
    request = spans(9000, 100)
    assert len(otlp.fit("spans", spans(100, 1000), 10_000).parts) > 4
    with pytest.raises(DecodeError, match="it would be more than 4 times as large"):
        otlp.fit("spans", request, 10_000)


@pytest.mark.parametrize("part", ["attributes", "events", "links"])
def test_a_span_of_very_many_parts_is_omitted_and_not_walked_through(part: str) -> None:
    request = ExportTraceServiceRequest(resource_spans=[{"scope_spans": [{"spans": [{**SPAN, part: [{}] * (MAX_PARTS + 1)}]}]}])
    fitted = otlp.fit("spans", request, 10_000)
    assert (fitted.parts, len(fitted.dropped)) == ([], 1)
    assert "20001 attributes, events and links" in str(fitted.dropped[0])
