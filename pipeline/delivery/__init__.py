"""Exact delivery: offsets held until documents are stored, writers, retries."""
