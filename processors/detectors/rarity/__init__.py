"""How rare a value or a count is, in nats."""
