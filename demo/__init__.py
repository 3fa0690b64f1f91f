"""The demo: a small shop in separate processes, its supervisor and its load. Imports nothing of Spanloom."""
