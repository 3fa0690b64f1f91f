"""Copies of what a control plane cannot lose: its store, and the key of its authority."""
