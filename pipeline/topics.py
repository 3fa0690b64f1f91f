"""The topics, what flows in them, and the headers of their records."""

from __future__ import annotations

from enum import StrEnum


class Topic(StrEnum):
    """Names of topics. The first three are OpenTelemetry's; anyone may produce there."""

    SPANS = "otlp_spans"
    LOGS = "otlp_logs"
    METRICS = "otlp_metrics"
    TRACED = "spanloom-traced"
    SERIES = "spanloom-series"
    SIGNALS = "spanloom-signals"
    DEAD_LETTERS = "spanloom-dlq"
