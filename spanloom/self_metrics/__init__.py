"""What a process tells of itself: at /metrics, and to an OTLP endpoint."""
