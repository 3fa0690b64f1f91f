"""The state machines of self-healing. Pure: no I/O, no clock."""
