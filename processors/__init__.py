"""Pure functions and small state machines over the data model: no I/O, no clock, no Kafka."""
