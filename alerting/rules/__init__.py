"""Alerting and recording rules: files, evaluation, unit tests, backtests."""
