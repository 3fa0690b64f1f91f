"""Listening and accepting within limits: connections, and the descriptors that they cost."""
