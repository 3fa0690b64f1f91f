"""Attributes of spans and logs: their index, and what it has not reached yet."""
