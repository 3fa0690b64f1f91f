"""Traces from the spans of a stream: open and closed traces, windows of edges, the watermark."""
