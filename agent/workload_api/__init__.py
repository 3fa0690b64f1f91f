"""Identities for the workloads beside an agent: where they come from, and the SPIFFE Workload API that hands them out."""
