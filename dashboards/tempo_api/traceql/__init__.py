"""The part of TraceQL that selects spans: parsed, asked of the store, and evaluated on span documents.

The language: https://grafana.com/docs/tempo/latest/traceql/. What is not here is refused with its place and the reason.
"""
