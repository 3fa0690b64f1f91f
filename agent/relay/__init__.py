"""Between the control plane and Envoy: what Envoy is given, and what it was given last."""
