"""The HTTP API: own routes, health and metrics, and the server that the console shares."""
