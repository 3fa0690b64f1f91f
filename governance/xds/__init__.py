"""The protocol by which Envoy, and gRPC's own clients, get their configuration."""
