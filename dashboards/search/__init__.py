"""What the console searches for: its query language, answered by counts of the store."""
