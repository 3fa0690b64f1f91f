"""Receivers of telemetry, one protocol a file."""
