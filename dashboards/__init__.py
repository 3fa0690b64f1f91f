"""What people and programs look at: the HTTP API, and the console on top of it."""
