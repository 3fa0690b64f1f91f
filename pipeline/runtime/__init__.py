"""Faust, its transports, and access to Kafka."""
