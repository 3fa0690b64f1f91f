"""The HTTP server that the collector and the console share, and what both answer."""
