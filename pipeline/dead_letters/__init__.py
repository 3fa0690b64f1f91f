"""Records that could not be read: limits, where they are kept, and replay."""
