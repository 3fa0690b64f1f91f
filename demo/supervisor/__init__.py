"""Starts the shop's services, restarts what dies, directs traffic, and puts in faults: all through one HTTP API."""
