"""From policies to what Envoy is configured with. Pure: equal policies give equal bytes."""
