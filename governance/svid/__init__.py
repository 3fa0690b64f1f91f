"""Identities of workloads: who issues them, who gets which, and how agents have theirs."""
