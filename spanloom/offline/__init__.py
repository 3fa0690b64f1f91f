"""Analysis of recorded telemetry without a running pipeline."""
