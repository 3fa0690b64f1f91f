"""Progressive delivery: calls move from old instances to new ones in steps that telemetry judges."""
