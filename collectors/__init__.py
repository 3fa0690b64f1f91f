"""Sources of telemetry and the shipper that writes it to topics."""
