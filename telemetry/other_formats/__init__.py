"""Spans as Zipkin and Jaeger write them."""
