"""What each role of a process starts, and how it ends."""
