"""Chaos experiments on the demo shop: put a fault in, and judge by telemetry what followed."""
