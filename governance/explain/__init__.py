"""What policies decide of one request, and why."""
