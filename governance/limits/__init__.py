"""Limits that a fleet shares: counters in the control plane, which Envoy asks by the RLS protocol."""
