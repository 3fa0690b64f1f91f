"""Metrics of the process itself: at /metrics, and to an OTLP endpoint."""
