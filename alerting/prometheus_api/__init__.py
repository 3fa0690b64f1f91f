"""Prometheus' HTTP API over recent samples, for Grafana, promtool and whoever speaks it."""
