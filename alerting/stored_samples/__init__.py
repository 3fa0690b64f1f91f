"""Samples that rules and queries read from the store of samples, and how they come into it."""
