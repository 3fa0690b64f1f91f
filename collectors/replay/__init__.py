"""Recorded telemetry sent again, at its own speed or another."""
