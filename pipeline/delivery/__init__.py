"""Exact delivery: offsets committed only when documents are stored, writers, retries."""
