"""Jaeger's query API under /jaeger, over the stored spans: what Jaeger's UI and Grafana ask for."""
