"""The topics, what flows in them, and the headers of their records."""

from __future__ import annotations

from enum import StrEnum


class Topic(StrEnum):
    """Names of topics. Down to ZIPKIN anyone may produce there: they are what OpenTelemetry, Jaeger and Zipkin call theirs."""

    SPANS = "otlp_spans"
    LOGS = "otlp_logs"
    METRICS = "otlp_metrics"
    JAEGER = "jaeger_spans"
    ZIPKIN = "zipkin_spans"
    TRACED = "spanloom-traced"
    SERIES = "spanloom-series"
    SIGNALS = "spanloom-signals"
    DEAD_LETTERS = "spanloom-dlq"
