"""Tempo's query API under /tempo, over the stored spans: what Grafana's data source for Tempo asks for."""
